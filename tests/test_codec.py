import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from hwbench import codec, summary
from hwbench.bounds import Bound
from hwbench.case import Case, OptionValue
from hwbench.errors import BadRecord
from hwbench.measurement import Record
from tests import fakes
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, visit_result


def _record() -> Record:
    made = [
        summary.measurement(
            planned(case), [visit_result(case, n, 0.01, 0.011, 0.012) for n in range(3)], PROTOCOL
        )
        for case in (GEMM, INFERENCE)
    ]
    skipped = summary.measurement(planned(GEMM, skip="it is not there"), [], PROTOCOL)
    return fakes.record(*made, skipped)


def _json() -> Any:
    return json.loads(json.dumps(codec.encode(_record()), allow_nan=False))


def test_a_record_comes_back_as_it_was() -> None:
    assert codec.decode(Record, _json()) == _record()


def test_a_field_of_a_later_version_is_passed_over() -> None:
    value = _json()
    value["colour"] = "red"
    value["measurements"][0]["samples"][0]["pressure_pa"] = 1e5
    assert codec.decode(Record, value) == _record()


def test_a_field_with_a_default_may_be_missing() -> None:
    value = _json()
    del value["measurements"][0]["latency_reason"]
    assert codec.decode(Record, value).measurements[0].latency_reason is None


DELETED = object()


@pytest.mark.parametrize(
    ("path", "wrong", "told"),
    [
        ("measurements[0].samples[1].wall_s", float("nan"), "must be finite"),
        ("measurements[0].samples[1].wall_s", float("inf"), "must be finite"),
        ("measurements[0].samples[1].wall_s", -0.01, "must be above 0"),
        ("measurements[0].samples[1].wall_s", 0, "must be above 0"),
        ("measurements[0].samples[0].loops", 0, "must be at least 1"),
        ("measurements[0].samples[0].loops", 1.5, "must be an integer"),
        ("measurements[0].samples[0].loops", True, "must be an integer"),
        ("measurements[0].samples[0].start_s", -1.0, "must be at least 0"),
        ("measurements[0].samples[0].start_s", True, "must be a number"),
        ("measurements[1].warmup_s[1]", "0.1", "must be a number"),
        ("measurements[1].wall_s.level", 1.5, "must be at least 0 and at most 1"),
        ("measurements[1].wall_s.predictive.basis", None, "must be a str"),
        ("measurements[1].status", "fine", "must be one of ok, skipped, failed"),
        ("measurements[1].verdict", ["valid"], "must be one of"),
        ("measurements[1].shape.width", "128", "must be an integer"),
        ("measurements[1].runtime_options.level", None, "must be one of"),
        ("measurements[1].runtime_options.level", float("nan"), "must be finite"),
        ("measurements[1].samples", {}, "must be a list"),
        ("measurements[1].work", [], "must be an object"),
        ("measurements[1].work.parameters", -5, "must be at least 0"),
        ("measurements[1].id", 7, "must be a str"),
        ("measurements[1].id", DELETED, "is missing"),
        ("measurements[0].samples[2].loops", DELETED, "is missing"),
        ("protocol.fresh_processes", 1, "must be a bool"),
        ("environment.packages.numpy", 2, "must be a str"),
        ("duration_s", -1.0, "must be at least 0"),
        ("measurements", None, "must be a list"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path: str, wrong: Any, told: str) -> None:
    value = _json()
    _put(value, path, wrong)
    with pytest.raises(BadRecord) as refused:
        codec.decode(Record, value, where="r.json")
    assert str(refused.value).startswith(f"r.json: {path} {told}")
    assert refused.value.exit_code == 2


def _put(value: Any, path: str, wrong: Any) -> None:
    """Set or delete what `path` names."""
    *way, last = path.replace("[", ".[").split(".")
    for part in way:
        value = value[int(part[1:-1])] if part.startswith("[") else value[part]
    key = int(last[1:-1]) if last.startswith("[") else last
    if wrong is DELETED:
        del value[key]
    else:
        value[key] = wrong


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_object_is_named_as_the_top_level(value: Any) -> None:
    with pytest.raises(BadRecord, match="the top level must be an object"):
        codec.decode(Record, value)


def test_a_long_value_is_cut_in_the_message() -> None:
    value = _json()
    value["id"] = ["x" * 50] * 100
    with pytest.raises(BadRecord) as refused:
        codec.decode(Record, value)
    assert len(str(refused.value)) < 120


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    n: Annotated[int, Bound(least=1, most=9)]
    options: dict[str, OptionValue] = field(default_factory=dict)
    mode: Literal["fast", "slow"] = "fast"
    anything: Any = None


def test_options_may_be_of_any_plain_type_and_keep_it() -> None:
    options = {"a": 1, "b": 1.5, "c": True, "d": "x"}
    leaf = codec.decode(_Leaf, {"n": 1, "options": options})
    assert {k: type(v) for k, v in leaf.options.items()} == {
        "a": int,
        "b": float,
        "c": bool,
        "d": str,
    }


def test_a_bound_has_two_ends() -> None:
    for n in (0, 10):
        with pytest.raises(BadRecord, match="n must be at least 1 and at most 9"):
            codec.decode(_Leaf, {"n": n})


def test_a_literal_takes_its_words_only() -> None:
    assert codec.decode(_Leaf, {"n": 1, "mode": "slow"}).mode == "slow"
    with pytest.raises(BadRecord, match="mode must be one of fast, slow, found 'Slow'"):
        codec.decode(_Leaf, {"n": 1, "mode": "Slow"})


def test_a_whole_number_stands_for_a_float_and_becomes_one() -> None:
    value = _json()
    value["duration_s"] = 12
    assert type(codec.decode(Record, value).duration_s) is float


def test_a_mapping_of_facts_survives_the_way_there_and_back() -> None:
    case = Case(
        kind="workload",
        name="mlp",
        version=1,
        phase="inference",
        scenario="offline",
        runtime="onnxruntime",
        device="cpu",
        dtype="float32",
        batch_size=8,
        shape={"width": 128},
        options={"arena": False},
    )
    assert codec.decode(Case, json.loads(json.dumps(codec.encode(case)))).id == case.id
