import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hwbench import codec, json_schema, summary, validate
from hwbench.errors import BadRecord, UnknownName
from hwbench.measurement import SCHEMA, Record
from tests import fakes
from tests.fakes import GEMM, INFERENCE, PROTOCOL, planned, visit_result
from tests.loops import LoopMachine, rows

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "docs" / "record.schema.json"


def _good() -> Any:
    made = [
        summary.measurement(
            planned(case), [visit_result(case, n, 0.01, 0.011, 0.012) for n in range(3)], PROTOCOL
        )
        for case in (GEMM, INFERENCE)
    ]
    skipped = summary.measurement(planned(GEMM, skip="it is not there"), [], PROTOCOL)
    return json.loads(json.dumps(codec.encode(fakes.record(*made, skipped))))


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("which", json_schema.TREES)
def test_the_published_schema_is_that_of_its_type(which: str) -> None:
    text = (ROOT / "docs" / f"{which}.schema.json").read_text()
    assert text == json_schema.published(which), (
        f"run: python -m hwbench.json_schema {which} > docs/{which}.schema.json"
    )


@pytest.mark.parametrize("arguments", [[], ["validation"]])
def test_the_schema_can_be_written_again(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hwbench.json_schema", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    which = arguments[0] if arguments else "record"
    assert done.stdout.decode() == (ROOT / "docs" / f"{which}.schema.json").read_text()


def test_a_schema_that_is_not_published_is_named() -> None:
    with pytest.raises(UnknownName, match="validation"):
        json_schema.published("validations")


def test_a_good_record_is_valid(validator: Any) -> None:
    validator.validate(_good())


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("id",), None),
        (("duration_s",), -1.0),
        (("measurements", 0, "samples", 0, "loops"), 0),
        (("measurements", 0, "samples", 0, "wall_s"), 0.0),
        (("measurements", 0, "samples", 0, "wall_s"), "0.1"),
        (("measurements", 1, "status"), "fine"),
        (("measurements", 1, "wall_s", "level"), 1.5),
        (("measurements", 1, "shape", "width"), 1.5),
        (("measurements", 1, "warnings"), {}),
        (("protocol", "rounds"), 0),
        (("environment", "cpu", "isa"), "avx2"),
    ],
)
def test_what_the_codec_refuses_the_schema_refuses(
    validator: Any, path: tuple[str | int, ...], wrong: Any
) -> None:
    value = _good()
    inner = value
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError) as refused:
        validator.validate(value)
    assert tuple(refused.value.absolute_path) in (path, path[:-1])  # an optional part as a whole
    with pytest.raises(BadRecord):
        codec.decode(Record, value)


def test_every_required_field_is_asked_for(validator: Any) -> None:
    good = _good()
    required = json.loads(PUBLISHED.read_text())["$defs"]["Record"]["required"]
    assert {"schema", "measurements", "environment", "protocol"} <= set(required)
    for name in required:
        value = copy.copy(good)
        del value[name]
        assert not validator.is_valid(value), name


def test_a_field_of_a_later_version_is_allowed(validator: Any) -> None:
    value = _good()
    value["measurements"][0]["colour"] = "red"
    validator.validate(value)


def test_every_definition_says_what_it_is() -> None:
    definitions = json_schema.schema(Record, SCHEMA)["$defs"]
    assert {"Record", "Measurement", "Sample", "Environment", "Protocol"} <= set(definitions)
    assert all(d["description"] for d in definitions.values())


def test_a_finished_validation_is_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.isolate(monkeypatch, tmp_path)
    machine = LoopMachine()
    options = validate.Options(
        workload="mlp_small", data=rows(tmp_path), threads=1, out=tmp_path / "v.json"
    )
    done = validate.validate(options, None, machine.spawn, machine.clock, machine.sleep)
    assert done.validation.status == "done"
    value = json.loads((tmp_path / "v.json").read_text())
    schema = json.loads(json_schema.published("validation"))
    jsonschema.Draft202012Validator(schema).validate(value)
    assert set(value) == set(schema["$defs"]["Validation"]["properties"])
    value["total_s"]["point_s"] = -1.0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(value)
