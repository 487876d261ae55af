"""A training loop of one's own, watched: `python examples/watch_training.py` (torch, scikit-learn).

A small perceptron on scikit-learn's digits, with an evaluation after each epoch.
"""

import torch
from sklearn.datasets import load_digits

import hwbench

EPOCHS, BATCH = 200, 32


def main() -> None:
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    train, test = slice(0, 1500), slice(1500, None)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 1024), torch.nn.ReLU(),
        torch.nn.Linear(1024, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    starts = range(0, 1500 - BATCH + 1, BATCH)
    with hwbench.watch(total_steps=EPOCHS * len(starts), steps_per_epoch=len(starts)) as w:
        for _ in range(EPOCHS):
            order = torch.randperm(1500)
            for start in starts:
                chosen = order[start : start + BATCH]
                loss = torch.nn.functional.cross_entropy(model(x[train][chosen]), y[train][chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                w.step()
            with torch.no_grad():
                right = (model(x[test]).argmax(1) == y[test]).float().mean()
    print(f"{float(right):.1%} of the test is right")


if __name__ == "__main__":
    main()
