import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from hwbench import cgroup, cpu, host, sysfs, virtual
from hwbench.device import Environment

KIB, MIB, GIB = 1024, 1024**2, 1024**3
XEON_FLAGS = (
    "fpu sse4_2 avx f16c avx2 fma avx512f avx512_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_tile "
    "amx_int8 avx_vnni"
)
EPYC_FLAGS = "fpu sse4_2 avx f16c avx2 fma hypervisor"
GRAVITON_FEATURES = "fp asimd evtstrm aes fphp asimdhp cpuid asimddp sha512 sve i8mm bf16"
AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def x86(n: int, model: str, flags: str, cores: int | None = None) -> dict[str, str]:
    """Return /proc/cpuinfo of one socket; thread t runs on core t modulo `cores`."""
    blocks = (
        f"processor\t: {t}\nvendor_id\t: X\nmodel name\t: {model}\ncpu MHz\t\t: 812.004\n"
        f"physical id\t: 0\ncore id\t\t: {t % (cores or n)}\nflags\t\t: {flags}\n"
        for t in range(n)
    )
    return {"proc/cpuinfo": "\n".join(blocks)}


def arm(n: int, part: str, features: str, implementer: str = "0x41") -> dict[str, str]:
    blocks = (
        f"processor\t: {t}\nBogoMIPS\t: 243.75\nFeatures\t: {features}\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU part\t: {part}\n"
        for t in range(n)
    )
    return {"proc/cpuinfo": "\n".join(blocks)}


def topology(core_lists: list[str], caches: dict[int, tuple[str, str]]) -> dict[str, str]:
    """Return a CPU folder per entry: its core's list, and `level: (size, shared list)`."""
    files = {}
    for number, listed in enumerate(core_lists):
        folder = f"sys/devices/system/cpu/cpu{number}"
        files[f"{folder}/topology/core_cpus_list"] = listed
        for level, (size, shared) in caches.items():
            files[f"{folder}/cache/index{level}/level"] = str(level)
            files[f"{folder}/cache/index{level}/type"] = "Unified"
            files[f"{folder}/cache/index{level}/size"] = size
            files[f"{folder}/cache/index{level}/shared_cpu_list"] = shared or str(number)
    return files


def dmi(**names: str) -> dict[str, str]:
    return {f"sys/class/dmi/id/{name}": text for name, text in names.items()}


def meminfo(total_bytes: int, available_bytes: int) -> dict[str, str]:
    lines = (
        f"MemTotal:       {total_bytes // KIB} kB\nMemFree:  1 kB\n"
        f"MemAvailable:   {available_bytes // KIB} kB"
    )
    return {"proc/meminfo": lines}


def use(monkeypatch: pytest.MonkeyPatch, *cpus: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(cpus), raising=False)


def seen(root: Path, **environ: str) -> Environment:
    return host.environment(root=root, environ=environ, packages=["pytest"])


@pytest.fixture
def xeon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four cores of two threads each, on bare metal."""
    use(monkeypatch, *range(8))
    freq = "sys/devices/system/cpu/cpu0/cpufreq"
    files = {
        **x86(8, "Intel(R) Xeon(R) w7-3445", XEON_FLAGS, cores=4),
        **topology(
            [f"{t % 4},{t % 4 + 4}" for t in range(8)], {1: ("48K", ""), 3: ("26880K", "0-7")}
        ),
        **meminfo(64 * GIB, 60 * GIB),
        **dmi(sys_vendor="Dell Inc.", product_name="Precision 7865", chassis_asset_tag="A1"),
        f"{freq}/base_frequency": "2600000",
        f"{freq}/scaling_governor": "powersave",
        f"{freq}/scaling_driver": "intel_pstate",
        "proc/sys/kernel/osrelease": "6.8.0-45-generic",
        "proc/loadavg": "1.25 0.50 0.10 2/345 6789",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"',
        "etc/machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4",
        "proc/self/cgroup": "0::/user.slice/session-1.scope",
        "proc/1/cgroup": "0::/init.scope",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    }
    return plant(tmp_path, files)


def test_a_bare_intel_machine_is_described(xeon: Path) -> None:
    found = seen(xeon)
    assert found.cpu.model == "Intel(R) Xeon(R) w7-3445"
    assert (found.cpu.cores, found.cpu.threads) == (4, 8)
    assert set(found.cpu.isa) == set(XEON_FLAGS.split()) - {"fpu"}
    assert found.cpu.base_hz == 2.6e9
    assert found.cpu.governor == "powersave"
    assert found.cpu.cache_bytes == 26880 * KIB
    assert found.memory_bytes == 64 * GIB
    assert (found.os, found.kernel) == ("Ubuntu 24.04.1 LTS", "6.8.0-45-generic")
    assert found.load_1m == 1.25
    assert (found.container, found.virtualised, found.cloud_instance) == (None, None, None)
    assert found.settings["scaling_driver"] == "intel_pstate"
    assert found.settings["transparent_hugepage"] == "madvise"
    assert found.packages == {"pytest": pytest.__version__}


def test_only_the_cpus_this_process_may_use_count(
    xeon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0, 4, 5)  # both threads of one core, one of another
    found = cpu.find(xeon)
    assert (found.cores, found.threads) == (2, 3)


def test_cores_come_from_cpuinfo_where_sysfs_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, *range(8))
    plant(tmp_path, x86(8, "Intel", XEON_FLAGS, cores=4))
    assert cpu.find(tmp_path).cores == 4


def test_caches_of_several_dies_are_summed_and_a_shared_one_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0, 1, 2, 3)
    files = topology(["0", "1", "2", "3"], {2: ("512K", ""), 3: ("32M", "0-1")})
    for number in (2, 3):
        files[f"sys/devices/system/cpu/cpu{number}/cache/index3/shared_cpu_list"] = "2-3"
    plant(tmp_path, files)
    assert host.llc_bytes(tmp_path) == 64 * MIB
    use(monkeypatch, 0, 1)
    assert host.llc_bytes(tmp_path) == 32 * MIB


def test_the_base_clock_is_in_the_name_or_unknown_but_never_the_present_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0)
    named = x86(1, "Intel(R) Xeon(R) CPU @ 2.20GHz", XEON_FLAGS)
    assert cpu.find(plant(tmp_path / "a", named)).base_hz == 2.2e9
    current = {"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "812004"}
    bare = plant(tmp_path / "b", x86(1, "AMD EPYC 7B13", EPYC_FLAGS) | current)
    assert cpu.find(bare).base_hz is None


def test_a_virtual_epyc_is_virtual_and_lacks_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0, 1)
    files = {**x86(2, "AMD EPYC", EPYC_FLAGS), **dmi(sys_vendor="QEMU", product_name="Standard PC")}
    found = seen(plant(tmp_path, files))
    assert found.virtualised == "qemu"
    assert found.cloud_instance is None
    assert not {"avx512_bf16", "avx512_fp16"} & set(found.cpu.isa)
    assert found.cpu.governor is None


def test_a_guest_without_dmi_is_known_by_its_clock(tmp_path: Path) -> None:
    clock = "sys/devices/system/clocksource/clocksource0/available_clocksource"
    plant(tmp_path, x86(1, "AMD EPYC", EPYC_FLAGS))
    assert virtual.virtualised(tmp_path) == "unknown hypervisor"
    assert virtual.virtualised(plant(tmp_path, {clock: "tsc kvm-clock"})) == "kvm"


def test_an_aws_instance_tells_its_type_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0, 1)
    ec2 = dmi(sys_vendor="Amazon EC2", product_name="m7i.large", bios_version="1.0")
    found = seen(plant(tmp_path, x86(2, "Intel", XEON_FLAGS + " hypervisor") | ec2))
    assert (found.cloud_instance, found.virtualised) == ("aws:m7i.large", "aws nitro")


def test_bare_metal_in_a_cloud_is_in_the_cloud_and_not_virtual(tmp_path: Path) -> None:
    ec2 = dmi(sys_vendor="Amazon EC2", product_name="m7g.metal")
    arm_metal = plant(tmp_path / "arm", arm(1, "0xd40", GRAVITON_FEATURES) | ec2)
    assert virtual.virtualised(arm_metal) is None
    assert virtual.cloud_instance(arm_metal) == "aws:m7g.metal"
    x86_metal = plant(tmp_path / "x86", x86(1, "Intel", XEON_FLAGS) | ec2)
    assert virtual.virtualised(x86_metal) is None


def test_azure_is_known_by_its_asset_tag_and_typed_by_cloud_init(tmp_path: Path) -> None:
    board = dmi(
        sys_vendor="Microsoft Corporation",
        product_name="Virtual Machine",
        chassis_asset_tag=AZURE_TAG,
    )
    plant(tmp_path, x86(2, "AMD EPYC 9V74", EPYC_FLAGS) | board)
    assert virtual.cloud_instance(tmp_path) == "azure"
    assert virtual.virtualised(tmp_path) == "hyper-v"
    size = {"imds": {"compute": {"location": "westeurope", "vmSize": "Standard_D4as_v6"}}}
    left = {"v1": {"cloud_name": "azure"}, "ds": {"meta_data": size}}
    plant(tmp_path, {"run/cloud-init/instance-data.json": json.dumps(left)})
    assert virtual.cloud_instance(tmp_path) == "azure:Standard_D4as_v6"


def test_hyper_v_on_a_desk_is_no_cloud(tmp_path: Path) -> None:
    plant(tmp_path, dmi(sys_vendor="Microsoft Corporation", chassis_asset_tag="0000-0001"))
    assert virtual.cloud_instance(tmp_path) is None


@pytest.mark.parametrize(
    ("board", "cloud"),
    [
        (dmi(sys_vendor="Google", product_name="Google Compute Engine"), "gcp"),
        (dmi(sys_vendor="QEMU", chassis_asset_tag="OracleCloud.com"), "oci"),
        (dmi(sys_vendor="Alibaba Cloud", product_name="Alibaba Cloud ECS"), "alibaba"),
        (dmi(sys_vendor="Xen", bios_version="4.11.amazon"), "aws"),
        (dmi(sys_vendor="Dell Inc."), None),
    ],
)
def test_other_clouds_are_known_by_their_board(
    tmp_path: Path, board: dict[str, str], cloud: str | None
) -> None:
    assert virtual.cloud_instance(plant(tmp_path, board)) == cloud


@pytest.mark.parametrize("left", ["", "{", "[]", '{"v1": null}', '{"v1": {"cloud_name": "lxd"}}'])
def test_what_cloud_init_left_broken_or_local_is_no_cloud(tmp_path: Path, left: str) -> None:
    plant(tmp_path, {"run/cloud-init/instance-data.json": left})
    assert virtual.cloud_instance(tmp_path) is None


def test_graviton_is_named_by_its_part_and_its_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0, 1)
    ec2 = dmi(sys_vendor="Amazon EC2", product_name="c7g.large")
    found = seen(plant(tmp_path, arm(2, "0xd40", GRAVITON_FEATURES) | ec2))
    assert found.cpu.model == "Neoverse-V1"
    assert set(found.cpu.isa) == {"neon", "asimdhp", "asimddp", "bf16", "i8mm", "sve"}
    assert (found.virtualised, found.cloud_instance) == ("aws nitro", "aws:c7g.large")


def test_an_arm_core_that_is_not_listed_is_told_by_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0)
    plant(tmp_path, arm(1, "0xfff", "fp asimd", implementer="0x99"))
    assert cpu.find(tmp_path).model == "ARM implementer 0x99 part 0xfff"


def test_a_cgroup_v2_limit_is_the_memory_there_is(xeon: Path) -> None:
    plant(
        xeon,
        {
            ".dockerenv": "",
            "proc/self/cgroup": "0::/",
            "sys/fs/cgroup/memory.max": str(8 * GIB),
            "sys/fs/cgroup/memory.current": str(5 * GIB),
            "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {2 * GIB}\nactive_file 3",
            "sys/fs/cgroup/cpu.max": "150000 100000",
        },
    )
    found = seen(xeon)
    assert found.container == "docker"
    assert found.memory_bytes == 8 * GIB
    assert found.settings["cpu_quota_cpus"] == "1.5"
    assert found.cpu.threads == 8
    # 8 GiB less 5 used, of which 2 are file pages that the kernel drops when asked.
    assert host.available_memory_bytes(xeon) == 5 * GIB


def test_the_least_limit_of_nested_groups_counts(xeon: Path) -> None:
    plant(
        xeon,
        {
            "proc/self/cgroup": "0::/pod/box",
            "sys/fs/cgroup/pod/memory.max": str(4 * GIB),
            "sys/fs/cgroup/pod/cpu.max": "200000 100000",
            "sys/fs/cgroup/pod/box/memory.max": "max",
            "sys/fs/cgroup/pod/box/cpu.max": "max 100000",
        },
    )
    assert cgroup.memory_bytes(xeon) == 4 * GIB
    assert cgroup.cpu_quota(xeon) == 2.0


def test_cgroup_v1_limits_count_and_its_huge_number_is_none(xeon: Path) -> None:
    limit = "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes"
    files = {
        "proc/self/cgroup": "4:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/",
        limit: "9223372036854771712",
        "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000",
    }
    plant(xeon, files)
    assert cgroup.memory_limit_bytes(xeon) is None
    assert cgroup.cpu_quota(xeon) is None
    plant(xeon, {limit: str(GIB), "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "50000"})
    assert cgroup.memory_bytes(xeon) == GIB
    assert cgroup.cpu_quota(xeon) == 0.5


def test_available_memory_is_the_machines_where_no_group_limits_it(xeon: Path) -> None:
    assert host.available_memory_bytes(xeon) == 60 * GIB


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"run/.containerenv": 'engine="podman"'}, {}, "podman"),
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/systemd/container": "systemd-nspawn"}, {}, "systemd-nspawn"),
        ({"proc/1/environ": "PATH=/bin\0container=lxc\0"}, {}, "lxc"),
        ({"proc/1/cgroup": "12:cpu:/kubepods/burstable/pod1"}, {}, "kubernetes"),
        ({"proc/1/cgroup": "3:cpu:/docker/abc"}, {}, "docker"),
        ({}, {"APPTAINER_CONTAINER": "/x.sif"}, "apptainer"),
        ({"proc/1/cgroup": "0::/init.scope", "proc/1/environ": "HOME=/"}, {}, None),
    ],
)
def test_containers_are_known_by_what_they_leave(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], kind: str | None
) -> None:
    assert virtual.container(plant(tmp_path, files), environ) == kind


def test_a_mac_without_proc_is_described_by_sysctl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "machdep.cpu.brand_string": "Apple M3 Pro",
        "hw.physicalcpu": "11",
        "hw.memsize": str(36 * GIB),
        "hw.perflevel0.l2cachesize": str(16 * MIB),
        "hw.optional.arm64": "1",
        "hw.optional.arm.FEAT_BF16": "1",
        "hw.optional.arm.FEAT_FP16": "1",
    }
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sysfs, "command", lambda *argv, **_: told.get(argv[-1]))
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(platform, "release", lambda: "24.1.0")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 11)
    found = seen(tmp_path)
    assert (found.cpu.model, found.cpu.cores, found.cpu.threads) == ("Apple M3 Pro", 11, 11)
    assert set(found.cpu.isa) == {"neon", "bf16", "asimdhp"}
    assert (found.os, found.kernel) == ("macOS 15.1", "24.1.0")
    assert (found.memory_bytes, found.cpu.cache_bytes) == (36 * GIB, 16 * MIB)
    assert (found.container, found.virtualised, found.git) == (None, None, None)


def test_translated_instructions_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0)
    plant(tmp_path, x86(1, "AMD EPYC", EPYC_FLAGS))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert cpu.emulated(tmp_path) is None
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert cpu.emulated(tmp_path) == "qemu-user"


def test_nothing_at_all_is_unknown_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0)
    monkeypatch.setattr(os, "getloadavg", lambda: (_ for _ in ()).throw(OSError))
    found = seen(tmp_path)
    assert found.cpu.model is found.cpu.governor is None
    assert found.cpu.isa == ()
    assert (found.cpu.base_hz, found.cpu.cache_bytes, found.load_1m) == (None, None, None)
    assert (found.container, found.virtualised, found.cloud_instance) == (None, None, None)
    assert found.settings == {}


def test_files_of_nonsense_are_unknown_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, 0)
    names = [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/loadavg",
        "proc/self/cgroup",
        "proc/1/cgroup",
        "proc/1/environ",
        "etc/os-release",
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/cpu.max",
        "sys/fs/cgroup/memory.current",
        "run/cloud-init/instance-data.json",
        "sys/devices/system/cpu/cpu0/cache/index3/size",
        "sys/devices/system/cpu/cpu0/cache/index3/level",
        "sys/devices/system/cpu/cpu0/cpufreq/base_frequency",
    ]
    for name in names:
        plant(tmp_path, {name: ""})
        (tmp_path / name).write_bytes(b"\xff\xfe: \x00\x80 ::\n-:x\n\xc2\xb2")
    found = seen(tmp_path)
    assert (found.cpu.base_hz, found.cpu.cache_bytes) == (None, None)
    assert (found.container, found.cloud_instance) == (None, None)
    assert host.available_memory_bytes(tmp_path) is not None  # psutil's: the machine has some


def test_directories_in_place_of_files_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "proc/cpuinfo").mkdir(parents=True)
    assert cpu.find(tmp_path).model is None


def test_the_hostname_is_hidden_unless_asked_for(
    xeon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "annas-laptop")
    hidden = seen(xeon).hostname
    assert len(hidden) == 12
    assert int(hidden, 16) >= 0
    assert hidden == seen(xeon).hostname
    assert host.environment(root=xeon, hostname_shown=True).hostname == "annas-laptop"
    monkeypatch.setattr(platform, "node", lambda: "berts-laptop")
    assert seen(xeon).hostname != hidden


def test_the_machine_id_stays_and_differs_between_machines(
    xeon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = seen(xeon).machine_id
    assert (xeon / "etc/machine-id").read_text().strip() not in first
    monkeypatch.setattr(platform, "node", lambda: "renamed")
    assert seen(xeon).machine_id == first
    plant(xeon, {"etc/machine-id": "0" * 32})
    assert seen(xeon).machine_id != first
    (xeon / "etc/machine-id").write_text("")  # as images leave it: the name is what remains
    nameless = seen(xeon).machine_id
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert seen(xeon).machine_id != nameless


def test_settings_keep_what_matters_and_name_nobody(xeon: Path) -> None:
    kept = seen(
        xeon,
        OMP_NUM_THREADS="4",
        LD_PRELOAD="/home/anna/lib/libtcmalloc.so.4",
        XLA_FLAGS="--xla_cpu_multi_thread_eigen=false --xla_dump_to=/home/anna/dump",
        CUDA_VISIBLE_DEVICES="GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        AWS_SECRET_ACCESS_KEY="hunter2",
    ).settings
    assert kept["OMP_NUM_THREADS"] == "4"
    assert kept["LD_PRELOAD"] == "libtcmalloc.so.4"
    assert kept["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false --xla_dump_to=dump"
    assert kept["CUDA_VISIBLE_DEVICES"] == "GPU-..."
    assert not any("anna" in text or "hunter2" in text for text in kept.values())


@pytest.mark.parametrize(
    ("mains", "battery", "source"),
    [("1", True, "mains"), ("0", True, "battery"), ("1", False, None)],
)
def test_the_power_source_is_known_where_there_are_two(
    tmp_path: Path, mains: str, battery: bool, source: str | None
) -> None:
    folder = "sys/class/power_supply"
    files = {f"{folder}/AC/type": "Mains", f"{folder}/AC/online": mains}
    plant(tmp_path, files | ({f"{folder}/BAT0/type": "Battery"} if battery else {}))
    assert host.power_source(tmp_path) == source


def git(folder: Path, *argv: str) -> str:
    quiet = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", folder, *quiet, *argv], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_commit_is_marked_when_its_code_was_changed(tmp_path: Path) -> None:
    plant(tmp_path, {"hwbench/run.py": "1", "kernels/gemm.py": "1", "README.md": "1"})
    git(tmp_path, "init", "-q")
    assert host.git_commit(tmp_path) is None  # no commit yet
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD")
    plant(tmp_path, {"README.md": "2", "results/new.json": "{}"})
    assert host.git_commit(tmp_path) == commit
    plant(tmp_path, {"kernels/mine.py": "2"})
    assert host.git_commit(tmp_path) == f"{commit}+"


def test_an_install_inside_another_checkout_is_not_that_checkout(tmp_path: Path) -> None:
    plant(tmp_path, {"venv/lib/hwbench/run.py": "1"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "theirs")
    assert host.git_commit(tmp_path / "venv/lib") is None
    assert host.git_commit(tmp_path / "absent") is None


def test_a_machine_without_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.git_commit(Path(__file__).parent.parent) is None


def test_packages_that_are_not_installed_are_left_out() -> None:
    assert host.versions(["pytest", "no-such-thing-here"]) == {"pytest": pytest.__version__}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's own tools' answers")
def test_this_machine_agrees_with_other_tools() -> None:
    import psutil

    found = host.environment()
    assert found.cpu.threads == len(os.sched_getaffinity(0))
    assert 1 <= found.cpu.cores <= found.cpu.threads
    assert found.kernel == platform.release()
    assert found.memory_bytes is not None
    assert 0 < found.memory_bytes <= psutil.virtual_memory().total
    available = host.available_memory_bytes()
    assert available is not None
    assert 0 < available <= found.memory_bytes


def test_importing_host_imports_no_framework() -> None:
    ask = "import sys, hwbench.host, hwbench.doctor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True)
    heavy = {"torch", "jax", "onnxruntime", "numpy", "pynvml", "psutil"}
    assert not heavy & set(done.stdout.split())
