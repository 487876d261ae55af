"""Where data to learn from are: scikit-learn's digits, image folders, arrays, labelled text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench.data_quality import quality_of
from hwbench.errors import BadInput, Unavailable
from hwbench.learning_task import TEST_FRAC, Study, Task, split
from hwbench.registry import Network

NAMED = 3  # corrupt files that a message names
DIGITS_CAUTIONS = (
    "digits: 8 x 8 pixels, a small network, a few hundred test images: what is cheaper there need"
    " not be on your data; the source task (0-4) is very like the target (5-9)",
)


def digits_of(network: Network, seed: int) -> Study:
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


def loaded(path: Path, network: Network) -> tuple[Task, list[str]]:
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
    from hwbench.dialects.image_files import image_files
    from hwbench.dialects.torch_loading import normalised

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
