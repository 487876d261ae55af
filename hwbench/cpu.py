"""The processor as this process may use it: model, cores, instruction sets, clock, caches."""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from hwbench import sysfs
from hwbench.device import Cpu
from hwbench.sysfs import ROOT
from hwbench.units import HZ_PER_KHZ

X86_ISA = [
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "amx_fp16",
]
ARM_ISA = ("neon", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme")
_HZ_PER_GHZ = 1e9

# Where /proc/cpuinfo and macOS use other words than the lists above.
_LINUX_NAMES = {"asimd": "neon"}
_MACOS_X86_NAMES = {"sse4.2": "sse4_2", "avx1.0": "avx", "avx512vnni": "avx512_vnni"}
_MACOS_ARM_NAMES = {
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_SME": "sme",
}

# (implementer, part) of MIDR_EL1; source: util-linux sys-utils/lscpu-arm.c.
_ARM_PARTS = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd83"): "Neoverse-V3AE",
    ("0x41", "0xd84"): "Neoverse-V3",
    ("0x41", "0xd8e"): "Neoverse-N3",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1a",
}


def find(root: Path = ROOT) -> Cpu:
    """Return what is known of the processor."""
    usable = usable_cpus()
    return Cpu(
        model=_model(root, usable),
        cores=_cores(root, usable),
        threads=len(usable),
        isa=_isa(root),
        base_hz=_base_hz(root, usable),
        governor=governor(root, usable),
        cache_bytes=llc_bytes(root),
    )


def usable_cpus() -> frozenset[int]:
    """Return the logical CPUs that this process may run on (all, where none can be asked)."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def llc_bytes(root: Path = ROOT) -> int | None:
    """Return the size of the last-level caches that the usable CPUs reach, summed, or None."""
    levels: dict[int, dict[str, int]] = {}
    for number in usable_cpus():
        for index in (_cpu(root, number) / "cache").glob("index*"):
            level, size = sysfs.integer(index / "level"), sysfs.size_bytes(index / "size")
            if level is None or size is None or sysfs.text(index / "type") == "Instruction":
                continue
            shared = sysfs.text(index / "shared_cpu_list") or str(number)
            levels.setdefault(level, {})[shared] = size
    if levels:
        return sum(levels[max(levels)].values())
    names = ("hw.l3cachesize", "hw.perflevel0.l2cachesize", "hw.l2cachesize")
    return next((size for n in names if (size := sysfs.sysctl_integer(n))), None)


def governor(root: Path, usable: Iterable[int]) -> str | None:
    """Return the clock policy of the usable CPUs (several joined by a comma), or None."""
    paths = (_cpu(root, n) / "cpufreq/scaling_governor" for n in usable)
    return ",".join(sorted({found for p in paths if (found := sysfs.text(p))})) or None


def emulated(root: Path = ROOT) -> str | None:
    """Return what translates this process's instructions, or None where nothing seems to."""
    if sysfs.sysctl("sysctl.proc_translated") == "1":
        return "rosetta2"
    if (_model(root, usable_cpus()) or "").startswith("QEMU TCG"):
        return "qemu"
    listed = any("vendor_id" in block for block in sysfs.fields(root / "proc/cpuinfo"))
    return "qemu-user" if listed and _is_arm() else None


def _is_arm() -> bool:
    return platform.machine().lower().startswith(("aarch64", "arm"))


def _cpu(root: Path, number: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{number}"


def _model(root: Path, usable: Iterable[int]) -> str | None:
    blocks = sysfs.fields(root / "proc/cpuinfo")
    for key in ("model name", "cpu", "uarch"):
        if named := next((b[key] for b in blocks if b.get(key)), None):
            return " ".join(named.split())
    parts = {_arm_part(b) for b in blocks if b.get("processor", "").isdecimal()
             and int(b["processor"]) in set(usable)}  # fmt: skip
    listed = " + ".join(sorted(part for part in parts if part))
    return listed or sysfs.sysctl("machdep.cpu.brand_string") or None


def _arm_part(block: dict[str, str]) -> str | None:
    implementer, part = block.get("CPU implementer"), block.get("CPU part")
    if not implementer or not part:
        return None
    unnamed = f"ARM implementer {implementer} part {part}"
    return _ARM_PARTS.get((implementer, part), unnamed)


def _cores(root: Path, usable: frozenset[int]) -> int:
    """Count the physical cores under the usable CPUs: threads of one core share its list."""
    siblings = {_siblings(root, n) for n in usable}
    if None not in siblings:
        return len(siblings)
    blocks = [b for b in sysfs.fields(root / "proc/cpuinfo") if b.get("processor", "").isdecimal()]
    ours = [b for b in blocks if int(b["processor"]) in usable and "core id" in b]
    if ours:
        return len({(b.get("physical id"), b["core id"]) for b in ours})
    counted = sysfs.sysctl_integer("hw.physicalcpu")
    return min(counted or len(usable), len(usable))


def _siblings(root: Path, number: int) -> str | None:
    folder = _cpu(root, number) / "topology"
    return sysfs.text(folder / "core_cpus_list") or sysfs.text(folder / "thread_siblings_list")


def _isa(root: Path) -> tuple[str, ...]:
    blocks = sysfs.fields(root / "proc/cpuinfo")
    words = next((b[k] for b in blocks for k in ("flags", "Features") if b.get(k)), None)
    have = {_LINUX_NAMES.get(w, w) for w in words.split()} if words else _macos_isa()
    return tuple(name for name in (*X86_ISA, *ARM_ISA) if name in have)


def _macos_isa() -> set[str]:
    intel = [sysfs.sysctl(f"machdep.cpu.{n}") or "" for n in ("features", "leaf7_features")]
    have = {_MACOS_X86_NAMES.get(w, w) for w in " ".join(intel).lower().split()}
    have |= {isa for name, isa in _MACOS_ARM_NAMES.items() if sysfs.sysctl(name) == "1"}
    if sysfs.sysctl("hw.optional.arm64") == "1":
        have.add("neon")  # every 64-bit ARM has it
    return have


def _base_hz(root: Path, usable: Iterable[int]) -> float | None:
    """Return the base clock by sysfs or by the model's name, never what it runs at just now."""
    for number in sorted(usable):
        khz = sysfs.integer(_cpu(root, number) / "cpufreq/base_frequency")
        if khz:
            return khz * HZ_PER_KHZ
    named = re.search(r"@\s*([\d.]+)\s*GHz", _model(root, usable) or "")
    if named:
        return float(round(float(named[1]) * _HZ_PER_GHZ))
    nominal = sysfs.sysctl_integer("hw.cpufrequency")
    return float(nominal) if nominal else None
