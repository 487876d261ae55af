"""NVIDIA's cards by their energy counter: Volta and later.

The counter is in millijoules since the driver was loaded and is renewed about every 100 ms. The
scale of a card's sensor is off by up to 6 % on data-centre cards, 11 % on others: the largest
steady-state errors against an external meter that Yang et al. found (arXiv:2312.02741, published
data). Whether the counter sees all of the time is not documented. Of a MIG slice it tells nothing:
the counter is the whole card's.
Sources: NVML API, nvmlDeviceGetTotalEnergyConsumption; Yang et al. 2024, "Accurate and Convenient
Energy Measurements for GPUs".
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hwbench import cards
from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts
from hwbench.units import J_PER_MJ

_RENEWAL_S = 0.1


def probe(asked: Asked) -> MeterFacts:
    """Tell whether a card here counts its energy."""
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
    silent = [why for card in there if (why := _why_silent(nvml, card))]
    if len(silent) == len(there):
        return _facts(f"no GPU counts its energy: {silent[0]}")
    return _facts(None)


def _why_silent(nvml: Any, card: cards.Opened) -> str | None:
    if cards.divided(nvml, card):
        return "the counter is the whole card's, not the MIG slice's"
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(card.handle)
    except nvml.NVMLError as e:
        return str(e)
    return None


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the counter of each card that has one; the driver stays started until the end."""
    import pynvml

    pynvml.nvmlInit()
    there = cards.opened(pynvml, os.environ)
    return [_channel(pynvml, card) for card in there if _why_silent(pynvml, card) is None]


def _channel(nvml: Any, card: cards.Opened) -> Channel:
    name = f"cuda:{card.index}"

    def joules() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(card.handle)) * J_PER_MJ
        except nvml.NVMLError as e:
            raise Unavailable(f"{name} no longer answers: {e}") from None

    facts = ChannelFacts(
        meter=METER.name,
        name=name,
        domain="gpu",
        kind="counter",
        device=name,
        update_s=_RENEWAL_S,
        gain_frac=cards.gain_frac(nvml, card),
    )
    return polled(facts, joules)


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="nvml",
        domains=("gpu",),
        measured=True,
        resolution_s=_RENEWAL_S,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="nvml",
    summary="NVIDIA GPUs, by their energy counter (Volta and later)",
    rank=10,
    probe=probe,
    open=channels,
)
