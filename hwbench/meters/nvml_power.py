"""NVIDIA's cards by their power, which the reading process integrates: for cards without a counter.

Three readings, the best that a card gives: the instant field, the average field, and the older
nvmlDeviceGetPowerUsage, which is one or the other by generation. What they see differs:

| generation | instant | average, power usage |
|---|---|---|
| Hopper, and Blackwell, of which nothing is published | 25 ms of each 100 ms | mean over 1 s |
| Ada, Ampere but GA100 | 100 ms of each 100 ms | mean over 1 s |
| GA100 (A100, A30) | 25 ms of each 100 ms | 25 ms of each 100 ms |
| Turing | 100 ms of each 100 ms | the same |
| Volta, Pascal | 10 ms of each 20 ms | the same |

Older ones and unknown ones: how they see is not known, and the energy has what spreads alone.
Sources: Yang et al. 2024, arXiv:2312.02741 and its published data; NVML API, field values
NVML_FI_DEV_POWER_INSTANT and _AVERAGE, nvmlDeviceGetPowerUsage.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from hwbench import cards
from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts
from hwbench.units import W_PER_MW

_INSTANT, _AVERAGE, _SCOPE_GPU = 186, 185, 0
_GA100 = (8, 0)


class Manner(NamedTuple):
    """How a reading sees: every `update_s` the mean of `window_s`, `seen_frac` of the time."""

    update_s: float | None
    window_s: float | None
    seen_frac: float


_QUARTER, _FULL, _SECOND = Manner(0.1, 0.025, 0.25), Manner(0.1, 0.1, 1.0), Manner(0.1, 1.0, 1.0)
_HALF, _UNKNOWN = Manner(0.02, 0.01, 0.5), Manner(None, None, 1.0)
# (instant, average) by NVML_DEVICE_ARCH_*: Pascal 4, Volta 5, Turing 6, Ampere 7, Ada 8, Hopper 9.
_MANNERS = {
    4: (_HALF, _HALF),
    5: (_HALF, _HALF),
    6: (_FULL, _FULL),
    7: (_FULL, _SECOND),
    8: (_FULL, _SECOND),
    9: (_QUARTER, _SECOND),
    10: (_QUARTER, _SECOND),
}

Watts = Callable[[], float]


def manner(architecture: int | None, capability: tuple[int, int] | None, instant: bool) -> Manner:
    """Return how a card's reading sees, by its generation."""
    if capability == _GA100:
        return _QUARTER
    both = _MANNERS.get(architecture or 0)
    return _UNKNOWN if both is None else both[0 if instant else 1]


def probe(asked: Asked) -> MeterFacts:
    """Tell whether a card here tells its power."""
    try:
        import pynvml
    except ImportError:
        return _facts("nvidia-ml-py is not installed", "pip install nvidia-ml-py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return _facts(f"NVIDIA's driver does not answer: {e}")
    try:
        return _found(pynvml)
    except pynvml.NVMLError as e:
        return _facts(f"NVIDIA's driver says: {e}")
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _found(nvml: Any) -> MeterFacts:
    there = list(cards.opened(nvml, os.environ))
    if not there:
        return _facts("the driver lists no GPU")
    if all(cards.divided(nvml, card) for card in there):
        return _facts("the power is the whole card's, not the MIG slice's")
    if not any(_reading(nvml, card) for card in there):
        return _facts("no GPU tells its power")
    return _facts(None)


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the power of each card that tells it; the driver stays started until the end."""
    import pynvml

    pynvml.nvmlInit()
    found = [(card, _reading(pynvml, card)) for card in cards.opened(pynvml, os.environ)]
    return [_channel(pynvml, card, *reading) for card, reading in found if reading]


def _reading(nvml: Any, card: cards.Opened) -> tuple[Watts, bool] | None:
    """Return the best reading that the card answers, and whether it is the instant one."""
    if cards.divided(nvml, card):
        return None
    usage = lambda: float(nvml.nvmlDeviceGetPowerUsage(card.handle)) * W_PER_MW  # noqa: E731
    for watts, instant in (
        (_field(nvml, card, _INSTANT), True),
        (_field(nvml, card, _AVERAGE), False),
        (usage, False),
    ):
        try:
            watts()
        except (nvml.NVMLError, Unavailable, AttributeError):  # an old library has no such call
            continue
        return watts, instant
    return None


def _field(nvml: Any, card: cards.Opened, number: int) -> Watts:
    def watts() -> float:
        (value,) = nvml.nvmlDeviceGetFieldValues(card.handle, [(number, _SCOPE_GPU)])
        if value.nvmlReturn != 0:
            raise Unavailable(f"cuda:{card.index} does not tell field {number}")
        return float(value.value.uiVal) * W_PER_MW

    return watts


def _channel(nvml: Any, card: cards.Opened, watts: Watts, instant: bool) -> Channel:
    name = f"cuda:{card.index}"

    def read() -> float:
        try:
            return watts()
        except nvml.NVMLError as e:
            raise Unavailable(f"{name} no longer answers: {e}") from None

    sees = manner(*_generation(nvml, card), instant)
    facts = ChannelFacts(
        meter=METER.name,
        name=name,
        domain="gpu",
        kind="power",
        device=name,
        update_s=sees.update_s,
        window_s=sees.window_s,
        seen_frac=sees.seen_frac,
        gain_frac=cards.gain_frac(nvml, card),
    )
    return polled(facts, read)


def _generation(nvml: Any, card: cards.Opened) -> tuple[int | None, tuple[int, int] | None]:
    """Return the architecture's number and the compute capability, None where they are not told."""
    architecture = capability = None
    with suppress(nvml.NVMLError, AttributeError):
        architecture = int(nvml.nvmlDeviceGetArchitecture(card.handle))
    with suppress(nvml.NVMLError):
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(card.handle)
        capability = (int(major), int(minor))
    return architecture, capability


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="nvml-power",
        domains=("gpu",),
        measured=True,
        resolution_s=_FULL.update_s,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="nvml-power",
    summary="NVIDIA GPUs, by their power, integrated",
    rank=20,
    probe=probe,
    open=channels,
)
