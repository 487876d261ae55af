"""Hardened steps: perturbations stay in their ball and raise the loss, examples are cut."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from hwbench import privacy, registry
from hwbench.dialects import torch_attack as attack
from hwbench.dialects import torch_frozen
from hwbench.errors import BadInput, Unavailable, UnknownName
from hwbench.hardenings import free, private
from hwbench.stepping import Stepper
from tests.test_shortcuts import batch, ground, state

NETWORKS = ("mlp_small", "resnet18_small", "vit_tiny_small")


def built(spec: str, of: Any) -> Stepper:
    hardening, count = registry.hardening(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # opacus imports what warns of itself
        return hardening.build(of, count)


def loss(of: Any, x: Any, y: Any) -> float:
    of.model.eval()
    with torch.no_grad():
        found = float(torch_frozen.cross_entropy(torch)(of.model(x), y))
    torch_frozen.settle(of.model)
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_an_attack_stays_in_its_ball_and_raises_the_loss(name: str) -> None:
    of = ground(name)
    (x,), y = batch(of, 16)
    before = state(of.model)
    delta = attack.attacked(of, of.model, x, y, 7, attack.ALPHA)
    assert float(delta.abs().max()) <= attack.EPSILON * (1 + 1e-6)
    assert loss(of, x + delta, y) > loss(of, x, y)
    assert all(torch.equal(v, before[k]) for k, v in of.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in of.model.parameters())
    assert of.model.training


def test_the_slope_is_that_of_softmax_regression_by_hand() -> None:
    of = ground("mlp_small")
    model = torch.nn.Linear(6, 4)
    x, y = torch.randn(5, 6), torch.randint(4, (5,))
    slope = attack.slope_of(of, model, x, y, torch.zeros_like(x))
    w, b = (p.detach().numpy() for p in model.parameters())
    z = x.numpy() @ w.T + b
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(5), y.numpy()] -= 1
    assert slope.numpy() == pytest.approx(p @ w / 5, rel=1e-4, abs=1e-7)
    moved = attack.ascended(torch, torch.zeros_like(x), slope, attack.ALPHA)
    assert moved.numpy() == pytest.approx(attack.ALPHA * np.sign(p @ w), rel=1e-6)


@pytest.mark.parametrize("spec", ["pgd-1", "pgd-3", "fast", "free-2"])
@pytest.mark.parametrize("name", ["mlp_small", "resnet18_small"])
def test_a_hardened_step_trains_all_weights(spec: str, name: str) -> None:
    of = ground(name)
    stepper = built(spec, of)
    before = state(of.model)
    losses = [float(stepper.step(*batch(of))) for _ in range(2)]
    assert all(map(math.isfinite, losses))
    assert all(not torch.equal(p, before[n]) for n, p in of.model.named_parameters())


def test_the_operations_are_those_of_the_passes() -> None:
    of = ground("mlp_small")
    found = torch_frozen.anatomy_of(of)
    f, whole = found.forward_flops, found.step_flops
    assert built("pgd-7", ground("mlp_small")).theory_flops_per_item == pytest.approx(
        whole + 14 * f
    )
    assert built("fast", ground("mlp_small")).theory_flops_per_item == pytest.approx(whole + 2 * f)
    assert built("free-4", ground("mlp_small")).theory_flops_per_item == pytest.approx(12 * f)
    pgd, k = registry.hardening("pgd-10")
    assert pgd.step_ratio(k).point == pytest.approx(23 / 3)  # (3 + 2 K) / 3
    assert registry.hardening("free-8")[0].epochs(8) == pytest.approx(1 / 8)


def test_a_free_step_updates_as_often_as_it_replays_and_keeps_its_perturbation() -> None:
    of = ground("mlp_small")
    made = free.build(of, 3)
    (optimizer,) = made.optimizers
    count = []
    optimizer.register_step_post_hook(lambda *a: count.append(1))
    seen = []
    of.model.register_forward_pre_hook(lambda m, given: seen.append(given[0].detach().clone()))
    (x,), y = batch(of)
    made.step((x,), y)
    made.step((x,), y)
    assert len(count) == 6
    moves = [float((s - x).abs().max()) for s in seen]
    assert moves[0] == 0 and all(0 < m <= attack.EPSILON * (1 + 1e-5) for m in moves[1:])


def test_each_examples_gradient_is_cut() -> None:
    pytest.importorskip("opacus")
    of, alone = ground("mlp_small"), ground("mlp_small")
    norm = 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = private.of_noise(of, noise=0.0, norm=norm)
        (x,), y = batch(of, 6)
        made.step((x,), y)
    total: list[Any] = [torch.zeros_like(p) for p in alone.model.parameters()]
    for i in range(6):
        alone.model.zero_grad()
        torch.nn.functional.cross_entropy(alone.model(x[i : i + 1]), y[i : i + 1]).backward()
        grads = [p.grad for p in alone.model.parameters()]
        length = math.sqrt(sum(float((g**2).sum()) for g in grads if g is not None))
        assert length > norm  # or the test would not see the cut
        for t, g in zip(total, grads, strict=True):
            t += g * (norm / length) / 6
    found = [p.grad for p in of.model.parameters()]
    for mine, theirs in zip(found, total, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-7)
    assert math.sqrt(sum(float((g**2).sum()) for g in found)) <= norm * (1 + 1e-4)


def test_without_noise_or_cut_it_is_the_plain_step() -> None:
    pytest.importorskip("opacus")
    of, plain = ground("vit_tiny_small"), ground("vit_tiny_small")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = private.of_noise(of, noise=0.0, norm=1e9)
        made.step(*batch(of))
    torch_frozen.stepper(plain).step(*batch(plain))
    for (n, p), q in zip(plain.model.named_parameters(), of.model.parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, rtol=2e-3, atol=1e-6), n


@pytest.mark.parametrize("name", ["resnet18_small", "lstm_small"])
def test_a_network_without_gradients_of_examples_says_so(name: str) -> None:
    pytest.importorskip("opacus")
    with pytest.raises(Unavailable, match=r"has (BatchNorm2d|LSTM)"):
        built("private", ground(name))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("pgd-0", "write pgd-K with K from 1"),
        ("pgd", "write pgd-K"),
        ("pgd-x", "write pgd-K"),
        ("free-1", "write free-M with M from 2"),
        ("fast-3", "fast takes no number"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(spec: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        registry.hardening(spec)


def test_an_unknown_hardening_has_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean pgd"):
        registry.hardening("pdg-7")


def test_without_sampling_the_accountant_is_the_gaussian_mechanism() -> None:
    # Renyi divergence of the Gaussian mechanism: a / (2 s^2), steps add up
    found = privacy.divergence(8, 2.0, 1.0)
    assert found == pytest.approx(8 / (2 * 4))
    assert privacy.divergence(8, 2.0, 0.999999) == pytest.approx(found, rel=1e-4)
    one, ten = (privacy.epsilon_of(4.0, 1.0, n, 1e-5) for n in (1, 10))
    assert one < ten < 10 * one


def test_a_step_at_order_two_is_its_closed_form() -> None:
    q, s = 0.1, 1.3
    # sum over k of C(2, k) (1 - q)^(2 - k) q^k e^((k^2 - k) / 2 s^2)
    wanted = math.log((1 - q) ** 2 + 2 * q * (1 - q) + q * q * math.exp(1 / s**2))
    assert privacy.divergence(2, s, q) == pytest.approx(wanted)


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.01, 1000), (0.7, 0.004, 5000)])
def test_epsilon_is_that_of_opacus(noise: float, rate: float, steps: int) -> None:
    pytest.importorskip("opacus")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opacus.accountants import RDPAccountant

    theirs = RDPAccountant()
    theirs.history = [(noise, rate, steps)]
    found = privacy.epsilon_of(noise, rate, steps, 1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = theirs.get_epsilon(1e-5)
    assert found == pytest.approx(told, rel=0.02)  # theirs has fractional orders too


def test_the_noise_keeps_within_epsilon_and_no_less_would() -> None:
    noise = privacy.noise_for(3.0, 50_000, 250, 20, 1e-5)
    assert privacy.epsilon_of(noise, 0.005, 4000, 1e-5) <= 3.0
    assert privacy.epsilon_of(noise * 0.99, 0.005, 4000, 1e-5) > 3.0
    with pytest.raises(BadInput, match="above 0"):
        privacy.noise_for(0.0, 50_000, 250, 20, 1e-5)
