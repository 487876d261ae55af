"""References and exports, kept in the user's cache by the hash of all that they depend on.

A reference is what a network must answer (float64, torch on the CPU); an export is its ONNX or
LiteRT file.
All take seconds to make and are the same every time, so one run pays and later ones do not.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from hwbench import protocol, registry, user_cache
from hwbench.case import Case
from hwbench.errors import Unavailable
from hwbench.workload import Workload

# The files whose text decides what an artifact holds, besides the workload's own.
_SOURCES = (
    "weights.py",
    "workload.py",
    "dialects/torch*.py",
    "dialects/onnx.py",
    "dialects/onnx_edge.py",
    "dialects/litert*.py",
    "edge_agreement.py",
    "edge_making.py",
    "architectures/*.py",
)
_LIBRARIES = ("torch", "numpy", "onnx", "onnxscript")
_LITERT = ("litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer")

KEEP_BYTES = 4 * 1024**3  # of the whole cache; the longest unused goes first


def folder() -> Path:
    """Return the cache folder of this user, made if need be; a temporary one if that fails."""
    path = user_cache.place()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError:
        return Path(tempfile.mkdtemp(prefix="hwbench-cache-"))


def key(kind: str, workload: str, **facts: str | int) -> str:
    """Return the content hash of an artifact: sources, configuration, versions and `facts`."""
    network = registry.networks()[workload]
    digest = hashlib.sha256()
    for path in _sources(network.workload):
        digest.update(path.read_bytes())
    versions = {name: _version(name) for name in _LIBRARIES}
    seeds = [protocol.CHECK_SEED, protocol.CHECK_STEPS]
    trained = [asdict(network.workload.optimizer), list(map(asdict, network.workload.objectives))]
    described = [kind, workload, dict(network.variant.config), trained, versions, facts, seeds]
    described.append(network.workload.fingerprint)
    digest.update(json.dumps(described, sort_keys=True).encode())
    return f"{workload}-{kind}-{digest.hexdigest()[:20]}"


def _sources(workload: Workload) -> list[Path]:
    """Return the files that decide what the network answers: its own, its family's, the dialect."""
    callables = (workload.build_torch, workload.inputs, workload.targets)
    own = {sys.modules[f.__module__].__file__ or "" for f in callables}
    shared = {path for pattern in _SOURCES for path in registry.PACKAGE.glob(pattern)}
    return sorted(shared | {Path(file) for file in own})


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Artifacts:
    """Makes what is not in the cache yet, by asking a torch child."""

    def __init__(self, ask: Callable[[str, object], protocol.Reply], cache: Path) -> None:
        """Take `ask(verb, request)`, which puts a request to a child that has torch."""
        self._ask = ask
        self._cache = cache
        self._failed: dict[str, Unavailable] = {}

    def reference(self, case: Case, batch_size: int) -> Path:
        """Return the file of the reference for a network's phase at `batch_size`."""
        name = key("reference", case.name, phase=case.phase, batch_size=batch_size)
        return self._made(
            name,
            "reference.npy",
            lambda path: (
                "reference",
                protocol.Reference(
                    workload=case.name, phase=case.phase, batch_size=batch_size, path=path
                ),
            ),
        )

    def export(self, case: Case, batch_size: int) -> Path:
        """Return the file, as its runtime takes it, of a network at `batch_size`."""
        form = _form(case)
        name = key(form, case.name, dtype=case.dtype, batch_size=batch_size, **_made_by(form))
        return self._made(
            name,
            f"model.{form}",
            lambda path: (
                "export",
                protocol.Export(
                    workload=case.name,
                    batch_size=batch_size,
                    dtype=case.dtype,
                    path=path,
                    form=form,
                ),
            ),
        )

    def edge_model(
        self, case: Case, precision: str, model: Path, batch_size: int, data: str | None
    ) -> Path:
        """Return the file of a float32 `model` in a precision, its facts beside it.

        Of float32 itself the facts alone are made.
        """
        stamp = model.stat()
        of_data, form = _stamp(data) if data else "", _form(case)
        name = key(
            "edge",
            case.name,
            precision=precision,
            batch_size=batch_size,
            model=f"{model}:{stamp.st_size}:{stamp.st_mtime_ns}",
            data=of_data,
            **_made_by(form),
        )
        return self._made(
            name,
            "facts.json" if precision == "float32" else f"model.{form}",
            lambda path: (
                "edge_model",
                protocol.EdgeModel(
                    workload=case.name,
                    model=str(model),
                    precision=precision,
                    batch_size=batch_size,
                    data=data,
                    path=path,
                    form=form,
                ),
            ),
        )

    def _made(self, name: str, file: str, request: Callable[[str], tuple[str, object]]) -> Path:
        """Return the cached file, made in a folder of its own and moved there whole."""
        target = self._cache / name
        if (target / file).exists():
            with suppress(OSError):
                os.utime(target)
            return target / file
        if name in self._failed:
            raise self._failed[name]
        scratch = Path(tempfile.mkdtemp(dir=self._cache, prefix="making-"))
        try:
            reply = self._ask(*request(str(scratch / file)))
            if not reply.ok:
                self._failed[name] = Unavailable(reply.reason or "it failed", reply.remedy)
                raise self._failed[name]
            with suppress(OSError):  # another run was quicker: its file is the same
                scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        prune(self._cache, keep=target)
        return target / file


def _form(case: Case) -> str:
    """Return the form of file that a case's runtime takes: `onnx`, `tflite`."""
    return registry.runtimes()[case.runtime].dialect


def _made_by(form: str) -> dict[str, str]:
    """Return the versions of what makes a form, beside those that all artifacts depend on."""
    return {name: _version(name) for name in _LITERT} if form == "tflite" else {}


def _stamp(data: str) -> str:
    """Return what changes with the user's data: names, sizes and times of all their files."""
    path = Path(data).absolute()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256(str(path).encode())
    for file in files:
        with suppress(OSError):
            found = file.stat()
            digest.update(f"{file.name}:{found.st_size}:{found.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def prune(cache: Path, keep: Path) -> None:
    """Remove the longest unused artifacts while the cache holds more than KEEP_BYTES."""
    entries = sorted((p for p in cache.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    sizes = {p: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in entries}
    total = sum(sizes.values())
    for path in entries:
        if total <= KEEP_BYTES or path == keep:
            return
        shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]
