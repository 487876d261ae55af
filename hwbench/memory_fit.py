"""Whether a training step fits into the memory of a device.

Weights, gradients and moments are of the network, and of what a shortcut trains of it; what else a
measured peak held grows with the batch. A processor's peak holds its libraries too, so that this
asks for rather too much there.
"""

from dataclasses import replace

from hwbench.parameter_bytes import WORD_BYTES, moments_of, parameters_of
from hwbench.shortcut import Shortcut
from hwbench.step_source import Step
from hwbench.ways import Ways

USABLE_FRAC = 0.92  # of a device's memory that a training may fill; methodology, batch sizes


def fits(step: Step, room_bytes: float | None, shards: int = 1) -> bool | None:
    """Return whether the step fits in so many bytes, None where that cannot be told.

    Of several `shards` each holds a part of weights, gradients and moments, and the activations of
    a batch of its own (ZeRO, stage 3).
    """
    peak = step.case.memory_peak_bytes
    held = None if peak is None else (peak.device or peak.host)
    measured_batch = step.case.batch_size
    if held is None or measured_batch is None:
        return None
    own = parameters_of(step.case.name)
    fixed = _fixed_bytes(step.case.name, own, own)
    return _holds(room_bytes, held, fixed, step.batch_size / measured_batch, shards)


def fits_here(step: Step, room_bytes: float | None) -> bool | None:
    """Return whether a step fits where it was measured: what ran does, what did not by its size."""
    ran = step.basis == "measured" and step.batch_size == step.case.batch_size
    return True if ran else fits(step, room_bytes)


def by(way: Ways, shortcut: Shortcut, workload: str) -> Ways:
    """Return the machine with whether the shortcut's own step fits it, where that was measured."""
    told = shortcut.measured
    if told is None or told.memory_peak_bytes is None:
        return way
    if way.basis == "measured" and not told.carried and told.batch_size == way.batch_size:
        return replace(way, fits_memory=True)
    own = parameters_of(workload)
    held, trained = told.parameters, told.trainable_parameters
    fixed = _fixed_bytes(
        workload, own if held is None else held, own if trained is None else trained
    )
    grown = way.batch_size / told.batch_size
    holds = _holds(way.room_bytes, told.memory_peak_bytes, fixed, grown, way.shards)
    return replace(way, fits_memory=holds)


def _holds(
    room_bytes: float | None, peak_bytes: float, fixed_bytes: float, times: float, shards: int
) -> bool | None:
    """Return whether memory holds a peak whose part beside `fixed_bytes` is so many times it."""
    if room_bytes is None:
        return None
    grown = max(0.0, peak_bytes - fixed_bytes) * times
    return bool(fixed_bytes / shards + grown <= USABLE_FRAC * room_bytes)


def _fixed_bytes(workload: str, parameters: int, trained: int) -> float:
    """Return the bytes of the weights, and of gradients and moments of those that are trained."""
    return float(WORD_BYTES * (parameters + trained * (1 + moments_of(workload))))
