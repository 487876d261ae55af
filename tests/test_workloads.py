"""Every network of the registry: its two dialects against each other, the literature and others."""

# jax.jit is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hwbench import definition, registry, weights
from hwbench.registry import Network
from tests import independent
from tests.networks import (
    FLOAT32_TOLERANCE,
    OTHER_SIZES,
    drawn,
    flax_logits,
    flax_model,
    flax_shapes,
    network,
    relative_error,
    torch_logits,
    torch_model,
    uneven,
)

WORKLOADS = sorted(registry.workloads().items)
NETWORKS = sorted(registry.networks().items)
SMALL = [
    name
    for name, net in sorted(registry.networks().items.items())
    if net.variant is net.workload.variants.get("small")
]
FULL = [name for name in NETWORKS if name not in SMALL]
ARCHITECTURES = [n for n in SMALL if network(n).workload.name not in OTHER_SIZES]

# Where torch's own counter is known to be wrong, and what counts instead.
MISCOUNTED_ON_CPU = {
    "lstm": "it does not see into a CPU's nn.LSTM: tests/test_lstm.py counts an unrolled one",
}
MISCOUNTED_TRAINING = {
    "mobilenet_v3_large": "it takes the gradient of a depthwise convolution for a dense one",
    "dcgan": "two networks take turns: tests/test_dcgan.py counts a step",
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch's spinning threads from jax's: on two cores they slow each other 100-fold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_every_workload_is_there_at_both_sizes() -> None:
    published = (
        "mlp lstm resnet18 resnet50 mobilenet_v3_large vit_tiny vit_base bert_base gpt2_small"
        " gpt2_medium gpt2_large gpt2_xl llama_1b llama_8b llama_70b qwen_moe_30b_a3b"
    )
    assert {*published.split(), "dcgan"} <= set(registry.workloads().items)
    assert all({"", "small"} <= set(w.variants) for w in registry.workloads().items.values())
    assert not registry.workloads().broken


# --- counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_as_many_in_torch_in_flax_and_by_formula(name: str) -> None:
    import jax
    import torch

    net = network(name)
    with torch.device("meta"):
        in_torch = sum(p.numel() for p in net.workload.build_torch(net.variant.config).parameters())
    shapes = flax_shapes(net, net.workload.build_flax(net.variant.config, "float32"))
    in_flax = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert in_torch == in_flax == net.workload.parameters(net.variant.config)


def counted_rightly(net: Network, exceptions: dict[str, str]) -> None:
    if net.workload.name in exceptions:
        pytest.skip(f"torch's counter: {exceptions[net.workload.name]}")


def flops_counted(net: Network, batch_size: int, device: str, *, training: bool) -> int:
    """Count with torch's dispatcher; fused attention is not counted on the CPU, hence MATH."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device(device):
        model = net.workload.build_torch(net.variant.config)
    inputs = [torch.from_numpy(x).to(device) for x in drawn(net, batch_size)[0]]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        logits = model(*inputs)
        if training:
            logits.sum().backward()
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize("name", SMALL)
def test_flops_by_formula_are_those_that_torch_dispatches(name: str) -> None:
    net = network(name)
    counted_rightly(net, MISCOUNTED_ON_CPU)
    expected = net.workload.work(net.variant.config, "inference", 3)
    assert flops_counted(net, 3, "cpu", training=False) == expected


@pytest.mark.parametrize("name", FULL)
def test_flops_of_the_full_network_are_exact_on_the_meta_device(name: str) -> None:
    net = network(name)
    expected = net.workload.flops(net.variant.config)
    assert flops_counted(net, 1, "meta", training=False) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_training_flops_are_three_times_forward_less_the_gradient_of_the_inputs(name: str) -> None:
    net = network(name)
    counted_rightly(net, MISCOUNTED_TRAINING)
    counted = flops_counted(net, 2, "meta", training=True)
    assert 0.85 < counted / net.workload.work(net.variant.config, "training", 2) <= 1.0


@pytest.mark.parametrize("name", WORKLOADS)
def test_counts_are_the_published_ones(name: str) -> None:
    workload, published = registry.workloads()[name], independent.of(name).published
    config = workload.variants[""].config
    assert published.source
    assert workload.parameters(config) == pytest.approx(published.parameters, rel=5e-3)
    if published.flops is not None:
        assert workload.flops(config) == pytest.approx(published.flops, rel=5e-3)


# --- the definition -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_definition_is_what_its_version_says(name: str) -> None:
    """A network that changes is another one: it gets a new version, and records can tell."""
    workload = registry.workloads()[name]
    found = definition.of(workload)
    assert found == workload.definition, (
        f"{name}@{workload.version} is not what it was when it was frozen: give it the next"
        f" version and definition={found!r}"
    )


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_logits_of_torch_and_flax_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network(name)
    inputs, _ = drawn(net)
    expected = torch_logits(torch_model(net), inputs)
    assert relative_error(flax_logits(*flax_model(net), inputs), expected) < FLOAT32_TOLERANCE


def test_logits_of_the_full_resnet18_agree() -> None:
    net = network("resnet18")
    inputs, _ = drawn(net, batch_size=1)
    expected = torch_logits(torch_model(net), inputs)
    assert relative_error(flax_logits(*flax_model(net), inputs), expected) < FLOAT32_TOLERANCE


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_flax_computes_in_the_dtype_and_keeps_float32_parameters(name: str, dtype: str) -> None:
    import jax
    import jax.numpy as jnp

    net = network(name)
    model = net.workload.build_flax(net.variant.config, dtype)
    shapes = flax_shapes(net, model)
    inputs, _ = drawn(net)
    infer = jax.jit(lambda v: model.apply(v, *inputs, train=False))
    # StableHLO for a GPU, which it takes none to make: float16 attention has no CPU lowering.
    program = infer.trace(shapes).lower(lowering_platforms=("cuda",)).as_text()
    products = re.findall(r"(?:dot_general|convolution)\b.*-> tensor<[\dx]*x(\w+)>", program)
    short = {"bfloat16": "bf16", "float16": "f16"}[dtype]
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
    assert jax.eval_shape(infer, shapes).dtype == jnp.float32
    # Attention scores accumulate into float32 on purpose; everything else leaves in the dtype.
    assert products.count(short) > len(products) / 2


def torch_losses(net: Network, steps: int) -> list[float]:
    """Return the loss before each of `steps` steps on one batch, written as a user would."""
    import torch
    import torch.nn.functional as F

    o = net.workload.optimizer
    model = torch_model(net).train()
    inputs, targets = drawn(net)
    arguments = [torch.from_numpy(x) for x in inputs]
    labels = torch.from_numpy(targets).flatten()
    made: dict[str, Callable[[], Any]] = {
        "sgd": lambda: torch.optim.SGD(
            model.parameters(), o.learning_rate, momentum=o.momentum, weight_decay=o.weight_decay
        ),
        "adamw": lambda: torch.optim.AdamW(
            model.parameters(),
            o.learning_rate,
            betas=(o.beta1, o.beta2),
            eps=o.epsilon,
            weight_decay=o.weight_decay,
        ),
    }
    optimizer = made[o.name]()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(*arguments).flatten(0, -2), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def jax_losses(net: Network, steps: int) -> list[float]:
    """Return the loss before each of `steps` steps on one batch, written as a user would."""
    import jax
    import optax

    o = net.workload.optimizer
    optimizer = {
        "sgd": optax.chain(
            optax.add_decayed_weights(o.weight_decay), optax.sgd(o.learning_rate, o.momentum)
        ),
        "adamw": optax.adamw(
            o.learning_rate, o.beta1, o.beta2, o.epsilon, weight_decay=o.weight_decay
        ),
    }[o.name]
    model, variables = flax_model(net)
    inputs, targets = drawn(net)

    def loss_of(params: Any, rest: Any) -> Any:
        variables = {"params": params, **rest}
        logits, changed = model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.mean(), changed

    @jax.jit
    def step(params: Any, rest: Any, state: Any) -> Any:
        (loss, rest), grads = jax.value_and_grad(loss_of, has_aux=True)(params, rest)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), rest, state, loss

    params = variables.pop("params")
    state, losses = optimizer.init(params), []
    for _ in range(steps):
        params, variables, state, loss = step(params, variables, state)
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if not network(n).workload.objectives])
def test_five_training_steps_agree_and_learn(name: str) -> None:
    """Those with objectives of their own have a test of their own, such as tests/test_dcgan.py."""
    expected = torch_losses(network(name), 5)
    assert jax_losses(network(name), 5) == pytest.approx(expected, rel=1e-3)
    assert expected[-1] < expected[0]


def test_running_statistics_move_as_far_in_both_dialects() -> None:
    import numpy as np
    import torch

    net = network("resnet18_small")
    inputs, _ = drawn(net)
    in_torch = torch_model(net).train()
    in_torch(torch.from_numpy(inputs[0]))
    model, variables = flax_model(net)
    _, changed = model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
    moved = changed["batch_stats"]["bn1"]
    mean, var = in_torch.bn1.running_mean.numpy(), in_torch.bn1.running_var.numpy()
    np.testing.assert_allclose(moved["mean"], mean, rtol=0, atol=1e-4 * np.abs(mean).max())
    # 16 images of 32 x 32: torch divides by n - 1, Flax by n.
    np.testing.assert_allclose(moved["var"], var, rtol=1 / 16383)


# --- weights ------------------------------------------------------------------------------------


def torch_layout(path: tuple[str, ...], value: Any) -> tuple[str, Any]:
    """Turn a Flax leaf into torch's name and layout, written apart from hwbench.weights."""
    import numpy as np

    *modules, leaf = path[1:]
    if leaf == "kernel":
        value = np.moveaxis(value, (-1, -2), (0, 1))
    matrices = dict.fromkeys(("kernel", "scale", "embedding"), "weight")
    names = {**matrices, "mean": "running_mean", "var": "running_var"}
    return ".".join([*modules, names.get(leaf, leaf)]), value


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_weight_is_the_same_in_both_layouts(name: str) -> None:
    import jax
    import numpy as np

    net = network(name)
    state = torch_model(net).state_dict()
    in_torch = {key: t.numpy() for key, t in state.items() if t.is_floating_point()}
    leaves = jax.tree_util.tree_leaves_with_path(flax_model(net)[1])
    in_flax = dict(torch_layout(tuple(k.key for k in path), leaf) for path, leaf in leaves)
    assert in_flax.keys() == in_torch.keys()
    for key, value in in_torch.items():
        np.testing.assert_array_equal(in_flax[key], value, err_msg=key)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_made_weights_keep_the_signal_alive(name: str) -> None:
    import numpy as np

    net = network(name)
    logits = torch_logits(torch_model(net), drawn(net)[0])
    if net.workload.objectives:  # no classes: what it answers still depends on the input
        assert logits.std(axis=0).mean() > 1e-2
        return
    classes = logits.shape[-1]
    rows = logits.reshape(-1, classes)
    first_loss = torch_losses(net, 1)[0]
    assert np.isfinite(logits).all()
    assert rows.std(axis=0).min() > 1e-2  # the logits depend on the input
    assert 0.5 * np.log(classes) < first_loss < 5 * np.log(classes)


def test_made_weights_depend_on_the_name_alone() -> None:
    import numpy as np

    one = weights.make("layer1.0.conv1.weight", (16, 8, 3, 3))
    assert np.array_equal(one, weights.make("layer1.0.conv1.weight", (16, 8, 3, 3)))
    assert not np.array_equal(one, weights.make("layer1.0.conv2.weight", (16, 8, 3, 3)))
    assert one.dtype == np.float32


def test_made_weights_have_the_variance_of_he() -> None:
    made = weights.make("fc.weight", (500, 64, 3, 3))
    assert made.std() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.01)
    table = weights.make("wte.weight", (1000, 300), ("wte.weight",))
    assert table.std() == pytest.approx(0.02, rel=0.01)


# --- an independent implementation --------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_an_independent_implementation(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network(name)
    inputs, _ = drawn(net)
    ours = torch_model(net)
    expected = independent.of(net.workload.name).logits(
        net.variant.config, ours.state_dict(), inputs
    )
    assert relative_error(torch_logits(ours, inputs), expected) < FLOAT32_TOLERANCE
