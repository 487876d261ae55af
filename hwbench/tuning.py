"""What of this machine's settings would make figures higher or steadier: read, never changed.

Sources: Linux, Documentation/admin-guide (pm/cpufreq, pm/intel_pstate, mm/transhuge,
sysctl/vm, sysctl/kernel, kernel-parameters, cputopology); NVIDIA, driver persistence.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwbench import cpu, host, nvml, sysfs
from hwbench.sysfs import ROOT

NOTE = "Only read: nothing was changed. Each command is for you to run, and to undo."

_CPUS = "sys/devices/system/cpu"
_THP = "sys/kernel/mm/transparent_hugepage/enabled"
_SWAPPINESS = 10  # at most: above it the kernel swaps out programs to keep files in memory
_LOAD = 0.5  # runnable processes, in the mean of the last minute: something else is running
_OWN_GOVERNORS = ("intel_pstate", "amd-pstate-epp")  # in `powersave` the driver sets the clock


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: what was `found`, whether another would help, and the command that sets it.

    `found` and `would_help` are None where this system does not tell; `why` then says so.
    """

    setting: str
    found: str | None
    would_help: bool | None
    command: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """All settings, those that would help first."""

    settings: tuple[Setting, ...]
    note: str = NOTE


def examine(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> Tuning:
    """Read the settings of this machine."""
    load = host.load_1m(root)
    found = [
        _load(load),
        _governor(root),
        _turbo(root),
        _mains(root),
        _isolated(root, load),
        *_swap(root),
        _huge_pages(root),
        _smt(root),
        _numa(root),
        *_persistence(environ),
    ]
    order = (True, False, None)
    return Tuning(settings=tuple(sorted(found, key=lambda s: order.index(s.would_help))))


def _right(setting: str, found: str, why: str) -> Setting:
    return Setting(setting=setting, found=found, would_help=False, command=None, why=why)


def _better(setting: str, found: str, why: str, command: str) -> Setting:
    return Setting(setting=setting, found=found, would_help=True, command=command, why=why)


def _unknown(setting: str, why: str) -> Setting:
    return Setting(setting=setting, found=None, would_help=None, command=None, why=why)


def _load(load: float | None) -> Setting:
    if load is None:
        return _unknown("other load", "this system tells no load")
    found = f"{load:.2f} runnable in the last minute"
    if load <= _LOAD:
        return _right("other load", found, "nothing else runs to speak of")
    why = "work that shares the cores makes every time longer and less steady: stop it, or wait"
    return _better("other load", found, why, "ps -eo pcpu,pid,comm --sort=-pcpu | head")


def _governor(root: Path) -> Setting:
    found = cpu.governor(root, cpu.usable_cpus())
    if found is None:
        why = "no cpufreq in sysfs: a hypervisor or the firmware sets the clock"
        return _unknown("governor", why)
    if found == "performance":
        return _right("governor", found, "the clock goes to its most as soon as there is work")
    driver = sysfs.text(root / f"{_CPUS}/cpu0/cpufreq/scaling_driver")
    why = "the processor is slower to raise its clock"
    if "powersave" in found and driver not in _OWN_GOVERNORS:
        why = "the clock stays at its least"
    return _better("governor", found, why, "sudo cpupower frequency-set -g performance")


def _turbo(root: Path) -> Setting:
    """Read the switch of intel_pstate, which is the other way round, or that of the others."""
    for name, on in (("intel_pstate/no_turbo", 0), ("cpufreq/boost", 1)):
        path = root / _CPUS / name
        value = sysfs.integer(path)
        if value is None:
            continue
        if value == on:
            why = "figures are of this machine's best clock; they vary with heat: --soak"
            return _right("turbo", "on", why)
        why = "figures stay below what the machine can, though steadier"
        return _better("turbo", "off", why, f"echo {on} | sudo tee /{_CPUS}/{name}")
    return _unknown("turbo", "no switch in sysfs: a hypervisor or the firmware decides")


def _mains(root: Path) -> Setting:
    found = host.power_source(root)
    if found is None:
        return _unknown("mains power", "no battery with a mains supply is listed in sysfs")
    if found == "mains":
        return _right("mains power", found, "clocks are not held down to spare a battery")
    why = "clocks are lower and change more on battery"
    return Setting(
        setting="mains power", found=found, would_help=True, command=None, why=f"{why}: plug it in"
    )


def _isolated(root: Path, load: float | None) -> Setting:
    """Read whether CPUs are kept free of other work, and whether this process may use them."""
    line = sysfs.text(root / "proc/cmdline")
    if line is None:
        return _unknown("isolated CPUs", "no /proc/cmdline")
    told = re.findall(r"(?:^|\s)(?:isolcpus|nohz_full)=(\S+)", line)
    if not told:
        return _not_isolated(len(cpu.usable_cpus()), load)
    found = " ".join(re.findall(r"(?:^|\s)((?:isolcpus|nohz_full)=\S+)", line))
    apart = set().union(*map(_listed, told))
    if cpu.usable_cpus() <= apart:
        return _right("isolated CPUs", found, "this process runs on them alone")
    why = (
        "a program uses them only when told; Linux spreads no threads over them: bind each"
        " (OMP_PROC_BIND=true)"
    )
    return _better("isolated CPUs", found, why, f"taskset -c {_written(apart)} hwbench run")


def _not_isolated(threads: int, load: float | None) -> Setting:
    if threads < 4:
        return _right("isolated CPUs", "none", "there are too few to set some apart")
    if load is None or load <= _LOAD:
        return _right("isolated CPUs", "none", "a run on all cores of a quiet machine needs none")
    apart = f"2-{threads - 1}"
    why = f"add it to the kernel's command line: other programs then leave CPUs {apart} alone"
    return _better("isolated CPUs", "none", why, f"isolcpus={apart} nohz_full={apart}")


def _listed(text: str) -> set[int]:
    """Return the CPUs of a list such as `nohz,domain,2-4,7`; words are flags."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() or not last):
            found |= set(range(int(first), int(last or first) + 1))
    return found


def _written(numbers: Iterable[int]) -> str:
    """Return CPUs as a list with ranges: `2-4,7`."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def _swap(root: Path) -> Iterator[Setting]:
    known = {k: v for block in sysfs.fields(root / "proc/meminfo") for k, v in block.items()}
    sizes = [known.get(n, "").removesuffix(" kB") for n in ("SwapTotal", "SwapFree")]
    if not all(size.isdecimal() for size in sizes):
        yield _unknown("swap in use", "no sizes of swap in /proc/meminfo")
        return
    total_kib, free_kib = map(int, sizes)
    if total_kib == 0:
        yield _right("swap in use", "no swap", "a program that does not fit fails, and never slows")
        return
    used = f"{(total_kib - free_kib) // 1024} of {total_kib // 1024} MiB"
    if free_kib < total_kib:
        why = (
            "what was swapped out is slow when it is touched again: free memory, then bring it back"
        )
        yield _better("swap in use", used, why, "sudo swapoff -a && sudo swapon -a")
    else:
        yield _right("swap in use", used, "nothing is swapped out")
    yield _swappiness(root)


def _swappiness(root: Path) -> Setting:
    found = sysfs.integer(root / "proc/sys/vm/swappiness")
    if found is None:
        return _unknown("swappiness", "no /proc/sys/vm/swappiness")
    if found <= _SWAPPINESS:
        return _right("swappiness", str(found), "programs stay in memory before files do")
    why = "the kernel may swap programs out to keep files in memory"
    return _better("swappiness", str(found), why, f"sudo sysctl vm.swappiness={_SWAPPINESS}")


def _huge_pages(root: Path) -> Setting:
    found = host.chosen(root / _THP)
    if found is None:
        return _unknown("huge pages", "no transparent_hugepage in sysfs")
    if found == "always":
        return _right("huge pages", found, "large tensors need few entries of the TLB")
    why = "only programs that ask get them; torch asks with THP_MEM_ALLOC_ENABLE=1"
    if found == "never":
        why = "large tensors need an entry of the TLB for each 4 KiB"
    return _better("huge pages", found, why, f"echo always | sudo tee /{_THP}")


def _smt(root: Path) -> Setting:
    active = sysfs.integer(root / f"{_CPUS}/smt/active")
    if active is None:
        return _unknown("SMT", "no smt in sysfs: the processor or the hypervisor has none to tell")
    if not active:
        return _right("SMT", "off", "each thread has a core of its own")
    why = "two threads of the run may land on one core: bind them to cores"
    return _better("SMT", "on", why, "OMP_PLACES=cores OMP_PROC_BIND=close hwbench run")


def _numa(root: Path) -> Setting:
    found = sysfs.integer(root / "proc/sys/kernel/numa_balancing")
    nodes = _listed(sysfs.text(root / "sys/devices/system/node/online") or "")
    if len(nodes) == 1:
        return _right("NUMA balancing", "one node", "there is nothing to balance")
    if found is None:
        return _unknown("NUMA balancing", "no /proc/sys/kernel/numa_balancing")
    if not found:
        return _right("NUMA balancing", "off", "no page is moved while something is timed")
    why = "pages are unmapped and moved between the nodes while something is timed"
    return _better("NUMA balancing", "on", why, "sudo sysctl kernel.numa_balancing=0")


def _persistence(environ: Mapping[str, str]) -> Iterator[Setting]:
    modes, why_not = nvml.persistence(environ)
    if why_not is not None:
        yield _unknown("GPU persistence", why_not)
    for name, on in modes.items():
        setting = f"GPU persistence, {name}"
        if on:
            yield _right(setting, "on", "the driver keeps the card ready between processes")
        else:
            why = "the card is set up anew for each process that finds it unused"
            yield _better(setting, "off", why, "sudo nvidia-smi -pm 1")
