"""The networks: the two dialects against each other, the literature and transformers."""

# jax.jit is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from hwbench import registry, weights
from hwbench.registry import Network

NETWORKS = sorted(registry.networks().items)
SMALL = [
    name
    for name, net in sorted(registry.networks().items.items())
    if net.variant is net.workload.variants.get("small")
]
FULL = [name for name in NETWORKS if name not in SMALL]
FLOAT32_TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch's spinning threads from jax's: on two cores they slow each other 100-fold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(name: str) -> Network:
    return registry.networks()[name]


def drawn(net: Network, batch_size: int | None = None) -> tuple[tuple[Any, ...], Any]:
    """Draw (inputs, targets) from seed 0."""
    import numpy as np

    size = batch_size or net.variant.batch_size
    return net.workload.batch(net.variant.config, size, np.random.default_rng(0))


def torch_model(net: Network) -> Any:
    """Build the torch module with the made weights."""
    model = net.workload.build_torch(net.variant.config)
    model.load_state_dict(weights.torch_state(model, net.workload.embeddings))
    return model


def flax_model(net: Network, dtype: str = "float32") -> tuple[Any, dict[str, Any]]:
    """Build the Flax module and its made variables."""
    model = net.workload.build_flax(net.variant.config, dtype)
    return model, weights.flax_variables(flax_shapes(net, model), net.workload.embeddings)


def flax_shapes(net: Network, model: Any) -> Any:
    import jax

    inputs, _ = drawn(net, batch_size=1)
    return jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, train=False))


def torch_logits(model: Any, inputs: tuple[Any, ...]) -> Any:
    import torch

    with torch.no_grad():
        return model.eval()(*map(torch.from_numpy, inputs)).numpy()


def flax_logits(model: Any, variables: dict[str, Any], inputs: tuple[Any, ...]) -> Any:
    import jax
    import numpy as np

    return np.asarray(jax.jit(lambda v, x: model.apply(v, *x, train=False))(variables, inputs))


def relative_error(found: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest expected magnitude."""
    import numpy as np

    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def uneven(make: Callable[..., Any]) -> Callable[..., Any]:
    """Change `weights.make` so that no vector is constant: a swapped or lost one then shows."""

    def uneven_make(name: str, shape: Any, embeddings: Any = ()) -> Any:
        import numpy as np

        made = make(name, shape, embeddings)
        if len(shape) > 1:
            return made
        matrix = make(name, (1, *shape), ())  # sqrt(2 / n) normal
        noise = matrix[0] * np.float32((shape[0] / 2) ** 0.5)
        return made + np.float32(0.2) * np.tanh(noise)

    return uneven_make


def test_every_workload_is_there_at_both_sizes() -> None:
    assert {"mlp", "resnet18", "gpt2_small"} <= set(registry.workloads().items)
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
    counted = flops_counted(net, 2, "meta", training=True)
    assert 0.85 < counted / net.workload.work(net.variant.config, "training", 2) <= 1.0


# resnet18: torchvision 0.20 documentation, ResNet18_Weights.IMAGENET1K_V1: num_params 11689512,
#   GFLOPS 1.81 (which there are multiply-accumulates); fvcore's count is 1.814 GMAC.
# gpt2_small: huggingface.co/openai-community/gpt2: 124,439,808 (the paper says 117M: a slip).
# mlp: Srivastava et al. 2014 give no count; 3 x 2048 on MNIST by hand:
#   785 x 2048 + 2 x 2049 x 2048 + 2049 x 10.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet18", 11_689_512), ("gpt2_small", 124_439_808), ("mlp", 10_020_874)],
)
def test_parameters_are_the_published_ones(name: str, parameters: int) -> None:
    net = network(name)
    assert net.workload.parameters(net.variant.config) == parameters


def test_resnet18_flops_are_the_published_ones() -> None:
    net = network("resnet18")
    assert net.workload.flops(net.variant.config) == pytest.approx(2 * 1.814e9, rel=5e-3)


def test_gpt2_flops_are_those_of_the_megatron_formula() -> None:
    # Narayanan et al. 2021 (arXiv:2104.04473, appendix): 96 B s l h^2 (1 + s/6h + V/16lh) with
    # recomputation, which is 4 forward passes of the layers and 3 of the head.
    batch, s, layers, h, vocab = 1, 128, 12, 768, 50257
    forward = 24 * batch * s * layers * h**2 * (1 + s / (6 * h)) + 2 * batch * s * h * vocab
    net = network("gpt2_small")
    assert net.workload.flops(net.variant.config) == pytest.approx(forward, rel=1e-12)


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
@pytest.mark.parametrize("name", SMALL)
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


@pytest.mark.parametrize("name", SMALL)
def test_five_training_steps_agree_and_learn(name: str) -> None:
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
    # 8 images of 16 x 16: torch divides by n - 1, Flax by n.
    np.testing.assert_allclose(moved["var"], var, rtol=1 / 2047)


# --- weights ------------------------------------------------------------------------------------


def torch_layout(path: tuple[str, ...], value: Any) -> tuple[str, Any]:
    """Turn a Flax leaf into torch's name and layout, written apart from hwbench.weights."""
    import numpy as np

    *modules, leaf = path[1:]
    if leaf == "kernel":
        value = np.moveaxis(value, (-1, -2), (0, 1))
    names = {"bias": "bias", "mean": "running_mean", "var": "running_var"}
    return ".".join([*modules, names.get(leaf, "weight")]), value


@pytest.mark.parametrize("name", SMALL)
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


@pytest.mark.parametrize("name", SMALL)
def test_made_weights_keep_the_signal_alive(name: str) -> None:
    import numpy as np

    net = network(name)
    logits = torch_logits(torch_model(net), drawn(net)[0])
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


def transformers_gpt2(config: Mapping[str, int]) -> Any:
    transformers = pytest.importorskip("transformers")
    sizes = transformers.GPT2Config(
        vocab_size=config["vocab"],
        n_positions=config["context"],
        n_embd=config["width"],
        n_layer=config["layers"],
        n_head=config["heads"],
        n_inner=config["mlp_width"],
    )
    return transformers.GPT2LMHeadModel(sizes)


def transformers_resnet(config: Mapping[str, int]) -> Any:
    transformers = pytest.importorskip("transformers")
    widths = [config["width"] * 2**stage for stage in range(4)]
    sizes = transformers.ResNetConfig(
        num_channels=config["channels"],
        embedding_size=config["width"],
        hidden_sizes=widths,
        depths=[config["blocks"]] * 4,
        layer_type="basic",
        num_labels=config["classes"],
    )
    return transformers.ResNetForImageClassification(sizes)


def gpt2_state(ours: Mapping[str, Any]) -> dict[str, Any]:
    """Rename our state for transformers, whose Conv1D keeps (in, out)."""
    conv1d = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")
    state = {f"transformer.{k}": t.T if conv1d.search(k) else t for k, t in ours.items()}
    return state | {"lm_head.weight": ours["wte.weight"]}


RESNET_NAMES = [
    (r"^conv1\.", "resnet.embedder.embedder.convolution."),
    (r"^bn1\.", "resnet.embedder.embedder.normalization."),
    (r"^fc\.", "classifier.1."),
    (r"^layer(\d)\.(\d)\.", lambda m: f"resnet.encoder.stages.{int(m[1]) - 1}.layers.{m[2]}."),
    (r"\.conv(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.convolution."),
    (r"\.bn(\d)\.", lambda m: f".layer.{int(m[1]) - 1}.normalization."),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
]


def resnet_state(ours: Mapping[str, Any]) -> dict[str, Any]:
    """Rename our state, which has torchvision's names, for transformers."""
    state = {}
    for name, tensor in ours.items():
        for pattern, replacement in RESNET_NAMES:
            name = re.sub(pattern, replacement, name)  # type: ignore[call-overload]
        state[name] = tensor
    return state


@pytest.mark.parametrize(
    ("name", "theirs_from", "state_from"),
    [
        ("gpt2_small_small", transformers_gpt2, gpt2_state),
        ("resnet18_small", transformers_resnet, resnet_state),
    ],
)
def test_logits_are_those_of_transformers(
    name: str, theirs_from: Any, state_from: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network(name)
    ours = torch_model(net)
    theirs = theirs_from(net.variant.config)
    theirs.load_state_dict(state_from(ours.state_dict()))  # strict: no parameter is left over
    inputs, _ = drawn(net)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(inputs[0])).logits.numpy()
    assert relative_error(torch_logits(ours, inputs), expected) < FLOAT32_TOLERANCE
