"""Activations of the blocks are computed again in the backward pass instead of being kept.

Chen et al. 2016 (arXiv:1604.06174): about one more forward pass for memory of one block at a time.
"""

from typing import Any

from hwbench.setting import Recipe, Setting

LEAST_BLOCKS = 2


def _apply(recipe: Recipe) -> None:
    """Wrap the blocks: by the model's own switch, where it has one, else elements of sequences."""
    for module in (recipe.model, *recipe.model.children()):
        if hasattr(module, "gradient_checkpointing_enable"):
            module.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
            return
    from torch.utils.checkpoint import checkpoint

    for block in _blocks(recipe.torch, recipe.model):
        block.forward = _again(checkpoint, block.forward)


def _again(checkpoint: Any, forward: Any) -> Any:
    def run(*inputs: Any, **named: Any) -> Any:
        return checkpoint(forward, *inputs, use_reentrant=False, **named)

    return run


def _blocks(torch: Any, module: Any) -> list[Any]:
    """Return the elements with weights of the outermost sequences of two or more."""
    if isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList)):
        made = [m for m in module if any(True for _ in m.parameters())]
        if len(made) >= LEAST_BLOCKS:
            return made
    return [block for child in module.children() for block in _blocks(torch, child)]


SETTING = Setting(
    name="checkpointing",
    summary="activations computed again in the backward pass, not kept",
    saves="memory",
    typed="torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)",
    apply=_apply,
)
