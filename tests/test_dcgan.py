"""DCGAN and the objectives of its training step, through the dialects and by hand."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hwbench import weights
from hwbench.case import Case
from hwbench.check import output_error
from hwbench.dialects import jax as jax_dialect
from hwbench.dialects import jax_training, jax_variables, torch_training
from hwbench.dialects import torch as torch_dialect
from hwbench.registry import Network
from tests.networks import drawn, flax_model, network, torch_model

SMALL = "dcgan_small"
STEPS = 5
PARTS = ("discriminator", "generator")
DIALECTS = {"torch": torch_dialect, "jax": jax_dialect}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch's spinning threads from jax's."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def losses(runtime: str, net: Network, steps: int, dtype: str = "float32") -> Any:
    """Return what the runtime's program answers to its check, on the batch of seed 0."""
    import numpy as np

    case = Case(
        kind="workload",
        name=net.name,
        version=1,
        phase="training",
        runtime=runtime,
        device="cpu",
        dtype=dtype,
        scenario="train_step",
        batch_size=net.variant.batch_size,
    )
    config, rng = net.variant.config, np.random.default_rng(0)
    program = DIALECTS[runtime].prepare_workload(net.workload, config, case, rng)
    return program.answer(steps).outputs[0]


def losses_as_in_the_tutorial(net: Network, steps: int) -> list[float]:
    """Return the sums of both losses of a plain loop with two Adam optimisers."""
    import torch
    from torch import nn

    model = torch_model(net).train()
    for_d, for_g = (
        torch.optim.Adam(getattr(model, part).parameters(), lr=2e-5, betas=(0.5, 0.999), eps=1e-7)
        for part in PARTS
    )
    (z,), real = drawn(net)
    noise, images = torch.from_numpy(z), torch.from_numpy(real)
    criterion, found = nn.BCEWithLogitsLoss(), []
    ones, zeros = torch.ones(len(images)), torch.zeros(len(images))
    for _ in range(steps):
        model.discriminator.zero_grad()
        loss_on_real = criterion(model.discriminator(images), ones)
        loss_on_real.backward()
        fake = model.generator(noise)
        loss_on_fake = criterion(model.discriminator(fake.detach()), zeros)
        loss_on_fake.backward()
        for_d.step()
        model.generator.zero_grad()
        fresh = model.generator(torch.flip(noise, dims=(1,)))
        loss_of_g = criterion(model.discriminator(fresh), ones)
        loss_of_g.backward()
        for_g.step()
        found.append(sum(loss.item() for loss in (loss_on_real, loss_on_fake, loss_of_g)))
    return found


def torch_step(net: Network, model: Any) -> Callable[[], Any]:
    """Return the dialect's training step on the batch of seed 0, on the model's device."""
    import torch

    (z,), real = drawn(net)
    device = next(model.parameters()).device
    noise, images = (torch.from_numpy(x).to(device) for x in (z, real))
    return torch_training.train_step(
        torch, net.workload, model.train(), torch_dialect.as_it_is, (noise,), images
    )


def jax_step(net: Network) -> tuple[Any, Any]:
    """Return the state before and after one of the dialect's training steps."""
    import jax

    model, variables = flax_model(net)
    inputs, targets = drawn(net)
    before = jax_training.start(jax, net.workload, variables, jax.devices("cpu")[0])
    after, _ = jax.jit(jax_training.train_step(jax, net.workload, model))(before, inputs, targets)
    return before, after


@pytest.mark.parametrize("runtime", DIALECTS)
def test_five_steps_are_those_of_a_loop_with_two_optimisers(runtime: str) -> None:
    expected = losses_as_in_the_tutorial(network(SMALL), STEPS)
    assert losses(runtime, network(SMALL), STEPS) == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("runtime", DIALECTS)
def test_bfloat16_training_is_near_the_float64_reference(runtime: str) -> None:
    net = network(SMALL)
    config, batch_size = net.variant.config, net.variant.batch_size
    reference = torch_dialect.reference_workload(net.workload, config, "training", batch_size, 0, 2)
    error = output_error((losses(runtime, net, 2, "bfloat16"),), reference)
    assert 1e-6 < error < 5e-2


def only(net: Network, trains: str) -> Network:
    """Leave the one objective that trains that part."""
    kept = tuple(o for o in net.workload.objectives if o.trains == trains)
    assert len(kept) == 1
    return replace(net, workload=replace(net.workload, objectives=kept))


@pytest.mark.parametrize("trains", PARTS)
def test_an_objective_moves_what_it_trains_and_nothing_else_in_torch(trains: str) -> None:
    import torch

    model = torch_model(network(SMALL))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch_step(only(network(SMALL), trains), model)()
    for name, p in model.named_parameters():
        moved, inside = not torch.equal(p, before[name]), name.startswith(f"{trains}.")
        assert moved == inside, name
        assert (p.grad is not None) == inside, name


@pytest.mark.parametrize("trains", PARTS)
def test_an_objective_moves_what_it_trains_and_nothing_else_in_jax(trains: str) -> None:
    import jax
    import numpy as np

    (before, *_), (after, *_) = jax_step(only(network(SMALL), trains))
    assert set(before) == set(PARTS)
    for part in PARTS:
        same = jax.tree.leaves(jax.tree.map(np.array_equal, before[part], after[part]))
        assert set(same) == {part != trains}


def test_batch_statistics_go_on_from_one_objective_to_the_next() -> None:
    import numpy as np

    net = network(SMALL)
    model = torch_model(net)
    torch_step(net, model)()
    # Fakes of two objectives pass the generator; they and the real images the discriminator.
    assert int(model.generator.norms[0].num_batches_tracked) == 2
    assert int(model.discriminator.norms[1].num_batches_tracked) == 3
    _, rest, _ = jax_step(net)[1]
    for name, buffer in model.named_buffers():
        part, _, norm = name.removesuffix(".running_mean").partition(".")
        if not name.endswith(".running_mean"):
            continue
        expected, found = buffer.numpy(), rest["batch_stats"][part][norm]["mean"]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def counted(function: Callable[[], Any]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        function()
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize("name", [SMALL, "dcgan"])
def test_a_step_does_the_flops_stated_less_the_gradients_of_inputs(name: str) -> None:
    import torch

    net = network(name)
    (z,), real = drawn(net)
    noise, images = torch.from_numpy(z).to("meta"), torch.from_numpy(real).to("meta")
    with torch.device("meta"):
        model = net.workload.build_torch(net.variant.config)
    f_g = counted(lambda: model.generator(noise))
    f_d = counted(lambda: model.discriminator(images))
    first_g = counted(lambda: model.generator.convs[0](noise[:, :, None, None]))
    first_d = counted(lambda: model.discriminator.convs[0](images))
    stated = net.workload.work(net.variant.config, "training", len(z))
    assert stated == 8 * f_d + 4 * f_g
    # Neither the real images, nor the fakes as constants, nor the noise need a gradient.
    assert counted(torch_step(net, model)) == stated - 2 * first_d - first_g


@pytest.mark.parametrize("part", PARTS)
def test_each_network_has_the_parameters_that_the_tutorial_prints(part: str) -> None:
    import torch

    with torch.device("meta"):
        model = network("dcgan").workload.build_torch(network("dcgan").variant.config)
    published = {"generator": 3_576_704, "discriminator": 2_765_568}
    assert sum(p.numel() for p in getattr(model, part).parameters()) == published[part]


def test_the_made_weights_keep_images_and_logits_alive() -> None:
    """Scales by torch's fan-in are of another size in transposed convolutions."""
    import torch

    net = network("dcgan")
    (z,), _ = drawn(net, batch_size=8)
    model = torch_model(net)
    with torch.no_grad():
        images = model.eval()(torch.from_numpy(z))
        logits = model.train().discriminator(model.generator(torch.from_numpy(z)))
    assert 0.02 < float(images.std(dim=0).mean()) < 1.0  # of one pixel, between images
    assert 0.1 < float(logits.std()) < 10.0


def test_the_first_objective_makes_every_variable_of_the_flax_module() -> None:
    import jax

    net = network(SMALL)
    model, _ = flax_model(net)
    inputs, targets = drawn(net, batch_size=1)
    shapes = jax_variables.shapes(net.workload, model, inputs, targets)
    made = weights.flax_variables(shapes)
    n = sum(leaf.size for leaf in jax.tree.leaves(made["params"]))
    assert n == net.workload.parameters(net.variant.config)
