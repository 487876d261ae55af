"""What zeus covers and hwbench does not: AMD's GPUs (amdsmi) and Apple's chips (IOReport).

zeus tells cumulative millijoules. AMD's counter is refused by zeus itself where it disagrees with
the power; the power in milliwatts stands in then. Of a card with two dies AMD's driver tells both
together, under the even number: the odd one tells nothing. Apple's figures are a model of Apple's,
not a sensor's. NVIDIA's cards and RAPL are read by meters of our own.
Source: zeus 0.16, zeus/device/gpu and zeus/device/soc, https://github.com/ml-energy/zeus.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hwbench.errors import Unavailable
from hwbench.meter import Asked, Channel, Meter, polled
from hwbench.probed import MeterFacts
from hwbench.sensor import ChannelFacts, Domain
from hwbench.units import J_PER_MJ, W_PER_MW

_INSTALL = "pip install 'hwbench-dl[zeus]'"
_APPLE: dict[str, Domain] = {"cpu_total_mj": "cpu", "gpu_mj": "gpu", "dram_mj": "dram"}


def probe(asked: Asked) -> MeterFacts:
    """Tell whether zeus is installed and finds an AMD GPU or an Apple chip."""
    try:
        found = channels(asked)
    except Unavailable as e:
        return _facts((), e.reason, e.remedy)
    return _facts(tuple(sorted({c.facts.domain for c in found})))


def channels(asked: Asked) -> Sequence[Channel]:
    """Open the AMD GPUs and the Apple chip that zeus finds; raise Unavailable for neither."""
    try:
        import zeus.device  # noqa: F401
    except ImportError:
        raise Unavailable("zeus is not installed", _INSTALL) from None
    found = [*_amd(), *_apple()]
    if not found:
        raise Unavailable("zeus finds no AMD GPU and no Apple chip here")
    return found


def _amd() -> Iterator[Channel]:
    from zeus.device.gpu import ZeusGPUInitError, get_gpus

    try:
        gpus = get_gpus()
    except ZeusGPUInitError:
        return
    if type(gpus).__name__ != "AMDGPUs":
        return
    for number in range(len(gpus)):
        yield from _card(gpus, number)


def _card(gpus: Any, number: int) -> Iterator[Channel]:
    """Yield the card's counter, else its power, whichever answers first."""
    name = f"cuda:{number}"  # as torch calls an AMD card too
    counts = gpus.supports_get_total_energy_consumption(number)
    ways: list[tuple[str, Callable[[], float]]] = [
        ("counter", lambda: gpus.get_total_energy_consumption(number) * J_PER_MJ),
        ("power", lambda: gpus.get_instant_power_usage(number) * W_PER_MW),
        ("power", lambda: gpus.get_average_power_usage(number) * W_PER_MW),
    ]
    for kind, value in ways if counts else ways[1:]:
        try:
            value()
        except Exception:  # zeus has an error class for each of AMD's codes, and passes others on
            continue
        facts = ChannelFacts(
            meter=METER.name,
            name=name,
            domain="gpu",
            kind="counter" if kind == "counter" else "power",
            device=name,
        )
        yield polled(facts, value)
        return


def _apple() -> Iterator[Channel]:
    from zeus.device.soc import ZeusSoCInitError, get_soc

    try:
        chip = get_soc()
    except ZeusSoCInitError:
        return
    if type(chip).__name__ != "AppleSilicon":
        return  # a Jetson: its sensors are read by hwmon
    told = chip.get_total_energy_consumption()
    for field, domain in _APPLE.items():
        if getattr(told, field) is not None:
            facts = ChannelFacts(
                meter=METER.name,
                name=field.removesuffix("_mj"),
                domain=domain,
                kind="counter",
                device="mps" if domain == "gpu" else None,
            )
            yield polled(facts, _field(chip, field))


def _field(chip: Any, field: str) -> Callable[[], float]:
    return lambda: float(getattr(chip.get_total_energy_consumption(), field)) * J_PER_MJ


def _facts(
    domains: tuple[str, ...], why_not: str | None = None, remedy: str | None = None
) -> MeterFacts:
    return MeterFacts(name="zeus", domains=domains, measured=True, why_not=why_not, remedy=remedy)


METER = Meter(
    name="zeus",
    summary="AMD GPUs and Apple chips, through the library zeus",
    rank=30,
    probe=probe,
    open=channels,
)
