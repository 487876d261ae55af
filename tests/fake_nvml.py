"""A stand-in for nvidia-ml-py: cards, drivers and faults as a test describes them.

`test_nvml.py` holds its names and error codes against the real library.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ERRORS = {
    "Uninitialized": 1,
    "InvalidArgument": 2,
    "NotSupported": 3,
    "NoPermission": 4,
    "NotFound": 6,
    "DriverNotLoaded": 9,
    "LibraryNotFound": 12,
    "FunctionNotFound": 13,
    "GpuIsLost": 15,
    "ResetRequired": 16,
    "LibRmVersionMismatch": 18,
    "Unknown": 999,
}


class NVMLError(Exception):
    """As in nvidia-ml-py: made from a code, it is of the code's own class."""

    by_code: dict[int, type["NVMLError"]] = {}  # noqa: RUF012  (shared by its classes, as there)
    value: int

    def __new__(cls, value: int) -> "NVMLError":
        made = Exception.__new__(NVMLError.by_code.get(value, cls) if cls is NVMLError else cls)
        made.value = value
        return made

    def __str__(self) -> str:
        return f"NVML error {self.value} ({type(self).__name__})"


for _name, _code in ERRORS.items():
    NVMLError.by_code[_code] = type(f"NVMLError_{_name}", (NVMLError,), {})


class NVMLLibraryMismatchError(Exception):
    """As in nvidia-ml-py: no NVMLError."""


def error(name: str) -> NVMLError:
    """Return the error of that name (`NotSupported`)."""
    return NVMLError(ERRORS[name])


@dataclass
class Card:
    """What one card answers; `faults` maps a function's name to the error it raises instead."""

    model: str = "NVIDIA H100 80GB HBM3"
    uuid: str = "GPU-00000000-0000-0000-0000-000000000000"
    memory_bytes: int = 80 * 2**30
    limit_mw: int = 700_000
    capability: tuple[int, int] = (9, 0)
    mig: bool = False
    pids: list[int] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    whole: "Card | None" = None  # of a MIG slice
    persistent: bool = True
    reasons: int = 0  # bits of the clocks' event reasons
    sm_mhz: int = 1980
    sm_most_mhz: int = 1980
    temperature_c: int = 41
    power_mw: int = 71_000
    energy_mj: int = 123_456_789
    architecture: int = 9  # Hopper
    fields: dict[int, int] = field(default_factory=dict)  # values by number; others: not supported


def missing(*names: str) -> dict[str, str]:
    """Return faults for functions that a card does not support."""
    return {name: "NotSupported" for name in names}


def module(
    cards: list[Card], *, init: str | None = None, driver: str = "580.95.05", slices: Any = ()
) -> types.ModuleType:
    """Return a module to stand for `pynvml`; `init` names the error that nvmlInit raises.

    `calls` of the module counts `nvmlInit` and `nvmlShutdown`.
    """
    fake: Any = types.ModuleType("pynvml")
    fake.NVMLError = NVMLError
    fake.NVMLLibraryMismatchError = NVMLLibraryMismatchError
    fake.NVML_ERROR_NOT_FOUND = ERRORS["NotFound"]
    fake.NVML_ERROR_GPU_IS_LOST = ERRORS["GpuIsLost"]
    fake.NVML_ERROR_RESET_REQUIRED = ERRORS["ResetRequired"]
    fake.NVML_DEVICE_MIG_ENABLE = 1
    fake.NVML_FEATURE_ENABLED = 1
    fake.NVML_CLOCK_SM = 1
    fake.NVML_TEMPERATURE_GPU = 0
    fake.calls = []
    _add_system(fake, cards, init, driver)
    _add_handles(fake, cards, [*slices])
    for name, answer in _ANSWERS.items():
        setattr(fake, name, _question(name, answer))
    fake.nvmlDeviceGetFieldValues = _field_values
    for name, (key, about) in _ABOUT.items():
        setattr(fake, name, _question_about(name, key, about))
    return fake  # type: ignore[no-any-return]


def _add_system(fake: Any, cards: list[Card], init: str | None, driver: str) -> None:
    def init_() -> None:
        if init:
            raise error(init)
        fake.calls.append("nvmlInit")

    def started(answer: Callable[[], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            if "nvmlInit" not in fake.calls:
                raise error("Uninitialized")
            return answer()

        return asked

    fake.nvmlInit = init_
    fake.nvmlShutdown = started(lambda: fake.calls.append("nvmlShutdown"))
    fake.nvmlDeviceGetCount = started(lambda: len(cards))
    fake.nvmlSystemGetDriverVersion = started(lambda: driver)


def _add_handles(fake: Any, cards: list[Card], slices: list[Card]) -> None:
    def by_index(number: int) -> Card:
        if not 0 <= number < len(cards):
            raise error("InvalidArgument")
        if fault := cards[number].faults.get("nvmlDeviceGetHandleByIndex"):
            raise error(fault)
        return cards[number]

    def by_uuid(uuid: str) -> Card:
        found = next((c for c in (*cards, *slices) if c.uuid == uuid), None)
        if found is None:
            raise error("NotFound")
        return found

    fake.nvmlDeviceGetHandleByIndex = by_index
    fake.nvmlDeviceGetHandleByUUID = by_uuid


def _question(name: str, answer: Callable[[Card], Any]) -> Callable[[Card], Any]:
    def asked(card: Card) -> Any:
        fault = card.faults.get(name)
        if fault == "LibraryMismatch":
            raise NVMLLibraryMismatchError("Unversioned function called")
        if fault:
            raise error(fault)
        return answer(card)

    return asked


def _question_about(name: str, key: int, answer: Callable[[Card], Any]) -> Callable[..., Any]:
    """Return a question that also names what of the card is meant; only `key` is known here."""
    asked = _question(name, answer)

    def asked_about(card: Card, about: int) -> Any:
        if about != key:
            raise error("InvalidArgument")
        return asked(card)

    return asked_about


def _whole(card: Card) -> Card:
    if card.whole is None:
        raise error("InvalidArgument")
    return card.whole


def _only_whole(answer: Callable[[Card], Any]) -> Callable[[Card], Any]:
    """Refuse a MIG slice, as the driver does for what only the card has."""

    def asked(card: Card) -> Any:
        if card.whole is not None:
            raise error("NotSupported")
        return answer(card)

    return asked


def _processes(card: Card) -> list[Any]:
    return [types.SimpleNamespace(pid=pid, usedGpuMemory=2**30) for pid in card.pids]


_ANSWERS: dict[str, Callable[[Card], Any]] = {
    "nvmlDeviceGetName": lambda card: card.model,
    "nvmlDeviceGetUUID": lambda card: card.uuid,
    "nvmlDeviceGetMemoryInfo": lambda card: types.SimpleNamespace(total=card.memory_bytes),
    "nvmlDeviceGetEnforcedPowerLimit": _only_whole(lambda card: card.limit_mw),
    "nvmlDeviceGetCudaComputeCapability": lambda card: card.capability,
    "nvmlDeviceGetArchitecture": lambda card: card.architecture,
    "nvmlDeviceGetMigMode": _only_whole(lambda card: [int(card.mig), int(card.mig)]),
    "nvmlDeviceGetComputeRunningProcesses": _processes,
    "nvmlDeviceGetComputeRunningProcesses_v2": _processes,
    "nvmlDeviceGetTotalEnergyConsumption": _only_whole(lambda card: card.energy_mj),
    "nvmlDeviceGetPowerUsage": _only_whole(lambda card: card.power_mw),
    "nvmlDeviceGetPersistenceMode": _only_whole(lambda card: int(card.persistent)),
    "nvmlDeviceGetCurrentClocksEventReasons": _only_whole(lambda card: card.reasons),
    "nvmlDeviceGetCurrentClocksThrottleReasons": _only_whole(lambda card: card.reasons),
    "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": _whole,
}


def _field_values(card: Card, asked: list[tuple[int, int]]) -> list[Any]:
    """Answer as the driver does: each value with a code of its own, 3 for not supported."""
    if fault := card.faults.get("nvmlDeviceGetFieldValues"):
        raise error(fault)
    found = [card.fields.get(number) if scope == 0 else None for number, scope in asked]
    return [
        types.SimpleNamespace(
            nvmlReturn=ERRORS["NotSupported"] if value is None else 0,
            value=types.SimpleNamespace(uiVal=value or 0),
        )
        for value in found
    ]


_ABOUT: dict[str, tuple[int, Callable[[Card], Any]]] = {
    "nvmlDeviceGetClockInfo": (1, _only_whole(lambda card: card.sm_mhz)),
    "nvmlDeviceGetMaxClockInfo": (1, _only_whole(lambda card: card.sm_most_mhz)),
    "nvmlDeviceGetTemperature": (0, _only_whole(lambda card: card.temperature_c)),
}
