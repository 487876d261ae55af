"""Holding what a program computed against its reference, before anything is timed."""

from collections.abc import Mapping, Sequence
from typing import Any

from hwbench.case import Shape
from hwbench.errors import WrongAnswer
from hwbench.kernel import Kernel
from hwbench.measurement import Checked
from hwbench.runtime import Answer

DIRECTIONS = 4
STEP = 1e-8  # of the inputs' size; see gradient_error


def kernel_error(kernel: Kernel, shape: Shape, phase: str, answer: Answer) -> float:
    """Return the relative error of a kernel's `answer`; raise WrongAnswer when it has no size.

    Forward: max |y - ref| / max |ref|, the largest of all outputs. Backward: gradient_error.
    """
    if phase == "backward":
        return gradient_error(kernel, shape, answer)
    reference = kernel.reference(shape, *answer.inputs)
    wanted = reference if isinstance(reference, tuple) else (reference,)
    if len(answer.outputs) != len(wanted):
        n, m = len(answer.outputs), len(wanted)
        raise WrongAnswer(f"the program gives {n} results, its reference {m}")
    return max(largest_error(y, ref) for y, ref in zip(answer.outputs, wanted, strict=True))


def sound_reference(kernel: Kernel) -> None:
    """Raise WrongAnswer if the reference, asked twice alike, differs or has changed its inputs.

    It is asked at the shape `small`: a reference that draws numbers, keeps something from one call
    to the next or writes into its inputs does so there as anywhere.
    """
    import numpy as np

    shape = kernel.shapes["small"]
    first = kernel.inputs(shape, np.random.default_rng(0))
    kept = tuple(np.copy(x) for x in first)
    answers = [kernel.reference(shape, *first), kernel.reference(shape, *first)]
    if not all(np.array_equal(x, y) for x, y in zip(first, kept, strict=True)):
        raise WrongAnswer(f"the reference of {kernel.name} changes its inputs")
    one, other = (a if isinstance(a, tuple) else (a,) for a in answers)
    if len(one) != len(other) or not all(map(np.array_equal, one, other)):
        raise WrongAnswer(
            f"the reference of {kernel.name} disagrees with itself: asked twice alike"
        )


def output_error(outputs: Sequence[Any], reference: Any, routed: bool = False) -> float:
    """Return the relative error of a network's `outputs`, which are one array.

    Logits: max |y - ref| / max |ref|. Losses of successive steps (one axis): the largest of the
    relative errors of each, so that a small late loss counts as much as a large early one.
    Logits of a network that is `routed`: the median over its rows of max |y - ref| / max |ref|.
    """
    import numpy as np

    (output,) = outputs
    if np.ndim(reference) != 1:
        return (median_error if routed else largest_error)(output, reference)
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


def median_error(output: Any, reference: Any) -> float:
    """Return the median over the rows of max |output - reference| / max |reference|.

    Experts that all but tie for a row are told apart by the rounding of their scores, and the one
    that is taken then answers otherwise: no error, and in bfloat16 some rows of a hundred.
    """
    import numpy as np

    largest_error(output, reference)  # raises what it raises
    scale = float(np.max(np.abs(reference), initial=0.0)) or 1.0
    return float(np.median(np.abs(output - reference).max(axis=-1))) / scale


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
    moving = [
        i for i, x in enumerate(answer.inputs) if np.issubdtype(np.asarray(x).dtype, np.floating)
    ]
    if len(answer.outputs) != len(moving):
        n, m = len(moving), len(answer.outputs)
        raise WrongAnswer(f"{n} inputs have {m} gradients, one for each was expected")
    for i, g in zip(moving, answer.outputs, strict=True):
        _same_form(g, answer.inputs[i], f"the gradient of input {i}")
    lengths = dict(zip(moving, _lengths(answer.outputs), strict=True))
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
    kernel: Kernel, shape: Shape, answer: Answer, lengths: Mapping[int, float], rng: Any
) -> float:
    """Return (central difference - gradients) along one random direction of the float inputs."""
    import numpy as np

    h = STEP * min(lengths.values())
    above, below = list(answer.inputs), list(answer.inputs)
    for i, length in lengths.items():
        step = h * rng.standard_normal(np.shape(answer.inputs[i])) / length
        above[i], below[i] = answer.inputs[i] + step, answer.inputs[i] - step
    rise = kernel.reference(shape, *above) - kernel.reference(shape, *below)
    _same_form(answer.cotangent, rise, "the output gradient")
    moved = [above[i] - below[i] for i in lengths]  # as float64 has rounded it
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


def finite(answer: Answer) -> None:
    """Raise WrongAnswer where a program that nothing is compared with gives no numbers."""
    import numpy as np

    if not all(np.isfinite(a).all() for a in answer.outputs):
        raise WrongAnswer("its answer is not finite on its own inputs")


def same(before: Answer, after: Answer, tolerance: float) -> None:
    """Raise WrongAnswer if the same inputs gave another answer after the timing than before it."""
    pairs = zip(after.outputs, before.outputs, strict=True)
    error = max((largest_error(a, b) for a, b in pairs), default=0.0)
    if not error <= tolerance:
        raise WrongAnswer(
            f"its answer changed while it was timed: by {error:.2g} of its size on the same inputs,"
            f" where {tolerance:.2g} is allowed"
        )


def held(reference: str, error: float, tolerance: float) -> Checked:
    """Return the check that passed, or raise WrongAnswer with both figures."""
    if not error <= tolerance:
        raise WrongAnswer(
            f"wrong answer: relative error {error:.2g} against {reference},"
            f" where {tolerance:.2g} is allowed; it was not timed"
        )
    return Checked(reference=reference, max_relative_error=error, tolerance=tolerance)
