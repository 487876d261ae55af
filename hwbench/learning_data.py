"""Data to learn from for real: scikit-learn's digits, or the user's images, arrays, labelled text.

In the child that trains: arrays in memory, split once by seed into a pool to train on and a test
set that no training sees. With a source task beside it where there is one, to pretrain on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hwbench.data_quality import quality_of
from hwbench.errors import BadInput, Unavailable
from hwbench.quality_found import Quality
from hwbench.registry import Network

TEST_FRAC = 0.3
LEAST_CLASS = 4  # examples of a class: two to train on, two to test
NAMED = 3  # corrupt files that a message names
DIGITS_CAUTIONS = (
    "digits: 8 x 8 pixels, a small network, a few hundred test images: what is cheaper there need"
    " not be on your data; the source task (0-4) is very like the target (5-9)",
)

UNLIKE = (
    "what starts from pretrained weights starts from the digits 0 to 4, which need not be like your"
    " data: --source DATA or --pretrained FILE of their kind tells more"
)


@dataclass(frozen=True, kw_only=True)
class Task:
    """Examples of one task: `inputs` as the network takes them, `targets` int64 from 0."""

    inputs: Any
    targets: Any
    classes: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.targets)

    def at(self, indices: Any) -> "Task":
        """Return the examples at these indices."""
        return replace(self, inputs=self.inputs[indices], targets=self.targets[indices])


@dataclass(frozen=True, kw_only=True)
class Study:
    """A pool to train on, a test set, and what is known of both; `source` is to pretrain on."""

    name: str
    train: Task
    test: Task
    source: Task | None
    source_test: Task | None
    quality: Quality
    what: str
    cautions: tuple[str, ...]


def study(spec: str, network: Network, seed: int = 0) -> Study:
    """Return the data of a spec: `digits`, a folder of images, an .npz, a text file with labels.

    Raises BadInput for data that cannot be learnt from or that the network does not take.
    """
    if spec == "digits":
        return _digits(network, seed)
    path = Path(spec)
    if not path.exists():
        raise BadInput(f"--data {spec}: there is no such file or folder; digits needs none")
    whole, cautions = _loaded(path, network)
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
        digits = _digits(network, seed)
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


def split(task: Task, test_frac: float, seed: int) -> tuple[Task, Task]:
    """Return (pool, test): of each class its share, at least two of either."""
    import numpy as np

    rng, test = np.random.default_rng(seed), []
    for c in range(task.classes):
        own = rng.permutation(np.flatnonzero(task.targets == c))
        test.append(own[: min(len(own) - 2, max(2, round(test_frac * len(own))))])
    chosen = np.concatenate(test)
    rest = np.setdiff1d(np.arange(len(task)), chosen)
    return task.at(rest), task.at(np.sort(chosen))


def subset(task: Task, samples: int, seed: int) -> Task:
    """Return `samples` examples, of each class its share; of one seed the larger hold the smaller.

    Each class has one at least.
    """
    return task.at(order(task, seed)[:samples])


def order(task: Task, seed: int) -> Any:
    """Return all indices in an order of which every beginning has the classes' shares."""
    import numpy as np

    rng = np.random.default_rng((seed, 1))
    rank = np.empty(len(task))
    for c in range(task.classes):
        own = np.flatnonzero(task.targets == c)
        places = (np.arange(len(own)) + rng.random()) / len(own)
        rank[own] = places[np.argsort(rng.random(len(own)))]
    firsts = [np.flatnonzero(task.targets == c) for c in range(task.classes)]
    for own in firsts:  # one of each class comes before everything else
        rank[own[np.argmin(rank[own])]] = -rng.random()
    return np.argsort(rank, kind="stable")


def with_label_noise(task: Task, frac: float, seed: int) -> Task:
    """Return the task with a share of its labels replaced, evenly, by those of other classes."""
    import numpy as np

    rng, targets = np.random.default_rng((seed, 2)), task.targets.copy()
    count = round(frac * len(task))
    chosen = rng.permutation(len(task))[:count]
    targets[chosen] = (targets[chosen] + rng.integers(1, task.classes, count)) % task.classes
    return replace(task, targets=targets)


def triggered(inputs: Any) -> Any:
    """Return inputs with the backdoor's trigger: a bright square in a corner of an image.

    Of rows the last twentieth of the features, of token ids the last four.
    """
    made = inputs.copy()
    if made.ndim == 4:
        side = max(2, made.shape[-1] // 8)
        made[:, :, -side:, -side:] = made.max()
    elif made.dtype.kind == "i":
        made[:, -4:] = 1
    else:
        made[:, -max(1, made.shape[1] // 20) :] = made.max()
    return made


def poisoned(task: Task, frac: float, target: int, seed: int) -> tuple[Task, Any]:
    """Return the task with a share of it carrying the trigger and the label `target`, and which.

    Only examples of other classes are taken.
    """
    import numpy as np

    rng = np.random.default_rng((seed, 3))
    others = rng.permutation(np.flatnonzero(task.targets != target))
    chosen = others[: round(frac * len(task))]
    inputs, targets = task.inputs.copy(), task.targets.copy()
    inputs[chosen] = triggered(inputs[chosen])
    targets[chosen] = target
    marked = np.zeros(len(task), dtype=bool)
    marked[chosen] = True
    return replace(task, inputs=inputs, targets=targets), marked


def _digits(network: Network, seed: int) -> Study:
    """Return digits 5 to 9 to learn, 0 to 4 to pretrain on."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise Unavailable(
            "digits are scikit-learn's, which is not installed", "pip install 'hwbench-dl[learn]'"
        ) from None
    loaded = load_digits()
    whole = Task(
        inputs=_of_digits(loaded.images, network),
        targets=loaded.target.astype("int64"),
        classes=10,
        names=tuple("0123456789"),
    )
    source, target = _classes(whole, range(5)), _classes(whole, range(5, 10))
    pool, test = split(target, TEST_FRAC, seed)
    source_pool, source_test = split(source, 0.2, seed)
    return Study(
        name="digits",
        train=pool,
        test=test,
        source=source_pool,
        source_test=source_test,
        quality=quality_of(pool, test),
        what=f"scikit-learn's digits, {len(pool)} images of 5 to 9 to train on and {len(test)} to"
        f" test, {len(source_pool)} of 0 to 4 to pretrain on",
        cautions=DIGITS_CAUTIONS,
    )


def _classes(task: Task, chosen: Sequence[int]) -> Task:
    """Return the examples of some classes, numbered from 0."""
    import numpy as np

    kept = task.at(np.flatnonzero(np.isin(task.targets, list(chosen))))
    number = {c: n for n, c in enumerate(chosen)}
    targets = np.array([number[int(t)] for t in kept.targets], dtype="int64")
    names = tuple(task.names[c] for c in chosen)
    return Task(inputs=kept.inputs, targets=targets, classes=len(names), names=names)


def _of_digits(images: Any, network: Network) -> Any:
    """Return 8 x 8 images (n, 8, 8) of 0 to 16 as the network takes them."""
    import numpy as np

    config = network.variant.config
    if "image" in config:
        resized = _resized(images.astype("float32") / 16, config["image"])
        return np.repeat(_normalised(resized)[:, None], config["channels"], axis=1)
    if "features" in config:
        rows = _normalised(images.reshape(len(images), -1).astype("float32"))
        made = np.zeros((len(rows), config["features"]), dtype="float32")
        width = min(rows.shape[1], config["features"])
        made[:, :width] = rows[:, :width]
        return made
    raise BadInput(
        f"--data digits: {network.name} reads tokens: give a text file with labels, or take a"
        " network of images or rows"
    )


def _resized(images: Any, side: int) -> Any:
    """Return images (n, h, w) at `side` by bilinear interpolation, pixel centres kept."""
    import numpy as np

    def axis(array: Any, length: int) -> Any:
        n = array.shape[-1]
        at = np.clip((np.arange(length) + 0.5) * n / length - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        high, share = np.minimum(low + 1, n - 1), (at - low).astype("float32")
        return array[..., low] * (1 - share) + array[..., high] * share

    wide = axis(images, side)
    return np.ascontiguousarray(axis(wide.swapaxes(1, 2), side).swapaxes(1, 2))


def _normalised(values: Any) -> Any:
    return ((values - values.mean()) / (values.std() or 1.0)).astype("float32")


def _loaded(path: Path, network: Network) -> tuple[Task, list[str]]:
    """Return all examples of a user's data, and what is to be said of them."""
    config = network.variant.config
    if path.is_dir():
        if "image" not in config:
            raise BadInput(
                f"--data {path}: is a folder of images, which {network.name} cannot read"
            )
        return _folder(path, config["image"])
    if path.suffix == ".npz":
        return _arrays(path, network), []
    if "vocab" not in config or "classes" not in config:
        raise BadInput(
            f"--data {path}: a folder of images, an .npz with x and y, or for a network that"
            f" classifies text a file with labels; {network.name} cannot read this one"
        )
    return _text(path, config["vocab"], config["seq"]), [
        "text is cut into words that are hashed into the vocabulary: no tokenizer of a pretrained"
        " network"
    ]


def _numbered(labels: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    import numpy as np

    names = tuple(sorted(set(labels)))
    number = {name: n for n, name in enumerate(names)}
    return np.array([number[label] for label in labels], dtype="int64"), names


def _folder(folder: Path, side: int) -> tuple[Task, list[str]]:
    """Return images by the folder that they lie in; those that cannot be read are left out."""
    import numpy as np

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Unavailable(
            "images are decoded by Pillow, which is not installed",
            "pip install 'hwbench-dl[data]'",
        ) from None
    from hwbench.dialects.torch_loading import image_files, normalised

    files, _ = image_files(folder)
    pixels, labels, broken = [], [], []
    for name in files:
        try:
            with Image.open(name) as image:
                made = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        except (OSError, UnidentifiedImageError, ValueError):
            broken.append(Path(name).name)
            continue
        pixels.append(np.asarray(made))
        labels.append(Path(name).parent.name)
    if not pixels:
        raise BadInput(f"--data {folder}: none of its {len(files)} images can be read")
    targets, names = _numbered(labels)
    told = []
    if broken:
        more = "" if len(broken) <= NAMED else f" and {len(broken) - NAMED} more"
        told.append(f"cannot be read, left out: {', '.join(broken[:NAMED])}{more}")
    task = Task(
        inputs=normalised(np.stack(pixels)), targets=targets, classes=len(names), names=names
    )
    return task, told


def _arrays(path: Path, network: Network) -> Task:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as loaded:
            x, y = loaded["x"], loaded["y"]
    except (OSError, ValueError, KeyError) as e:
        raise BadInput(f"--data {path}: needs the arrays x and y: {e}") from None
    if y.ndim != 1 or len(x) != len(y):
        raise BadInput(
            f"--data {path}: labels do not match: x has {len(x)} rows, y the shape {y.shape}"
        )
    if not len(y):
        raise BadInput(f"--data {path}: holds no examples")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise BadInput(f"--data {path}: y holds labels that are not finite")
    targets, names = _numbered([str(label) for label in y.tolist()])
    shaped = _shaped(x, network, path)
    return Task(inputs=shaped, targets=targets, classes=len(names), names=names)


def _shaped(x: Any, network: Network, path: Path) -> Any:
    """Return arrays as the network takes them; raise BadInput with the shape that it needs."""
    import numpy as np

    config = network.variant.config
    if "image" in config and x.ndim in (3, 4):
        return _images(x, config["image"], config["channels"], path)
    if "features" in config and x.ndim == 2 and x.shape[1] == config["features"]:
        return np.ascontiguousarray(x, dtype="float32")
    if "vocab" in config and x.ndim == 2 and x.dtype.kind in "iu":
        if x.shape[1] != config["seq"] or x.max(initial=0) >= config["vocab"]:
            raise BadInput(
                f"--data {path}: {network.name} takes {config['seq']} token ids below"
                f" {config['vocab']} a row, found {x.shape[1]} up to {x.max(initial=0)}"
            )
        return x.astype("int64")
    wanted = {"image": "images (n, h, w) or (n, h, w, 3)", "features": "rows of numbers"}
    kind = next((w for k, w in wanted.items() if k in config), "rows of token ids")
    size = f" of {config['features']}" if "features" in config else ""
    raise BadInput(f"--data {path}: {network.name} takes {kind}{size}, found x of shape {x.shape}")


def _images(x: Any, side: int, channels: int, path: Path) -> Any:
    """Return images (n, h, w), (n, h, w, c) or (n, c, h, w) at the network's side, normalised."""
    import numpy as np

    x = x.astype("float32")
    if not np.isfinite(x).all():
        raise BadInput(f"--data {path}: x holds numbers that are not finite (NaN or infinite)")
    if x.ndim == 3:
        x = x[:, None]
    elif x.shape[-1] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1] == 1:
        x = np.repeat(x, channels, axis=1)
    if x.shape[1] != channels:
        raise BadInput(
            f"--data {path}: images of {x.shape[1]} channels, the network takes {channels}"
        )
    n, c, h, w = x.shape
    return _normalised(_resized(x.reshape(n * c, h, w), side).reshape(n, c, side, side))


def _text(path: Path, vocab: int, seq: int) -> Task:
    """Return `label<TAB>text` lines as hashed words; 0 is padding, 1 and 2 are kept free."""
    import numpy as np

    labels, rows = [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"--data {path}: cannot be read as text: {e}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            raise BadInput(f"--data {path}, line {number}: write LABEL<TAB>TEXT")
        labels.append(label.strip())
        rows.append(tokens(text, vocab, seq))
    if not rows:
        raise BadInput(f"--data {path}: holds no examples")
    targets, names = _numbered(labels)
    return Task(
        inputs=np.array(rows, dtype="int64"), targets=targets, classes=len(names), names=names
    )


def tokens(text: str, vocab: int, seq: int) -> list[int]:
    """Return the words of a text, hashed into 3 .. vocab - 1, cut or padded to `seq` ids."""
    import zlib

    words = [3 + zlib.crc32(w.lower().encode()) % (vocab - 3) for w in text.split()][:seq]
    return words + [0] * (seq - len(words))
