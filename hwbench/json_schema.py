"""The published JSON Schemas of dataclass trees, made from the types that `codec` checks.

`python -m hwbench.json_schema > docs/record.schema.json` writes the one of the record,
with `estimate`, `shortcuts`, `compare` or `validation` behind it those of the other files.
"""

import dataclasses
import json
import sys
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hwbench import (
    advised,
    compared,
    estimated,
    inspected,
    measurement,
    memory_needs,
    shortcut_rows,
    tokens,
    validation,
)
from hwbench.bounds import Bound
from hwbench.errors import UnknownName

# What is published, by the first part of the file's name: the tree and what it calls itself.
TREES: dict[str, tuple[type, str]] = {
    "record": (measurement.Record, measurement.SCHEMA),
    "estimate": (estimated.EstimateFile, estimated.SCHEMA),
    "shortcuts": (shortcut_rows.ShortcutsFile, shortcut_rows.SCHEMA),
    "compare": (compared.Comparison, compared.SCHEMA),
    "validation": (validation.Validation, validation.SCHEMA),
    "advice": (advised.Advice, advised.SCHEMA),
    "memory": (memory_needs.MemoryFile, memory_needs.SCHEMA),
    "serving": (tokens.ServingFile, tokens.SCHEMA),
    "inspection": (inspected.Inspection, inspected.SCHEMA),
}

_PLAIN = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Any: {},
}


def schema(cls: type, title: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the dataclass `cls`, its parts under `$defs`."""
    definitions: dict[str, Any] = {}
    reference = _of(cls, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **reference,
        "$defs": dict(sorted(definitions.items())),
    }


def _of(tp: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one type; dataclasses go to `definitions` and are referred to."""
    origin, args = get_origin(tp), get_args(tp)
    if origin is Annotated:
        return {**_of(args[0], definitions), **_limits(args[1])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(a, definitions) for a in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _of(args[0], definitions)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _of(args[1], definitions)}
    if tp is type(None):
        return {"type": "null"}
    if dataclasses.is_dataclass(tp):
        return _object(tp, definitions)
    return dict(_PLAIN[tp])


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if cls.__name__ not in definitions:
        definitions[cls.__name__] = {}  # holds the place while its own fields are walked
        hints = get_type_hints(cls, include_extras=True)
        definitions[cls.__name__] = {
            "type": "object",
            "description": (cls.__doc__ or "").strip().splitlines()[0],
            "properties": {
                f.name: _of(hints[f.name], definitions) for f in dataclasses.fields(cls)
            },
            "required": [
                f.name
                for f in dataclasses.fields(cls)
                if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            ],
        }
    return {"$ref": f"#/$defs/{cls.__name__}"}


def _limits(bound: Bound) -> dict[str, float]:
    pairs = {"exclusiveMinimum": bound.above, "minimum": bound.least, "maximum": bound.most}
    return {key: value for key, value in pairs.items() if value is not None}


def published(which: str = "record") -> str:
    """Return the text of docs/<which>.schema.json; raise UnknownName for none of TREES."""
    if which not in TREES:
        raise UnknownName("schema", which, TREES)
    return json.dumps(schema(*TREES[which]), indent=1) + "\n"


if __name__ == "__main__":
    print(published(*sys.argv[1:]), end="")
