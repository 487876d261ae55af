"""torch.compile as hwbench uses it."""

from typing import Any


def compiled(function: Any, phase: str) -> Any:
    """Return `function` compiled for exactly the shapes that it will see."""
    import torch
    import torch._dynamo.config
    import torch._functorch.config

    # By default the ninth shape of one function runs eager without a word.
    torch._dynamo.config.recompile_limit = 1 << 16
    torch._dynamo.config.accumulated_recompile_limit = 1 << 16
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    # A backward pass that is measured runs again and again on the same activations.
    torch._functorch.config.donated_buffer = phase != "backward"
    return torch.compile(function, dynamic=False)
