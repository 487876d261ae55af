from collections.abc import Callable

import pytest

from hwbench import batch_search
from hwbench.batch import BatchChoice, BatchTry
from tests.fakes import FakeClock

GIB = 1 << 30


class Machine:
    """A device on which an iteration takes `seconds(B)` and B items take 10 MiB each."""

    def __init__(
        self, seconds: Callable[[int], float], cap_bytes: int = GIB, error_frac: float = 0.0
    ) -> None:
        self.seconds, self.cap_bytes, self.error_frac = seconds, cap_bytes, error_frac
        self.clock = FakeClock()
        self.asked: list[int] = []

    def attempt(self, batch_size: int) -> BatchTry:
        self.asked.append(batch_size)
        self.clock.advance(3.0 + 4 * self.seconds(batch_size))
        peak_bytes = (200 << 20) + (10 << 20) * batch_size
        if peak_bytes > self.cap_bytes:
            return BatchTry(batch_size=batch_size, fits=False, reason="out of memory")
        return BatchTry(
            batch_size=batch_size,
            fits=True,
            wall_s=self.seconds(batch_size),
            error_frac=self.error_frac,
            peak_bytes=peak_bytes,
        )

    def search(self, budget_s: float = 1e6, told: bool = True) -> BatchChoice:
        cap = self.cap_bytes if told else None
        return batch_search.search(self.attempt, self.clock, budget_s, cap)


LARGEST = (GIB - (200 << 20)) // (10 << 20)  # 82


def test_the_largest_that_fits_is_found_by_the_line_of_memory_in_one_step() -> None:
    machine = Machine(lambda b: 0.010 + 0.001 * max(b, 8))
    found = machine.search()
    assert (found.largest, found.ended) == (LARGEST, "memory")
    assert machine.asked == [1, 2, 4, 8, 16, 32, 64, LARGEST]
    assert f"the largest that fits: {LARGEST}" in found.message


def test_without_a_known_limit_the_gap_is_halved_from_above() -> None:
    machine = Machine(lambda b: 0.010 + 0.001 * b)
    found = machine.search(told=False)
    assert machine.asked[:8] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert found.largest is not None and LARGEST * 15 / 16 <= found.largest <= LARGEST
    assert "(" in found.message and "out of memory" in found.message
    assert [t.fits for t in found.tried] == sorted((t.fits for t in found.tried), reverse=True)


def test_a_limit_that_is_lower_than_the_line_says_is_found_from_above() -> None:
    machine = Machine(lambda b: 0.010 + 0.00001 * b)
    liar = batch_search.search(machine.attempt, machine.clock, 1e6, 4 * GIB)
    assert liar.largest is not None and LARGEST * 15 / 16 <= liar.largest <= LARGEST


def test_the_smallest_within_one_percent_of_the_best_is_used() -> None:
    """t = 8 ms + 1 ms B: throughput within 1 % of its limit from B = 800 on; flat from 8 on."""
    flat = Machine(lambda b: 0.001 * max(b, 8)).search()
    assert flat.used == 8
    assert "batch 8" in flat.message
    rising = Machine(lambda b: 0.008 + 0.001 * b, cap_bytes=20 * GIB).search()
    best = max(t.items_per_s for t in rising.tried)
    used = next(t for t in rising.tried if t.batch_size == rising.used)
    before = [t for t in rising.tried if t.batch_size < rising.used]
    assert used.items_per_s >= 0.99 * best
    assert all(t.items_per_s < 0.99 * best for t in before)
    assert rising.largest is not None and rising.largest > 1900


def test_noise_counts_as_equal_up_to_five_percent() -> None:
    def seconds(b: int) -> float:
        return 0.001 * b * (1.03 if b < 16 else 1.0)

    late = Machine(seconds, error_frac=0.0)
    assert late.search().used == LARGEST // 4
    assert late.asked == [1, 2, 4, 8, LARGEST, LARGEST // 2, LARGEST // 4, LARGEST // 8]
    assert Machine(seconds, error_frac=0.03).search().used == 1
    assert Machine(seconds, error_frac=0.5).search().tolerance_frac == 0.05


def test_throughput_that_falls_ends_the_way_up_and_a_smaller_batch_is_used() -> None:
    machine = Machine(lambda b: 0.001 * b if b <= 8 else 0.0015 * b)
    found = machine.search()
    assert found.used == 1
    assert machine.asked == [1, 2, 4, 8, LARGEST]


def test_it_ends_in_time_and_says_what_memory_would_allow() -> None:
    machine = Machine(lambda b: 1.0 + 0.5 * b)
    found = machine.search(budget_s=60.0)
    assert machine.clock() - 128.0 <= 60.0
    assert found.ended == "time"
    assert found.used == found.largest == max(machine.asked)
    assert found.largest_predicted == LARGEST
    assert "more may be faster" in found.message and str(LARGEST) in found.message


def test_where_not_even_one_fits_it_says_why() -> None:
    found = Machine(lambda b: 0.001, cap_bytes=100 << 20).search()
    assert (found.used, found.largest) == (1, None)
    assert "not even batch 1 runs: out of memory" in found.message


def test_memory_that_hardly_grows_makes_no_line() -> None:
    def attempt(batch_size: int) -> BatchTry:
        clock.advance(3.0)
        wall_s = 0.001 * batch_size
        return BatchTry(batch_size=batch_size, fits=True, wall_s=wall_s, peak_bytes=GIB)

    clock = FakeClock()
    found = batch_search.search(attempt, clock, 30.0, 2 * GIB)
    assert (found.ended, found.largest_predicted) == ("time", None)
    clock = FakeClock()
    assert batch_search.search(attempt, clock, 1e6, 2 * GIB).ended == "most"


def test_every_try_is_in_the_answer() -> None:
    machine = Machine(lambda b: 0.010 + 0.001 * b)
    found = machine.search()
    assert [t.batch_size for t in found.tried] == sorted(machine.asked)
    assert len(set(machine.asked)) == len(machine.asked)


@pytest.mark.parametrize("budget_s", [0.0, 1.0, 10.0])
def test_one_try_is_always_made(budget_s: float) -> None:
    machine = Machine(lambda b: 0.5)
    assert machine.search(budget_s=budget_s).used >= 1
    assert machine.asked[0] == 1
