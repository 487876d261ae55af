"""How a user names a model: `timm:NAME`, `hf:NAME`, `MODULE:FACTORY`, `FILE.py:FACTORY`.

`FILE.onnx` and `FILE.tflite` name a graph, `lightning:MODULE:CLASS` a LightningModule. Sizes may
follow after an `@`: `@image=288`, `@seq=256`, `@classes=10`. A spec is only taken apart here:
nothing is imported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hwbench.errors import BadInput

Kind = Literal["timm", "hf", "module", "file", "onnx", "tflite", "lightning"]
_FILES = ("file", "onnx", "tflite")
SIZES = ("image", "seq", "classes", "features")
HOW = (
    "a workload (`hwbench list workloads`), timm:NAME, hf:NAME, package.module:factory,"
    " path/file.py:factory, lightning:package.module:Class, model.onnx"
    " or model.tflite"
)
_NAME = r"[A-Za-z_]\w*"
_PARTS = {
    "file": re.compile(rf"(?P<target>.+\.py):(?P<attribute>{_NAME})"),
    "timm": re.compile(r"timm:(?P<target>[\w.\-/:]+)"),
    "hf": re.compile(r"hf:(?P<target>.+)"),
    "lightning": re.compile(rf"lightning:(?P<target>{_NAME}(\.{_NAME})*):(?P<attribute>{_NAME})"),
    "onnx": re.compile(r"(?P<target>.+\.onnx)"),
    "tflite": re.compile(r"(?P<target>.+\.tflite)"),
    "module": re.compile(rf"(?P<target>{_NAME}(\.{_NAME})*):(?P<attribute>{_NAME})"),
}


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model as it was named: what kind of thing, where it is, and the sizes that were asked."""

    text: str
    kind: Kind
    target: str
    attribute: str = ""
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its cases: without a folder, and without what a case id parts by."""
        target = self.target
        if self.kind in _FILES or (self.kind == "hf" and Path(target).exists()):
            path = Path(target)
            target = path.stem if self.kind == "file" else path.name
            if target == "config.json":
                target = path.absolute().parent.name
        before = f"{self.kind}:" if self.kind in ("timm", "hf", "lightning") else ""
        after = f":{self.attribute}" if self.attribute else ""
        sizes = "".join(f"@{k}={v}" for k, v in self.sizes.items())
        return re.sub(r"[^\w.:+@=\-]", "-", f"{before}{target}{after}{sizes}")


def with_shapes(models: Sequence[str], shapes: Sequence[str]) -> tuple[str, ...]:
    """Return the specs with sizes (`NAME=N`) for the ONNX files among them; raise BadInput."""
    if not shapes:
        return tuple(models)
    if not any(m.endswith(".onnx") for m in models):
        raise BadInput(
            f"--shape {shapes[0]}: sets a size that an ONNX file leaves open: name the file by"
            " --model FILE.onnx"
        )
    return tuple(f"{m}@{','.join(shapes)}" if m.endswith(".onnx") else m for m in models)


def is_spec(text: str) -> bool:
    """Return whether a name is of a model of one's own, not of a workload."""
    bare = text.partition("@")[0]
    return ":" in text or "/" in text or bare.endswith((".onnx", ".tflite", ".py"))


def parse(text: str) -> ModelSpec:
    """Return what a spec names; raise BadInput for what is none, or names a file that is not there.

    A file is looked for, since nothing else can be told of it without running it.
    """
    bare, sizes = _sizes(text)
    for kind, pattern in _PARTS.items():
        found = pattern.fullmatch(bare)
        if found is not None:
            parts = found.groupdict()
            spec = ModelSpec(
                text=text,
                kind=kind,  # type: ignore[arg-type]
                target=parts["target"],
                attribute=parts.get("attribute") or "",
                sizes=sizes,
            )
            _check_file(spec)
            return spec
    if bare.endswith(".py"):
        raise BadInput(f"--model {text}: names no factory: {bare}:FUNCTION, which returns a module")
    raise BadInput(f"--model {text}: is not a model; name {HOW}")


def _sizes(text: str) -> tuple[str, dict[str, int]]:
    """Part a spec from the sizes that follow it."""
    bare, at, asked = text.rpartition("@")
    if not at or "=" not in asked:
        return text, {}
    sizes: dict[str, int] = {}
    for part in asked.split(","):
        name, _, value = part.partition("=")
        of_graph = bare.endswith(".onnx") and name.isidentifier()  # a size that the graph names
        if not (name in SIZES or of_graph) or not value.isdecimal() or not int(value):
            raise BadInput(
                f"--model {text}: {part!r} is not a size: {', '.join(SIZES)}, as in @image=288"
            )
        sizes[name] = int(value)
    return bare, sizes


def _check_file(spec: ModelSpec) -> None:
    if spec.kind in _FILES and not Path(spec.target).is_file():
        raise BadInput(f"--model {spec.text}: there is no file {spec.target}")
