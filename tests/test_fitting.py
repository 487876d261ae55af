import pytest

from hwbench import fitting
from hwbench.fitting import Trial

GIB = 1024**3


class Device:
    """A device on which a batch of B takes M0 + m1 B bytes, and fails above its capacity."""

    def __init__(self, fixed: float, per_item: float, capacity: float, tells: bool = True) -> None:
        self.fixed, self.per_item, self.capacity, self.tells = fixed, per_item, capacity, tells
        self.tried: list[int] = []

    def attempt(self, batch_size: int) -> Trial:
        self.tried.append(batch_size)
        needed = int(self.fixed + self.per_item * batch_size)
        if needed > self.capacity:
            return Trial(fits=False, reason=f"{needed} bytes asked")
        return Trial(fits=True, peak_bytes=needed if self.tells else None)

    @property
    def largest(self) -> int:
        return int((self.capacity - self.fixed) / self.per_item)


def _explained(device: Device, asked: int) -> str:
    limit = int(device.capacity) if device.tells else None
    return fitting.explained(asked, "out of memory", device.attempt, limit)


@pytest.mark.parametrize(
    ("fixed", "per_item", "asked"),
    [(1.0, 0.01, 100_000), (6.0, 0.05, 64), (0.1, 0.001, 1_000_000), (7.0, 0.02, 4096)],
)
def test_the_batch_that_is_named_was_tried_and_is_near_the_largest(
    fixed: float, per_item: float, asked: int
) -> None:
    device = Device(fixed * GIB, per_item * GIB, 8.0 * GIB)
    assert asked > device.largest
    told = _explained(device, asked)
    named = int(told.split("the largest that did: ")[1].split(" ")[0])
    assert named in device.tried
    assert 0.8 * device.largest <= named <= device.largest
    assert told.startswith(f"batch {asked} does not fit: out of memory")
    assert len(device.tried) <= 4  # each is a process of its own


def test_a_device_that_does_not_tell_its_memory_is_searched_by_halving() -> None:
    device = Device(1.0, 1.0, 101.0, tells=False)
    told = _explained(device, 1000)
    assert device.tried == [1, 16, 500, 250, 125, 62]
    assert "the largest that did: 62 " in told


def test_only_batch_one_fits() -> None:
    told = _explained(Device(0.0, 1.0, 10.0), 64)
    assert "the largest that did: 1 (tried 1, 16); 16 did not: 16 bytes asked" in told


def test_nothing_fits_and_the_reason_is_said() -> None:
    told = _explained(Device(100.0, 1.0, 10.0), 64)
    assert told.endswith("no smaller one did either; 1 did not: 101 bytes asked")


def test_a_batch_of_one_has_none_smaller() -> None:
    device = Device(100.0, 1.0, 10.0)
    assert _explained(device, 1) == "batch 1 does not fit: out of memory"
    assert device.tried == []


def test_no_batch_as_large_as_the_one_that_failed_is_tried() -> None:
    device = Device(0.0, 1.0, 1000.0)  # it would fit now: another process is gone
    told = _explained(device, 20)
    assert max(device.tried) < 20
    assert "the largest that did: 19" in told
