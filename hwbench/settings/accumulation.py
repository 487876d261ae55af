"""A batch in four parts, whose gradients are summed before the update: a quarter of the memory."""

from hwbench.setting import Recipe, Setting

PARTS = 4


def _apply(recipe: Recipe) -> None:
    recipe.parts = PARTS


SETTING = Setting(
    name="accumulation",
    summary=f"gradients of {PARTS} parts of a batch summed before one update",
    saves="memory",
    typed=f"backward of {PARTS} smaller batches, then one optimizer.step()",
    apply=_apply,
    changes_numbers=True,  # batch statistics are those of a part
)
