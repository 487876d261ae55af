from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import hwbench.meters
import hwbench.runtimes
import hwbench.workloads
from hwbench import listing, planning, profile, registry
from hwbench.errors import UnknownName
from hwbench.selection import Selection
from tests.fakes import FACTS

KERNEL = """
from hwbench.kernel import Kernel

def never(*_):
    raise NotImplementedError

KERNEL = Kernel(
    name="NAME", version=1, formula="y = x", shapes={"small": {"n": 8}},
    flops=lambda shape: shape["n"], elements=lambda shape: 2 * shape["n"],
    inputs=never, reference=never, build_torch=never,
)
"""
WORKLOAD = """
from hwbench.workload import Optimizer, Variant, Workload

def never(*_):
    raise NotImplementedError

WORKLOAD = Workload(
    name="NAME", version=3, summary="a network of a stranger", item="row",
    variants={"": Variant(config={"n": 4}, shape={"n": 4}, batch_size=2),
              "small": Variant(config={"n": 2}, shape={"n": 2}, batch_size=1)},
    optimizer=Optimizer(name="sgd", learning_rate=0.1),
    inputs=never, targets=never, build_torch=never, build_flax=never,
    parameters=lambda config: config["n"] ** 2, flops=lambda config: 2 * config["n"] ** 2,
)
"""
METER = """
from hwbench.meter import Meter
METER = Meter(
    name="NAME", summary="a meter of a stranger", rank=1, probe=lambda asked: None,
    open=lambda asked: [],
)
"""


def _forget() -> None:
    for cached in (
        registry.kernels,
        registry.workloads,
        registry._built_in,
        registry.runtimes,
        registry.meters,
    ):
        cached.cache_clear()


def _kernels() -> ModuleType:
    import importlib

    registry.mount_kernels()
    return importlib.import_module("hwbench.kernels")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Put a folder with files of one's own behind a package's, and forget it afterwards."""

    def with_files(package: ModuleType, **files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        _forget()
        return tmp_path

    _forget()
    yield with_files
    monkeypatch.undo()
    _forget()


def test_a_new_kernel_is_one_file_and_nothing_else(folder: Callable[..., Path]) -> None:
    folder(_kernels(), copy_of_strangers=KERNEL.replace("NAME", "copy"))
    kernel = registry.kernels()["copy"]
    assert "copy" in {item.name for item in listing.items("kernels")}
    assert kernel.work({"n": 8}, "forward", "float32") == (8, 64)
    assert not registry.kernels().broken


def test_a_new_workload_is_one_file_and_can_be_planned(folder: Callable[..., Path]) -> None:
    folder(hwbench.workloads, net_of_strangers=WORKLOAD.replace("NAME", "net"))
    assert registry.networks()["net_small"].variant.config == {"n": 2}
    selection = Selection(models=("net",), runtimes=("torch",), only=("workload/*",))
    plan = planning.plan(profile.named("smoke"), selection, FACTS, threads=1)
    assert [c.id for c in plan.runnable] == [
        "workload/net/inference/offline/torch/cpu/float32/2/n=4",
        "workload/net/training/train_step/torch/cpu/float32/2/n=4",
    ]
    assert {c.version for c in plan.runnable} == {3}


def test_a_new_meter_is_one_file(folder: Callable[..., Path]) -> None:
    folder(hwbench.meters, meter_of_strangers=METER.replace("NAME", "wall-plug"))
    assert registry.meters()["wall-plug"].summary == "a meter of a stranger"


def test_files_that_cannot_be_used_are_named_and_the_others_work(
    folder: Callable[..., Path],
) -> None:
    before = set(registry.kernels().items)
    folder(
        _kernels(),
        bad_a="1 / 0",
        bad_b="import no_such_library_anywhere",
        bad_c="kernel = 3",
        bad_d="KERNEL = 'gemm'",
        bad_e="def (",
        zz_gemm=KERNEL.replace("NAME", "gemm"),
        good_one=KERNEL.replace("NAME", "good"),
        _private="1 / 0",
    )
    shelf = registry.kernels()
    assert set(shelf.items) == before | {"good"}
    told = dict(shelf.broken)
    assert set(told) == {"bad_a.py", "bad_b.py", "bad_c.py", "bad_d.py", "bad_e.py", "zz_gemm.py"}
    assert "ZeroDivisionError" in told["bad_a.py"]
    assert "no_such_library_anywhere" in told["bad_b.py"]
    assert "defines no KERNEL = Kernel(...)" in told["bad_c.py"]
    assert "defines no KERNEL = Kernel(...)" in told["bad_d.py"]
    assert "SyntaxError" in told["bad_e.py"]
    assert told["zz_gemm.py"] == "the name 'gemm' is taken by gemm.py"
    assert listing.broken("kernels") == told


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('flops=lambda shape: shape["n"]', "flops=lambda shape: 0", "states 0 forward FLOPs"),
        ("elements=lambda shape: 2", "elements=lambda shape: 0", "moves 0 bytes at shape small"),
        ('shapes={"small"', 'shapes={"tiny"', "has no shape 'small': it has ['tiny']"),
        ("inputs=never", "backward_flops=never, inputs=never", "states one of backward_flops"),
    ],
)
def test_a_kernel_that_cannot_be_is_refused_with_the_reason(
    folder: Callable[..., Path], right: str, wrong: str, said: str
) -> None:
    assert right in KERNEL
    folder(_kernels(), odd=KERNEL.replace("NAME", "odd").replace(right, wrong))
    assert said in registry.kernels().broken["odd.py"]
    assert "gemm" in registry.kernels().items


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            'parameters=lambda config: config["n"] ** 2',
            "parameters=lambda config: 0",
            "0 parameters",
        ),
        ('variants={"":', 'variants={"big":', "has no variant ''"),
        (
            "inputs=never",
            "inputs=never, objectives=(Objective(method='loss', trains='part'),)",
            "objectives and no training_flops",
        ),
    ],
)
def test_a_workload_that_cannot_be_is_refused_with_the_reason(
    folder: Callable[..., Path], right: str, wrong: str, said: str
) -> None:
    assert right in WORKLOAD
    text = WORKLOAD.replace("import Optimizer", "import Objective, Optimizer").replace(right, wrong)
    folder(hwbench.workloads, odd=text.replace("NAME", "odd"))
    assert said in registry.workloads().broken["odd.py"]
    assert "mlp" in registry.workloads().items


def test_an_unknown_name_says_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="no workload is named 'resnet81': did you mean resnet18"):
        registry.networks()["resnet81"]


def test_every_shipped_plug_in_can_be_used() -> None:
    for shelf in (
        registry.kernels(),
        registry.workloads(),
        registry.runtimes(),
        registry.meters(),
    ):
        assert shelf.broken == {}
        assert shelf.items
    assert {"torch", "torch-compile", "jax", "onnxruntime"} <= set(registry.runtimes().items)
    assert {"mlp", "mlp_small", "resnet18", "resnet18_small", "gpt2_small"} <= set(
        registry.networks().items
    )
    kernels = "gemm conv2d depthwise_conv2d attention layer_norm softmax gelu embedding reduction"
    assert {*kernels.split(), "triad", "h2d_copy", "adamw", "gemm_int8"} <= set(
        registry.kernels().items
    )
