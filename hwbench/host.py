"""The machine and the software as a record lists them. What cannot be found out is None."""

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from hwbench import cgroup, cpu, sysfs, virtual
from hwbench.device import Cpu, Device, Environment
from hwbench.sysfs import ROOT

# A constant salt: the same name hashes alike in every record, and differs from other tools' hashes.
_SALT = "hwbench.host/1"
_HASH_DIGITS = 12
_GIT_TIMEOUT_S = 5.0
_CHECKOUT = Path(__file__).parent.parent

PACKAGES = (
    "hwbench-dl",
    "torch",
    "torchvision",
    "triton",
    "jax",
    "jaxlib",
    "jax-cuda12-plugin",
    "jax-cuda13-plugin",
    "flax",
    "optax",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxscript",
    "openvino",
    "ai-edge-litert",
    "litert-torch",
    "ai-edge-quantizer",
    "transformers",
    "timm",
    "numpy",
    "scipy",
    "psutil",
    "nvidia-ml-py",
    "nvidia-cublas",
    "nvidia-cublas-cu12",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "mkl",
    "intel-openmp",
)
# Variables that change how fast the libraries run.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY",
    "LD_PRELOAD",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
)
_SWITCHES = {
    "scaling_driver": "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver",
    "energy_performance_preference": (
        "sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference"
    ),
    "intel_no_turbo": "sys/devices/system/cpu/intel_pstate/no_turbo",
    "boost": "sys/devices/system/cpu/cpufreq/boost",
    "smt_active": "sys/devices/system/cpu/smt/active",
    "numa_nodes_online": "sys/devices/system/node/online",
}


def environment(
    *,
    hostname_shown: bool = False,
    packages: Iterable[str] = PACKAGES,
    root: Path = ROOT,
    environ: Mapping[str, str] = os.environ,
    checkout: Path = _CHECKOUT,
) -> Environment:
    """Return all that a record says of this machine; the host's name is hashed unless shown."""
    processor = cpu.find(root)
    name = platform.node()
    return Environment(
        hostname=name if hostname_shown else _hashed(name),
        machine_id=_machine_id(root, processor),
        os=_os(root),
        kernel=sysfs.text(root / "proc/sys/kernel/osrelease") or platform.release(),
        python=platform.python_version(),
        packages=versions(packages),
        cpu=processor,
        memory_bytes=cgroup.memory_bytes(root),
        container=virtual.container(root, environ),
        virtualised=virtual.virtualised(root),
        load_1m=load_1m(root),
        cloud_instance=virtual.cloud_instance(root),
        git=git_commit(checkout),
        settings=_settings(root, environ),
    )


def cpu_device(environment: Environment) -> Device:
    """Return the processor as a device of the record."""
    return Device(
        name="cpu",
        kind="cpu",
        index=0,
        model=environment.cpu.model,
        memory_bytes=environment.memory_bytes,
    )


def available_memory_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that can be taken now, by the machine and its control groups, or None."""
    return cgroup.available_memory_bytes(root)


def llc_bytes(root: Path = ROOT) -> int | None:
    """Return the size of the last-level caches that the usable CPUs reach, summed, or None."""
    return cpu.llc_bytes(root)


def load_1m(root: Path = ROOT) -> float | None:
    """Return the mean number of runnable processes over the last minute, or None."""
    try:
        return float((sysfs.text(root / "proc/loadavg") or "").partition(" ")[0])
    except ValueError:
        pass  # not Linux
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed ones of the packages with their versions."""
    from importlib import metadata

    found: dict[str, str] = {}
    for name in packages:
        try:
            version: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = version or "unknown"  # a broken install has no Version line
    return found


def git_commit(checkout: Path) -> str | None:
    """Return the commit of the checkout, `+` behind it if its code was changed, or None.

    Only the code counts: a record written into `results/` is no change to what was run.
    """
    git = ("git", "--no-optional-locks", "-C", str(checkout))
    top = sysfs.command(*git, "rev-parse", "--show-toplevel", timeout_s=_GIT_TIMEOUT_S)
    if not top or Path(top).resolve() != checkout.resolve():
        return None  # an install inside some other project's checkout
    commit = sysfs.command(*git, "rev-parse", "--short", "HEAD", timeout_s=_GIT_TIMEOUT_S)
    status = (*git, "status", "--porcelain", "--", "hwbench", "kernels")
    changed = sysfs.command(*status, timeout_s=_GIT_TIMEOUT_S)
    return f"{commit}+" if commit and changed else commit or None


def _hashed(value: str) -> str:
    return hashlib.sha256(f"{_SALT}|{value}".encode()).hexdigest()[:_HASH_DIGITS]


def _machine_id(root: Path, processor: Cpu) -> str:
    """Return a hash of the system's own id, else of its name, with the CPU's model.

    Images often carry one id onto many machines, hence the model. No address enters.
    """
    own = sysfs.text(root / "etc/machine-id") or sysfs.text(root / "var/lib/dbus/machine-id")
    if not own or own == "uninitialized":
        own = platform.node()
    return _hashed(f"machine|{own}|{processor.model}")


def _os(root: Path) -> str:
    for name in ("etc/os-release", "usr/lib/os-release"):
        named = re.search(r'^PRETTY_NAME=["\']?(.+?)["\']?$', sysfs.text(root / name) or "", re.M)
        if named:
            return named[1]
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}".strip()
    return platform.system() or sys.platform


def _settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what may change the speed and shows nowhere else; what is not known is left out."""
    found = {name: _anonymous(environ[name]) for name in VARIABLES if name in environ}
    quota = cgroup.cpu_quota(root)
    known = {
        **{name: sysfs.text(root / path) for name, path in _SWITCHES.items()},
        "transparent_hugepage": chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
        "cpu_quota_cpus": None if quota is None else f"{quota:g}",
        "emulated": cpu.emulated(root),
        "power_source": power_source(root),
    }
    return found | {name: value for name, value in known.items() if value}


def _anonymous(value: str) -> str:
    """Keep only the last part of each path and no card's serial: they may name a person."""
    unnamed = re.sub(r"\b(GPU|MIG)-[\w/-]+", r"\1-...", value)
    return re.sub(r"(?:~|\$HOME)?(?:/[^\s/:=,;]+)*/(?=[^\s/:=,;])", "", unnamed)


def chosen(path: Path) -> str | None:
    """Return the bracketed one of `always [madvise] never`."""
    chosen = re.search(r"\[(\w+)\]", sysfs.text(path) or "")
    return chosen[1] if chosen else None


def power_source(root: Path = ROOT) -> str | None:
    """Return `mains` or `battery` for a machine that has both, else None."""
    supplies = list((root / "sys/class/power_supply").glob("*"))
    mains = [s for s in supplies if sysfs.text(s / "type") in ("Mains", "USB")]
    online = [sysfs.integer(s / "online") for s in mains]
    if not any(sysfs.text(s / "type") == "Battery" for s in supplies) or not online:
        return None
    return "mains" if 1 in online else "battery"
