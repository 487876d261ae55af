"""What a training step by a shortcut or a hardening trains and computes, as a record keeps it."""

from dataclasses import dataclass

from hwbench.bounds import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


@dataclass(frozen=True, kw_only=True)
class Taught:
    """Counts of one step. FLOPs are by theory, per item (docs/methodology.md, shortcuts)."""

    parameters: PositiveInt  # in memory, frozen ones too
    trainable_parameters: NonNegativeInt
    flops_per_item: PositiveFloat | None  # null: nobody counts them
    scratch_flops_per_item: PositiveFloat | None  # of the same network's whole step
    once_flops_per_item: NonNegativeFloat = 0.0  # of the pass before the first epoch
    once_s_per_item: PositiveFloat | None = None  # of that pass, as it was timed

    @property
    def theory_ratio(self) -> float | None:
        """Return the step's FLOPs by those of training from scratch."""
        if self.flops_per_item is None or self.scratch_flops_per_item is None:
            return None
        return self.flops_per_item / self.scratch_flops_per_item
