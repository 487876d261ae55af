"""What a network is made of, by running it: blocks in order, head, FLOPs of forward and step."""

from typing import Any

import numpy as np
import pytest
import torch

from hwbench import registry
from hwbench.dialects.torch import network
from hwbench.dialects.torch_anatomy import Anatomy, anatomy

SMALL = sorted(
    f"{w.name}_small" for w in registry.workloads().items.values() if "small" in w.variants
)
CLASSIFIERS = [n for n in SMALL if not registry.networks()[n].workload.objectives]


def ran(name: str, prepare: Any = None) -> Anatomy:
    found = registry.networks()[name]
    workload, config = found.workload, found.variant.config
    model = network(torch, workload, config)
    if prepare:
        prepare(model)
    inputs = workload.inputs(config, 4, np.random.default_rng(0))
    return anatomy(torch, model, tuple(torch.from_numpy(x) for x in inputs))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_forward_pass_has_the_flops_of_the_workloads_own_formula(name: str) -> None:
    found = registry.networks()[name]
    assert ran(name).forward_flops == pytest.approx(found.workload.flops(found.variant.config))


def test_blocks_come_in_the_order_of_running_and_hold_all_flops() -> None:
    found = ran("resnet18_small")
    names = [b.name for b in found.blocks]
    assert names[:3] == ["conv1", "bn1", "layer1.0"] and names[-1] == "fc"
    assert names == sorted(names, key=names.index) and len(names) == 2 + 8 + 1
    assert sum(b.flops for b in found.blocks) == pytest.approx(found.forward_flops)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18_small", "fc"),
        ("vit_tiny_small", "head"),
        ("bert_base_small", "classifier"),
        ("mobilenet_v3_large_small", "classifier.3"),
        ("lstm_small", "fc"),
        ("mlp_small", "fc"),
        ("gpt2_small_small", None),  # its output layer is its embedding
    ],
)
def test_the_head_is_the_linear_layer_that_gives_the_logits(name: str, head: str | None) -> None:
    if name not in registry.networks().items:
        pytest.skip(f"no {name}")
    assert ran(name).head == head


def test_a_step_from_scratch_is_three_forward_passes_but_the_first_input_gradient() -> None:
    found = ran("mlp_small")
    first = found.layers[0].flops
    assert found.step_flops == pytest.approx(3 * found.forward_flops - first)


def test_a_frozen_prefix_leaves_out_both_gradients() -> None:
    def freeze(model: Any) -> None:
        for p in [*model.hidden[0].parameters(), *model.hidden[1].parameters()]:
            p.requires_grad_(False)

    found = ran("mlp_small", freeze)
    f = [layer.flops for layer in found.layers]
    # frozen: forward alone; the first that trains needs no gradient of its input
    assert found.step_flops == pytest.approx(f[0] + f[1] + 2 * f[2] + 3 * f[3])


def test_running_it_changes_nothing() -> None:
    found = registry.networks()["resnet18_small"]
    model = network(torch, found.workload, found.variant.config).train()
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    inputs = found.workload.inputs(found.variant.config, 4, np.random.default_rng(0))
    before = torch.get_rng_state()
    anatomy(torch, model, tuple(torch.from_numpy(x) for x in inputs))
    assert all(torch.equal(v, kept[k]) for k, v in model.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())
