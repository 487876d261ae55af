"""Data to learn from for real: scikit-learn's digits, or the user's images, arrays, labelled text.

In the child that trains: arrays in memory, split once by seed into a pool to train on and a test
set that no training sees. With a source task beside it where there is one, to pretrain on.
"""

from dataclasses import replace
from pathlib import Path

from hwbench.data_quality import quality_of
from hwbench.errors import BadInput, Unavailable
from hwbench.learning_sources import NAMED, digits_of, loaded
from hwbench.learning_task import TEST_FRAC, Study, Task, split
from hwbench.registry import Network

LEAST_CLASS = 4  # examples of a class: two to train on, two to test
UNLIKE = (
    "what starts from pretrained weights starts from the digits 0 to 4, which need not be like your"
    " data: --source DATA or --pretrained FILE of their kind tells more"
)


def study(spec: str, network: Network, seed: int = 0) -> Study:
    """Return the data of a spec: `digits`, a folder of images, an .npz, a text file with labels.

    Raises BadInput for data that cannot be learnt from or that the network does not take.
    """
    if spec == "digits":
        return digits_of(network, seed)
    path = Path(spec)
    if not path.exists():
        raise BadInput(f"--data {spec}: there is no such file or folder; digits needs none")
    whole, cautions = loaded(path, network)
    check(whole, spec)
    pool, test = split(whole, TEST_FRAC, seed)
    return Study(
        name=path.name,
        train=pool,
        test=test,
        source=None,
        source_test=None,
        quality=quality_of(pool, test),
        what=f"{len(whole):,} examples of {whole.classes} classes of {path.name}",
        cautions=tuple(cautions),
    )


def with_source(found: Study, network: Network, seed: int = 0) -> Study:
    """Return a study with a source task: its own, else digits 0 to 4 where they are images too.

    Without scikit-learn, or where the data are none, as it was.
    """
    if found.source is not None or "image" not in network.variant.config:
        return found
    try:
        digits = digits_of(network, seed)
    except Unavailable:
        return found
    return replace(
        found,
        source=digits.source,
        source_test=digits.source_test,
        cautions=(*found.cautions, UNLIKE),
    )


def check(task: Task, spec: str) -> None:
    """Raise BadInput for what cannot be learnt from."""
    import numpy as np

    if task.classes < 2:
        raise BadInput(f"--data {spec}: holds one class, {task.names[0]}: nothing to tell apart")
    if len(task) < task.classes:
        raise BadInput(f"--data {spec}: {len(task)} examples are fewer than {task.classes} classes")
    counts = np.bincount(task.targets, minlength=task.classes)
    few = [f"{task.names[c]} ({counts[c]})" for c in range(task.classes) if counts[c] < LEAST_CLASS]
    if few:
        raise BadInput(
            f"--data {spec}: too few examples to train and test on of {', '.join(few[:NAMED])}:"
            f" {LEAST_CLASS} of each class at the least"
        )
    if task.inputs.dtype.kind == "f" and not np.isfinite(task.inputs).all():
        raise BadInput(f"--data {spec}: holds numbers that are not finite (NaN or infinite)")
