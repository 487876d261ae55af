"""Dataclasses to JSON and back, every field checked and a wrong one named by its path.

Handles what a record is made of: dataclasses, Optional, tuples, dicts with string keys, Literal,
bool, int, float (finite, within its `Bound`), str and Any. Unknown fields are passed over, so that
a record of a later minor version can still be read. Own code, not a validation library: it must
run on a bare machine that has only a framework's own packages (docs/architecture.md).
"""

import dataclasses
import datetime
import math
import types
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from hwbench.bounds import Bound
from hwbench.errors import BadRecord

T = TypeVar("T")
Decode = Callable[[Any], Any]

_NUMBERS = {int: "an integer", float: "a number"}


class _Fault(Exception):
    """A wrong value; the path to it grows as the error climbs."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: list[str] = []


def decode(cls: type[T], value: Any, where: str = "") -> T:
    """Return `value` (parsed JSON) as a `cls`, or raise BadRecord with the field's name."""
    try:
        result: T = _decoder(cast(Hashable, cls))(value)
    except _Fault as e:
        path = "".join(reversed(e.path)).lstrip(".") or "the top level"
        raise BadRecord(f"{where + ': ' if where else ''}{path} {e}") from None
    return result


def encode(value: Any) -> Any:
    """Return `value` as what `json.dumps` takes: dataclasses as dicts, tuples as lists, dates."""
    if dataclasses.is_dataclass(value):
        return {f: encode(getattr(value, f)) for f in _field_names(cast(Hashable, type(value)))}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


@cache
def _field_names(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(cls))


@cache
def _decoder(tp: Any) -> Decode:
    """Build the function that checks and converts a value of type `tp`."""
    origin, args = get_origin(tp), get_args(tp)
    if tp is Any:
        return lambda value: value
    if origin is Annotated:
        return _number(args[0], args[1]) if args[0] in _NUMBERS else _decoder(args[0])
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is Literal:
        return _literal(args)
    if origin is tuple:
        return _sequence(_decoder(args[0]))
    if origin in (dict, Mapping):
        return _mapping(_decoder(args[1]))
    if dataclasses.is_dataclass(tp):
        return _dataclass(tp)
    if tp in _NUMBERS:
        return _number(tp, Bound())
    return _plain(tp)


def _plain(tp: type) -> Decode:
    def check(value: Any) -> Any:
        if type(value) is not tp:
            raise _Fault(f"must be a {tp.__name__}, found {_shown(value)}")
        return value

    return check


def _number(tp: type, bound: Bound) -> Decode:
    above = -math.inf if bound.above is None else bound.above
    least = -math.inf if bound.least is None else bound.least
    most = math.inf if bound.most is None else bound.most
    whole = tp is int

    def check(value: Any) -> Any:
        kind = type(value)
        if kind is not float or whole:
            if kind is not int:
                raise _Fault(f"must be {_NUMBERS[tp]}, found {_shown(value)}")
        elif not math.isfinite(value):
            raise _Fault(f"must be finite, found {value}")
        if not (value > above and least <= value <= most):
            raise _Fault(f"must be {_asked(bound)}, found {value}")
        return value if whole else float(value)

    return check


def _asked(bound: Bound) -> str:
    """Return the bound in words."""
    parts = [
        f"{word} {limit:g}"
        for word, limit in (
            ("above", bound.above),
            ("at least", bound.least),
            ("at most", bound.most),
        )
        if limit is not None
    ]
    return " and ".join(parts)


def _literal(choices: tuple[Any, ...]) -> Decode:
    def check(value: Any) -> Any:
        if value not in choices:
            raise _Fault(f"must be one of {', '.join(map(str, choices))}, found {_shown(value)}")
        return value

    return check


def _union(args: tuple[Any, ...]) -> Decode:
    """Decode Optional[X], or one of several plain types."""
    options = [a for a in args if a is not type(None)]
    optional = len(options) < len(args)
    if len(options) == 1:
        inner = _decoder(options[0])
        return lambda value: None if value is None else inner(value)
    names = {int: "number", float: "number"}

    def check(value: Any) -> Any:
        if (value is None and optional) or type(value) in options:
            if isinstance(value, float) and not math.isfinite(value):
                raise _Fault(f"must be finite, found {value}")
            return value
        allowed = ", ".join(sorted({names.get(a, a.__name__) for a in options}))
        raise _Fault(f"must be one of {allowed}, found {_shown(value)}")

    return check


def _sequence(inner: Decode) -> Decode:
    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _Fault(f"must be a list, found {_shown(value)}")
        done: list[Any] = []
        try:
            for v in value:
                done.append(inner(v))
        except _Fault as e:
            e.path.append(f"[{len(done)}]")
            raise
        return tuple(done)

    return check


def _mapping(inner: Decode) -> Decode:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Fault(f"must be an object, found {_shown(value)}")
        done: dict[str, Any] = {}
        for key, v in value.items():
            try:
                done[key] = inner(v)
            except _Fault as e:
                e.path.append(f".{key}")
                raise
        return done

    return check


def _dataclass(cls: Any) -> Decode:
    hints = get_type_hints(cls, include_extras=True)
    fields = [
        (f.name, _decoder(hints[f.name]), _required(f)) for f in dataclasses.fields(cls) if f.init
    ]

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Fault(f"must be an object, found {_shown(value)}")
        arguments: dict[str, Any] = {}
        for name, inner, required in fields:
            if name in value:
                try:
                    arguments[name] = inner(value[name])
                except _Fault as e:
                    e.path.append(f".{name}")
                    raise
            elif required:
                fault = _Fault("is missing")
                fault.path.append(f".{name}")
                raise fault
        return cls(**arguments)

    return _quick(cls, hints, check)


def _quick(cls: Any, hints: Mapping[str, Any], check: Decode) -> Decode:
    """Return a function that decodes a plain valid object at once, and leaves others to `check`.

    A record is mostly samples. For a dataclass of bounded numbers and optional texts a function is
    written and compiled, as `dataclasses` itself does; what it refuses, `check` judges again.
    """
    tests = [_inline(name, hints[name]) for name in hints]
    if None in tests:
        return check
    source = (
        "def quick(value):\n"
        "    try:\n"
        f"        {'; '.join(f'{n} = value[{n!r}]' for n in hints)}\n"
        "    except (KeyError, TypeError):\n"
        "        return check(value)\n"
        f"    if {' and '.join(cast(list[str], tests))}:\n"
        f"        return cls({', '.join(f'{n}={n}' for n in hints)})\n"
        "    return check(value)\n"
    )
    scope: dict[str, Any] = {"check": check, "cls": cls, "inf": math.inf}
    exec(source, scope)
    return cast(Decode, scope["quick"])


def _inline(name: str, tp: Any) -> str | None:
    """Return the test of one field as an expression, None where it is no plain field."""
    if tp == str | None:
        return f"({name} is None or type({name}) is str)"
    if get_origin(tp) is not Annotated or get_args(tp)[0] not in _NUMBERS:
        return None
    number, bound = get_args(tp)
    above = "-inf" if bound.above is None else repr(bound.above)
    least = "-inf" if bound.least is None else repr(bound.least)
    most = "inf" if bound.most is None else repr(bound.most)
    end = "<=" if bound.most is not None else "<"
    return (
        f"type({name}) is {number.__name__} and {above} < {name} >= {least} and {name} {end} {most}"
    )


def _required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
