from dataclasses import replace

import pytest

from hwbench import profile, registry
from hwbench.case import Case
from hwbench.errors import BadInput, UnknownName
from hwbench.probed import RuntimeFacts
from hwbench.selection import Selection, group, selected
from tests.fakes import FACTS, GEMM

GPU = RuntimeFacts(name="torch", version="2.11", devices=("cpu", "cuda:0"))
THREE = {name: FACTS[name] for name in ("torch", "jax", "onnxruntime")}


def _selected(selection: Selection, name: str = "smoke") -> list[Case]:
    return selected(profile.named(name), selection, FACTS)


def test_ids_are_those_of_the_contract() -> None:
    ids = {c.id for c in _selected(Selection())}
    assert "kernel/gemm/forward/hot/torch/cpu/float32/-/m=1024,n=1024,k=1024" in ids
    assert "workload/mlp_small/training/train_step/jax/cpu/float32/32/width=128" in ids
    assert "workload/mlp_small/inference/offline/onnxruntime/cpu/float32/32/width=128" in ids


def test_options_stand_sorted_at_the_end_of_an_id() -> None:
    case = replace(GEMM, options={"layout": "nhwc", "graph": True})
    assert case.id == GEMM.id + "/graph=True,layout=nhwc"
    assert replace(GEMM, version=2).id == GEMM.id


def test_smoke_is_small_and_touches_every_runtime() -> None:
    cases = _selected(Selection())
    assert len(cases) <= 25
    for runtime in THREE:
        mine = [c for c in cases if c.runtime == runtime]
        kernels = {c.name for c in mine if c.kind == "kernel"}
        assert kernels == {"gemm", "conv2d", "attention", "triad"}  # what bounds the others
        assert len({c.name for c in mine if c.kind == "workload"}) >= 2
    names = {(c.name, c.phase, c.runtime) for c in cases}
    assert ("gemm", "forward", "torch") in names
    assert ("resnet18_small", "training", "torch") in names
    assert profile.named("smoke").rounds == 3
    assert not profile.named("smoke").fresh_processes


@pytest.mark.parametrize("name", list(profile.profiles()))
def test_every_profile_selects_cases_on_a_processor_and_on_a_card(name: str) -> None:
    chosen = profile.named(name)
    on_cpu = selected(chosen, Selection(), FACTS)
    facts = {n: replace(GPU, name=n) for n in FACTS}
    on_both = selected(chosen, Selection(), facts)
    assert {c.device for c in on_cpu} == {"cpu"}
    assert {c.id for c in on_cpu} < {c.id for c in on_both}
    assert len({c.id for c in on_both}) == len(on_both)
    for case in on_both:
        if case.kind == "kernel":
            assert case.shape in registry.kernels()[case.name].shapes.values()


def test_full_holds_everything_and_standard_every_kernel() -> None:
    named = {n: {e.name for e in profile.named(n).entries} for n in ("standard", "full")}
    assert named["full"] == {*registry.kernels().items, *registry.workloads().items}
    assert set(registry.kernels().items) < named["standard"]
    large = {"gpt2_medium", "gpt2_large", "gpt2_xl", "llama_1b", "llama_8b", "llama_70b"}
    left_out = {*large, "qwen_moe_30b_a3b"}  # of language models 20 minutes hold the smallest
    assert set(registry.workloads().items) - left_out < named["standard"]
    assert not left_out & named["standard"]


def test_a_size_that_is_for_accelerators_alone_is_not_run_on_a_processor() -> None:
    facts = {"torch": GPU}
    devices = {
        c.device
        for c in selected(profile.named("standard"), Selection(runtimes=("torch",)), facts)
        if c.name == "vit_base"
    }
    assert devices == {"cuda:0"}


def test_fresh_processes_are_used_from_quick_up() -> None:
    names = list(profile.profiles())
    assert names == ["smoke", "quick", "standard", "full"]
    assert all(profile.named(n).fresh_processes for n in names[1:])


def test_a_single_item_is_a_stream_and_a_batch_is_offline() -> None:
    by_size = {
        c.batch_size: c.scenario
        for c in _selected(Selection(batch_sizes=(1, 4)))
        if c.phase == "inference"
    }
    assert by_size == {1: "single_stream", 4: "offline"}


def test_options_take_the_place_of_the_profiles_own() -> None:
    cases = _selected(
        Selection(runtimes=("jax",), dtypes=("bfloat16",), batch_sizes=(3,), devices=("cpu",))
    )
    assert {c.runtime for c in cases} == {"jax"}
    assert {c.dtype for c in cases} == {"bfloat16"}
    assert {c.batch_size for c in cases} == {None, 3}


def test_a_model_replaces_the_workloads_and_leaves_the_kernels() -> None:
    cases = _selected(Selection(models=("gpt2_small_small", "mlp")))
    assert {c.name for c in cases if c.kind == "workload"} == {"gpt2_small_small", "mlp"}
    kernels = {c.id for c in cases if c.kind == "kernel"}
    assert kernels == {c.id for c in _selected(Selection()) if c.kind == "kernel"}


def test_globs_narrow_and_exclude_wins() -> None:
    cases = _selected(Selection(only=("*/gemm/*", "*mlp_small*"), exclude=("*jax*",)))
    assert {c.name for c in cases} == {"gemm", "mlp_small"}
    assert {c.runtime for c in cases} == {"torch", "onnxruntime"}


def test_training_is_no_case_of_onnxruntime_unless_it_is_asked_for() -> None:
    def phases(cases: list[Case]) -> set[str]:
        return {c.phase for c in cases if c.runtime == "onnxruntime" and c.kind == "workload"}

    assert phases(_selected(Selection())) == {"inference"}
    assert phases(_selected(Selection(runtimes=("onnxruntime",)))) == {"inference", "training"}


def test_a_device_family_stands_for_its_first_device() -> None:
    facts = {"torch": replace(GPU, devices=("cpu", "cuda:0", "cuda:1"))}
    chosen = Selection(runtimes=("torch",), devices=("cuda",))
    assert {c.device for c in selected(profile.named("smoke"), chosen, facts)} == {"cuda:0"}


def test_cases_of_one_process_stand_together() -> None:
    groups = [group(c) for c in _selected(Selection(), "quick")]
    seen = list(dict.fromkeys(groups))
    assert groups == [g for name in seen for g in [name] * groups.count(name)]


@pytest.mark.parametrize(
    ("selection", "near"),
    [
        (Selection(runtimes=("tocrh",)), "torch"),
        (Selection(dtypes=("float23",)), "float32"),
        (Selection(models=("resnet81",)), "resnet18"),
        (Selection(devices=("cuda:0",)), "there are: cpu"),
        (Selection(only=("*mlp_smal/*",)), "mlp_small"),
        (Selection(exclude=("*traid/forwrad*",)), "kernel/triad/forward"),
    ],
)
def test_an_unknown_name_is_refused_with_the_near_ones(selection: Selection, near: str) -> None:
    with pytest.raises(BadInput) as told:
        _selected(selection)
    assert told.value.exit_code == 2
    assert near in str(told.value)
    asked = (*selection.runtimes, *selection.dtypes, *selection.models, *selection.devices)
    assert all(name in str(told.value) for name in (*asked, *selection.only, *selection.exclude))


def test_an_unknown_profile_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean quick"):
        profile.named("quikc")


def test_options_that_leave_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="no case is left") as told:
        _selected(Selection(exclude=("*",)))
    assert told.value.exit_code == 2
