"""What is around this process: a container, a hypervisor, a cloud. No network is asked."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hwbench import sysfs
from hwbench.sysfs import ROOT

_AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"
_ORACLE_ASSET_TAG = "OracleCloud.com"

# DMI sys_vendor -> hypervisor. A cloud's own name is the best that its machines tell.
_HYPERVISORS = {
    "Amazon EC2": "aws nitro",
    "QEMU": "qemu",
    "Microsoft Corporation": "hyper-v",
    "VMware, Inc.": "vmware",
    "innotek GmbH": "virtualbox",
    "Xen": "xen",
    "Parallels Software International Inc.": "parallels",
    "Parallels International GmbH.": "parallels",
    "Google": "kvm",
    "Apple Inc.": "apple virtualization",
}
# A guest's clock source -> hypervisor, for guests that show no DMI (Firecracker).
_CLOCKS = {"kvm-clock": "kvm", "xen": "xen", "hyperv_clocksource_tsc_page": "hyper-v"}

# DMI sys_vendor -> cloud, for those that write nothing else of use there.
_CLOUD_VENDORS = {
    "Google": "gcp",
    "Alibaba Cloud": "alibaba",
    "Tencent Cloud": "tencent",
    "DigitalOcean": "digitalocean",
    "Hetzner": "hetzner",
    "Scaleway": "scaleway",
    "Vultr": "vultr",
    "Linode": "linode",
    "Akamai": "linode",
}
# cloud-init's cloud_name -> cloud. A name that is not here (`nocloud`, `lxd`) is no cloud.
_CLOUD_INIT = {
    "aws": "aws",
    "azure": "azure",
    "gce": "gcp",
    "aliyun": "alibaba",
    "oracle": "oci",
    "digitalocean": "digitalocean",
    "hetzner": "hetzner",
    "scaleway": "scaleway",
    "vultr": "vultr",
    "akamai": "linode",
}
_TYPE_KEYS = (
    "instance_type",
    "instance-type",
    "instanceType",
    "vmSize",
    "machine-type",
    "machineType",
    "shape",
)
_GROUP_WORDS = {
    "kubepods": "kubernetes",
    "libpod": "podman",
    "docker": "docker",
    "/lxc": "lxc",
    "containerd": "containerd",
    "machine.slice": "systemd-nspawn",
}


def container(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the kind of container this process is in, or None where there is no sign of one."""
    if environ.get("KUBERNETES_SERVICE_HOST") or _is_there(root, "run/secrets/kubernetes.io"):
        return "kubernetes"
    if environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    if _is_there(root, "run/.containerenv"):
        return "podman"
    if _is_there(root, ".dockerenv"):
        return "docker"
    return _declared_container(root) or _container_by_group(root)


def virtualised(root: Path = ROOT) -> str | None:
    """Return the hypervisor under this system, or None where there is no sign of one."""
    if "microsoft" in (sysfs.text(root / "proc/sys/kernel/osrelease") or "").lower():
        return "wsl2"
    if not _has_hypervisor(root):
        return None
    vendor = _dmi(root, "sys_vendor") or ""
    named = _HYPERVISORS.get(vendor) or sysfs.text(root / "sys/hypervisor/type")
    clocks = sysfs.text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource")
    by_clock = next((_CLOCKS[c] for c in (clocks or "").split() if c in _CLOCKS), None)
    return named or by_clock or vendor or "unknown hypervisor"


def cloud_instance(root: Path = ROOT) -> str | None:
    """Return `cloud:type` (`aws:m7i.large`), the cloud alone, or None where neither shows."""
    by_init = _from_cloud_init(root)
    if by_init and ":" in by_init:
        return by_init
    return _from_dmi(root) or by_init


def _is_there(root: Path, name: str) -> bool:
    try:
        return (root / name).exists()
    except OSError:
        return False


def _dmi(root: Path, name: str) -> str | None:
    return sysfs.text(root / "sys/class/dmi/id" / name)


def _declared_container(root: Path) -> str | None:
    """Return what the container's maker wrote for those inside (systemd's container interface)."""
    if told := sysfs.text(root / "run/systemd/container"):
        return told
    for pair in (sysfs.text(root / "proc/1/environ") or "").split("\0"):
        name, _, value = pair.partition("=")
        if name == "container" and value:
            return value
    return None


def _container_by_group(root: Path) -> str | None:
    groups = sysfs.text(root / "proc/1/cgroup") or ""
    return next((kind for word, kind in _GROUP_WORDS.items() if word in groups), None)


def _has_hypervisor(root: Path) -> bool:
    """Tell by the CPU's flag; an ARM has none, so there by device tree and DMI."""
    blocks = sysfs.fields(root / "proc/cpuinfo")
    flags = next((b["flags"] for b in blocks if "flags" in b), None)
    if flags is not None:
        return "hypervisor" in flags.split()
    if _is_there(root, "proc/device-tree/hypervisor"):
        return True
    # Bare metal in EC2 has the same vendor as its guests, but a product named `*.metal*`.
    metal = ".metal" in (_dmi(root, "product_name") or "")
    return _dmi(root, "sys_vendor") in _HYPERVISORS and not metal and not _is_apple(root)


def _is_apple(root: Path) -> bool:
    """Tell a Mac under Linux from a guest on a Mac: only the guest's product says `Virtual`."""
    vendor, product = _dmi(root, "sys_vendor"), _dmi(root, "product_name") or ""
    return vendor == "Apple Inc." and "Virtual" not in product


def _from_dmi(root: Path) -> str | None:
    vendor, product = _dmi(root, "sys_vendor") or "", _dmi(root, "product_name") or ""
    tag = _dmi(root, "chassis_asset_tag")
    if vendor == "Amazon EC2":
        return f"aws:{product}" if product else "aws"
    if "amazon" in (_dmi(root, "bios_version") or ""):  # the Xen generations of EC2
        return "aws"
    if tag == _AZURE_ASSET_TAG:
        return "azure"
    if tag == _ORACLE_ASSET_TAG:
        return "oci"
    return _CLOUD_VENDORS.get(vendor)


def _from_cloud_init(root: Path) -> str | None:
    """Return the cloud, with the type where told, from what cloud-init left at boot."""
    try:
        left = json.loads(sysfs.text(root / "run/cloud-init/instance-data.json") or "")
        cloud = _CLOUD_INIT.get(left["v1"]["cloud_name"])
    except (ValueError, KeyError, TypeError):
        return None
    found = next(_types(left.get("ds")), None)
    return f"{cloud}:{found}" if cloud and found else cloud


def _types(value: Any) -> Iterator[str]:
    """Yield the strings under a key that names the instance's type, at any depth."""
    inside = value.items() if isinstance(value, dict) else ()
    for key, part in inside:
        if key in _TYPE_KEYS and isinstance(part, str) and part:
            yield part.rsplit("/", 1)[-1]  # GCP writes projects/N/machineTypes/TYPE
    for _, part in inside:
        yield from _types(part)
