"""What was found wrong with data to learn from: facts, and what they mean in words."""

from dataclasses import dataclass

from hwbench.bounds import Fraction, NonNegativeInt, PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Duplicates, leakage and imbalance of a training pool and its test set."""

    duplicates: NonNegativeInt  # examples of the pool that are another one's, to the bit
    near_duplicates: NonNegativeInt | None  # images that look alike; null: not images
    leaked: NonNegativeInt  # of the test set that are in the pool, to the bit
    leaked_frac: Fraction
    alike_in_test: NonNegativeInt | None  # that look like one in the pool; null: not images
    conflicts: NonNegativeInt  # duplicates under different labels
    imbalance: PositiveFloat  # the largest class by the smallest
    effective_classes: PositiveFloat  # exp of the labels' entropy
    classes: NonNegativeInt

    def lines(self) -> tuple[str, ...]:
        """Return what is worth saying."""
        told = []
        if self.duplicates:
            told.append(f"{self.duplicates} examples to train on are there more than once")
        if self.near_duplicates or self.alike_in_test:
            told.append(
                f"{self.near_duplicates or 0} images to train on look like another one,"
                f" {self.alike_in_test or 0} of the test set like one to train on, by a picture"
                " hash of 64 bits; of small simple pictures it says little: look at them"
            )
        if self.conflicts:
            told.append(f"{self.conflicts} duplicates have different labels: some are wrong")
        if self.leaked:
            told.append(
                f"{self.leaked} of the test set ({self.leaked_frac:.1%}) are in the training data"
                " too: its accuracy is too high"
            )
        if self.imbalance > 3:
            told.append(
                f"the largest class is {self.imbalance:.1f} times the smallest: accuracy favours it"
            )
        return tuple(told)
