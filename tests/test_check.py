"""Wrong answers of every sort are told from right ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hwbench.check import kernel_error, output_error, sound_reference
from hwbench.errors import WrongAnswer
from hwbench.kernel import Kernel
from hwbench.runtime import Answer


def made_kernel(
    reference: Callable[..., Any], inputs: Callable[..., Any] = lambda shape, rng: ()
) -> Kernel:
    return Kernel(
        name="made",
        version=1,
        formula="y = f(x)",
        shapes={"small": {}},
        flops=lambda shape: 1,
        elements=lambda shape: 1,
        inputs=inputs,
        reference=reference,
    )


PRODUCT = made_kernel(lambda shape, a, b: a @ b)
RNG = np.random.default_rng(7)
A, B, CT = (RNG.standard_normal((9, 9)) for _ in range(3))  # square, so a transpose keeps the shape
GRADIENTS = (CT @ B.T, A.T @ CT)


def backward(*gradients: Any, cotangent: Any = CT) -> float:
    answer = Answer(inputs=(A, B), outputs=gradients, cotangent=cotangent)
    return kernel_error(PRODUCT, {}, "backward", answer)


def forward(output: Any) -> float:
    return kernel_error(PRODUCT, {}, "forward", Answer(inputs=(A, B), outputs=(output,)))


def test_a_right_result_has_no_error() -> None:
    assert forward(A @ B) == 0.0


def test_the_forward_error_is_relative_to_the_largest_value() -> None:
    wrong = A @ B
    wrong[3, 4] += 0.25 * np.abs(wrong).max()
    assert forward(wrong) == pytest.approx(0.25, abs=1e-12)


def test_a_result_of_another_shape_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match=r"the shape \(9, 1\), its reference \(9, 9\)"):
        forward((A @ B)[:, :1])  # NumPy would broadcast it against the reference


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_result_that_is_not_finite_is_a_wrong_answer(bad: float) -> None:
    wrong = A @ B
    wrong[0, 0] = bad
    with pytest.raises(WrongAnswer, match="1 of 81 numbers"):
        forward(wrong)


def test_a_reference_that_is_not_finite_proves_nothing() -> None:
    kernel = made_kernel(lambda shape, x: np.full_like(x, np.nan))
    with pytest.raises(WrongAnswer, match="the reference itself"):
        kernel_error(kernel, {}, "forward", Answer(inputs=(A,), outputs=(A,)))


def test_each_of_several_results_is_held_to_its_own_reference() -> None:
    both = made_kernel(lambda shape, x: (x, 2 * x))
    right, wrong = (A, 2 * A), (A, 2 * A + np.eye(9))
    assert kernel_error(both, {}, "forward", Answer(inputs=(A,), outputs=right)) == 0
    off = kernel_error(both, {}, "forward", Answer(inputs=(A,), outputs=wrong))
    assert off == pytest.approx(1 / np.abs(2 * A).max())
    with pytest.raises(WrongAnswer, match="gives 1 results, its reference 2"):
        kernel_error(both, {}, "forward", Answer(inputs=(A,), outputs=(A,)))


def test_indices_have_no_gradient_and_are_not_moved() -> None:
    gather = made_kernel(lambda shape, table, rows: table[rows])
    rows = np.array([4, 1, 7])
    cotangent, right = RNG.standard_normal((3, 9)), np.zeros((9, 9))
    right[rows] = cotangent
    for gradient, low, high in ((right, 0.0, 1e-6), (right[::-1], 0.5, 10.0)):
        answer = Answer(inputs=(A, rows), outputs=(gradient,), cotangent=cotangent)
        assert low <= kernel_error(gather, {}, "backward", answer) <= high


def test_a_reference_that_disagrees_with_itself_is_refused() -> None:
    drawn = np.random.default_rng(1)

    def changing(shape: Any, x: Any) -> Any:
        x += 1
        return x.copy()

    def one(shape: Any, rng: Any) -> Any:
        return (np.ones(4),)

    sound_reference(made_kernel(lambda shape, x: (x, x), one))
    with pytest.raises(WrongAnswer, match="reference of made disagrees with itself"):
        sound_reference(made_kernel(lambda shape, x: x * drawn.random(), one))
    with pytest.raises(WrongAnswer, match="reference of made changes its inputs"):
        sound_reference(made_kernel(changing, one))


def test_right_gradients_pass_at_the_float32_tolerance() -> None:
    assert backward(*GRADIENTS) < 1e-6


@pytest.mark.parametrize(
    ("wrong", "at_least"),
    [
        ((GRADIENTS[0].T, GRADIENTS[1]), 0.3),
        ((GRADIENTS[0], GRADIENTS[1].T), 0.3),
        ((GRADIENTS[1], GRADIENTS[0]), 0.3),
        ((2 * GRADIENTS[0], GRADIENTS[1]), 0.1),
        ((GRADIENTS[0], -GRADIENTS[1]), 0.3),
        ((np.zeros_like(A), GRADIENTS[1]), 0.1),
        ((GRADIENTS[0], 1.02 * GRADIENTS[1]), 0.002),
    ],
    ids=["dA transposed", "dB transposed", "swapped", "scaled", "sign", "zero", "2 percent"],
)
def test_a_wrong_gradient_is_told(wrong: tuple[Any, Any], at_least: float) -> None:
    assert backward(*wrong) > at_least


def test_a_wrong_small_gradient_does_not_hide_behind_a_large_one() -> None:
    kernel = made_kernel(lambda shape, x, bias: 1e3 * x + bias)
    right = (1e3 * CT, CT.sum(axis=0))
    assert gradient(kernel, (A, A[0]), right) < 1e-4
    assert gradient(kernel, (A, A[0]), (right[0], 1.5 * right[1])) > 0.05


def test_a_gradient_that_is_rightly_zero_passes() -> None:
    kernel = made_kernel(lambda shape, x, unused: 3 * x)
    assert gradient(kernel, (A, B), (3 * CT, np.zeros_like(B))) < 1e-6


def test_kinks_do_not_make_a_right_gradient_wrong() -> None:
    kernel = made_kernel(lambda shape, x: np.maximum(x, 0))
    x, ct = (RNG.standard_normal(100_000) for _ in range(2))
    answer = Answer(inputs=(x,), outputs=(ct * (x > 0),), cotangent=ct)
    assert kernel_error(kernel, {}, "backward", answer) < 1e-4


def gradient(kernel: Kernel, inputs: tuple[Any, ...], gradients: tuple[Any, ...]) -> float:
    answer = Answer(inputs=inputs, outputs=gradients, cotangent=CT)
    return kernel_error(kernel, {}, "backward", answer)


def test_gradients_of_another_form_are_wrong_answers() -> None:
    with pytest.raises(WrongAnswer, match="2 inputs have 1 gradients"):
        backward(GRADIENTS[0])
    with pytest.raises(WrongAnswer, match="the gradient of input 1 has the shape"):
        backward(GRADIENTS[0], GRADIENTS[1][:1])
    with pytest.raises(WrongAnswer, match="the gradient of input 0 has 81 of 81"):
        backward(GRADIENTS[0] * np.nan, GRADIENTS[1])
    with pytest.raises(WrongAnswer, match="the output gradient has the shape"):
        backward(*GRADIENTS, cotangent=CT[:1])
    with pytest.raises(WrongAnswer, match="without the output gradient"):
        backward(*GRADIENTS, cotangent=None)


def test_logits_are_compared_by_their_largest_value() -> None:
    reference = np.array([[1.0, -4.0], [2.0, 0.0]])
    assert output_error((reference + 0.4,), reference) == pytest.approx(0.1)


def test_each_loss_is_compared_with_its_own_size() -> None:
    reference = np.array([8.0, 0.5])
    assert output_error((np.array([8.0, 0.6]),), reference) == pytest.approx(0.2)


def test_losses_that_are_missing_or_not_finite_are_wrong_answers() -> None:
    reference = np.array([8.0, 0.5])
    with pytest.raises(WrongAnswer, match="the losses has the shape"):
        output_error((reference[:1],), reference)
    with pytest.raises(WrongAnswer, match="not finite"):
        output_error((reference * np.nan,), reference)
