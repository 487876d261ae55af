"""What to know of a machine before its figures are believed: facts in, advice out.

Nothing is asked of the machine here, and a plain machine without sensors or NVIDIA's library is
no fault: it is a note.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from hwbench.cpu import ARM_ISA, X86_ISA
from hwbench.device import Device, Environment
from hwbench.nvml import Found
from hwbench.probed import MeterFacts, RuntimeFacts

# note: good to know, nothing is wrong; missing: cannot be measured here as it is; slow: figures
# will be lower or less steady than this machine's best.
Severity = Literal["note", "missing", "slow"]

_BUSY_FRAC = 0.5  # of the threads, in the mean of the last minute

# Instruction sets that compute in a format, by family. Sources: Intel intrinsics guide (AVX-512,
# AMX); Arm Architecture Reference Manual, FEAT_BF16 and FEAT_FP16.
_NATIVE: dict[frozenset[str], dict[str, tuple[str, ...]]] = {
    frozenset(X86_ISA): {
        "bfloat16": ("avx512_bf16", "amx_bf16"),
        "float16": ("avx512_fp16", "amx_fp16"),
    },
    frozenset(ARM_ISA): {"bfloat16": ("bf16",), "float16": ("asimdhp",)},
}
_GPU_BUILDS = {
    "torch": "install the CUDA build: https://pytorch.org/get-started/locally",
    "jax": 'pip install -U "jax[cuda13]"  ("jax[cuda12]" for a driver before 580)',
    "onnxruntime": "pip uninstall onnxruntime; pip install onnxruntime-gpu",
}


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to know of this machine: `what` is so, `why` it matters, what would help."""

    topic: str
    severity: Severity
    what: str
    why: str
    remedy: str | None = None


def on_processor(environment: Environment) -> Iterator[Advice]:
    """Advise on formats that this processor only emulates; one not known to is not accused."""
    isa = set(environment.cpu.isa)
    formats = next((f for family, f in _NATIVE.items() if isa & family), {})
    for dtype, native in formats.items():
        if not isa & set(native):
            yield Advice(
                topic="cpu",
                severity="slow",
                what=f"{dtype} is emulated on this CPU",
                why=f"it has none of {', '.join(native)}: expect {dtype} to be many times slower "
                "than float32",
                remedy="use float32 on this CPU",
            )
    if translator := environment.settings.get("emulated"):
        yield Advice(
            topic="cpu",
            severity="slow",
            what=f"this Python runs under {translator}",
            why="its instructions are translated: the figures are the translator's, not the CPU's",
            remedy="install a Python built for this machine",
        )


def on_steadiness(environment: Environment) -> Iterator[Advice]:
    """Advise on what makes times longer or less steady: load, quota, clock policy, battery."""
    threads, load, settings = environment.cpu.threads, environment.load_1m, environment.settings
    if load is not None and load > _BUSY_FRAC * threads:
        yield Advice(
            topic="load",
            severity="slow",
            what=f"something else is running: load {load:.2f} on {threads} threads",
            why="work that shares the cores makes every time longer and less steady",
            remedy="stop it or wait (ps -eo pcpu,comm --sort=-pcpu | head)",
        )
    quota = float(settings.get("cpu_quota_cpus", "inf"))
    if quota < threads:
        yield Advice(
            topic="quota",
            severity="slow",
            what=f"the control group allows {quota:g} CPUs' time on {threads} threads",
            why="threads beyond the quota are stopped for a part of every period",
            remedy=f"use --threads {max(1, int(quota))}, or raise the limit (docker: --cpus)",
        )
    if settings.get("power_source") == "battery":
        yield Advice(
            topic="power",
            severity="slow",
            what="this machine runs on its battery",
            why="clocks are lower and change more on battery",
            remedy="plug it in",
        )
    yield from _on_governor(environment)


def _on_governor(environment: Environment) -> Iterator[Advice]:
    """Advise on `powersave`: the lowest clock with most drivers, but not with all."""
    if "powersave" not in (environment.cpu.governor or ""):
        return
    driver = environment.settings.get("scaling_driver", "")
    own = driver in ("intel_pstate", "amd-pstate-epp")  # there it only means: the driver decides
    yield Advice(
        topic="governor",
        severity="note" if own else "slow",
        what=f"the CPU governor is powersave ({driver or 'driver unknown'})",
        why="the processor is slower to raise its clock" if own else "the clock stays at its least",
        remedy="sudo cpupower frequency-set -g performance",
    )


def on_runtimes(runtimes: Iterable[RuntimeFacts]) -> Iterator[Advice]:
    """Advise on runtimes that cannot be used, with the line that installs them."""
    for runtime in runtimes:
        if runtime.why_not:
            yield Advice(
                topic=runtime.name,
                severity="missing",
                what=f"the runtime {runtime.name} cannot be used",
                why=runtime.why_not,
                remedy=runtime.remedy,
            )


def on_cards(
    cards: Found, runtimes: Iterable[RuntimeFacts], environ: Mapping[str, str]
) -> Iterator[Advice]:
    """Advise on NVIDIA's cards, and on runtimes that see none of them."""
    if cards.why_not:
        yield Advice(
            topic="nvidia",
            severity="missing" if cards.devices else "note",
            what="some NVIDIA GPUs cannot be used" if cards.devices else "no NVIDIA GPU",
            why=cards.why_not,
        )
    for runtime in runtimes if cards.devices else ():
        if not runtime.why_not and not any(d.startswith("cuda") for d in runtime.devices):
            yield Advice(
                topic=runtime.name,
                severity="missing",
                what=f"{runtime.name} {runtime.version or ''}".strip() + " does not see the GPU",
                why="it was built without CUDA, or does not go with the driver",
                remedy=_GPU_BUILDS.get(runtime.name.split("-")[0]),
            )
    yield from _on_sharing(cards.devices)
    yield from _on_order(cards.devices, environ)


def _on_sharing(devices: Iterable[Device]) -> Iterator[Advice]:
    for device in devices:
        if device.other_processes:
            yield Advice(
                topic=device.name,
                severity="slow",
                what=f"{device.other_processes} other processes use {device.name}",
                why="work that shares the GPU makes every time longer and less steady",
                remedy="stop them (nvidia-smi lists them), or choose another GPU",
            )
        if device.mig:
            yield Advice(
                topic=device.name,
                severity="note",
                what=f"{device.name} is divided (MIG)",
                why="CUDA uses one slice of it: the figures are the slice's, not the card's",
                remedy="CUDA_VISIBLE_DEVICES=MIG-... chooses a slice (nvidia-smi -L lists them)",
            )


def _on_order(devices: tuple[Device, ...], environ: Mapping[str, str]) -> Iterator[Advice]:
    if len({d.model for d in devices}) < 2 or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return
    yield Advice(
        topic="nvidia",
        severity="note",
        what="the GPUs differ in model, and CUDA may number them otherwise than the driver",
        why="the facts listed for cuda:0 may be those of another card",
        remedy="export CUDA_DEVICE_ORDER=PCI_BUS_ID",
    )


def on_meters(meters: tuple[MeterFacts, ...]) -> Iterator[Advice]:
    """Advise where no meter is usable; one that a remedy would make usable is named alone."""
    measuring = [meter for meter in meters if meter.measured]  # a model is none
    if any(not meter.why_not for meter in measuring):
        return
    yield Advice(
        topic="meters",
        severity="note",
        what="nothing here measures energy",
        why="each meter says why it cannot be used; energy is then a model's and says so, or null",
        remedy=next((meter.remedy for meter in measuring if meter.remedy), None),
    )


def on_surroundings(environment: Environment) -> Iterator[Advice]:
    """Advise that a virtual machine or container is normal, and what it may hide."""
    around = {
        "virtual machine": (environment.virtualised, "its neighbours may take time from it"),
        "container": (environment.container, "its limits count, not those of the machine"),
    }
    for topic, (kind, why) in around.items():
        if kind:
            yield Advice(
                topic=topic,
                severity="note",
                what=f"this is a {topic} ({kind})",
                why=f"that is normal; {why}, and sensors may be hidden",
            )


def on_files(kind: str, broken: Mapping[str, str]) -> Iterator[Advice]:
    """Advise on plug-in files that could not be used, as their shelf lists them."""
    for name, problem in broken.items():
        yield Advice(
            topic=kind, severity="missing", what=f"the {kind} file {name} is not used", why=problem
        )
