"""Holding what a program computed against its reference, before anything is timed."""

from collections.abc import Sequence
from typing import Any

from hwbench.case import Shape
from hwbench.errors import WrongAnswer
from hwbench.kernel import Kernel
from hwbench.runtime import Answer

DIRECTIONS = 4
STEP = 1e-8  # of the inputs' size; see gradient_error


def kernel_error(kernel: Kernel, shape: Shape, phase: str, answer: Answer) -> float:
    """Return the relative error of a kernel's `answer`; raise WrongAnswer when it has no size.

    Forward: max |y - ref| / max |ref|. Backward: gradient_error.
    """
    if phase == "backward":
        return gradient_error(kernel, shape, answer)
    (output,) = answer.outputs
    return largest_error(output, kernel.reference(shape, *answer.inputs))


def output_error(outputs: Sequence[Any], reference: Any) -> float:
    """Return the relative error of a network's `outputs`, which are one array.

    Logits: max |y - ref| / max |ref|. Losses of successive steps (one axis): the largest of the
    relative errors of each, so that a small late loss counts as much as a large early one.
    """
    import numpy as np

    (output,) = outputs
    if np.ndim(reference) != 1:
        return largest_error(output, reference)
    _same_form(output, reference, "the losses")
    return max(largest_error(y, r) for y, r in zip(output, reference, strict=True))


def largest_error(output: Any, reference: Any) -> float:
    """Return max |output - reference| / max |reference|, both as float64 arrays."""
    import numpy as np

    _same_form(output, reference, "the result")
    if not np.isfinite(reference).all():
        raise WrongAnswer("the reference itself is not finite: there is nothing to compare with")
    scale = float(np.max(np.abs(reference), initial=0.0))
    error = float(np.max(np.abs(output - reference), initial=0.0))
    return error / scale if scale > 0 else error


def gradient_error(kernel: Kernel, shape: Shape, answer: Answer) -> float:
    """Return the error of the gradients, relative to each one's length, root of the sum of squares.

    With phi(x) = <cotangent, reference(x)>, in float64, and random normal directions v_i, scaled
    by 1 / |g_i| so that every input weighs the same, the central difference of phi along
    (v_1, v_2, ...) is compared with sum_i <g_i, v_i>. For errors e_i of the gradients g_i the two
    differ by sum_i <e_i, v_i>: a normal number of variance sum_i (|e_i| / |g_i|)^2. So its root
    mean square over the directions estimates the error, and no wrong input hides behind another:
    an error of 100 % looks like less than 5 % in all of the 4 directions once in 80,000. It costs
    two references a direction, whatever the number of inputs.

    The step is small because float64 allows it: outputs are subtracted before they are summed, and
    the step is taken as the sums round it, so 1e-16 / 1e-8 of each output remains, times the ratio
    of the gradients' lengths. A larger step would cross kinks: a ReLU's wrong slopes grow with it.
    """
    import numpy as np

    if answer.cotangent is None:
        raise WrongAnswer("the gradients came without the output gradient they belong to")
    if len(answer.outputs) != len(answer.inputs):
        n, m = len(answer.inputs), len(answer.outputs)
        raise WrongAnswer(f"{n} inputs have {m} gradients, one for each was expected")
    for i, (g, x) in enumerate(zip(answer.outputs, answer.inputs, strict=True)):
        _same_form(g, x, f"the gradient of input {i}")
    lengths = _lengths(answer.outputs)
    rng = np.random.default_rng(0)
    errors = [_difference(kernel, shape, answer, lengths, rng) for _ in range(DIRECTIONS)]
    return float(np.sqrt(np.mean(np.square(errors))))


def _lengths(gradients: Sequence[Any]) -> list[float]:
    """Return each gradient's Euclidean length; a zero one gets that of all, or 1."""
    import numpy as np

    lengths = [float(np.linalg.norm(g)) for g in gradients]
    whole = float(np.linalg.norm(lengths)) or 1.0
    return [length or whole for length in lengths]


def _difference(
    kernel: Kernel, shape: Shape, answer: Answer, lengths: Sequence[float], rng: Any
) -> float:
    """Return (central difference - gradients) along one random direction."""
    import numpy as np

    directions = [
        rng.standard_normal(np.shape(x)) / length
        for x, length in zip(answer.inputs, lengths, strict=True)
    ]
    h = STEP * min(lengths)
    above = [x + h * v for x, v in zip(answer.inputs, directions, strict=True)]
    below = [x - h * v for x, v in zip(answer.inputs, directions, strict=True)]
    rise = kernel.reference(shape, *above) - kernel.reference(shape, *below)
    _same_form(answer.cotangent, rise, "the output gradient")
    moved = [a - b for a, b in zip(above, below, strict=True)]  # as float64 has rounded it
    told = sum(float(np.vdot(g, m)) for g, m in zip(answer.outputs, moved, strict=True))
    return (float(np.vdot(answer.cotangent, rise)) - told) / (2 * h)


def _same_form(value: Any, expected: Any, what: str) -> None:
    """Raise WrongAnswer unless `value` has the expected shape and only finite numbers."""
    import numpy as np

    if np.shape(value) != np.shape(expected):
        found, wanted = np.shape(value), np.shape(expected)
        raise WrongAnswer(f"{what} has the shape {found}, its reference {wanted}")
    if not np.isfinite(value).all():
        n = int(np.size(value) - np.isfinite(value).sum())
        raise WrongAnswer(f"{what} has {n} of {np.size(value)} numbers that are not finite")
