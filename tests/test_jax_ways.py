"""Shortcuts in jax: the part that trains is torch's, and so are the losses."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hwbench import registry
from hwbench.case import Case
from hwbench.dialects import torch_frozen
from hwbench.errors import Unavailable
from tests.test_shortcuts import built, ground

pytest.importorskip("jax")

NAMES = ("linear_probe", "partial_finetune")


def case(name: str, shortcut: str) -> Case:
    found = registry.networks()[name]
    return Case(
        kind="workload",
        name=name,
        version=found.workload.version,
        phase="training",
        scenario="train_step",
        runtime="jax",
        device="cpu",
        dtype="float32",
        batch_size=8,
        shape=found.variant.shape,
        options={"shortcut": shortcut},
    )


def program(name: str, shortcut: str) -> Any:
    from hwbench.dialects import jax as dialect

    found = registry.networks()[name]
    rng = np.random.default_rng(3)
    config, trained = found.variant.config, registry.shortcuts()[shortcut].build_jax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dialect.prepare_workload(
            found.workload, config, case(name, shortcut), rng, build=trained
        )


@pytest.mark.parametrize("shortcut", NAMES)
@pytest.mark.parametrize("name", ["mlp_small", "vit_tiny_small", "bert_base_small", "lstm_small"])
def test_the_losses_are_those_of_torch(name: str, shortcut: str) -> None:
    made = program(name, shortcut)
    losses = made.answer(3).outputs[0]
    of = ground(name)
    stepper = built(shortcut, of)
    inputs, targets = of.workload.batch(of.config, 8, np.random.default_rng(3))
    placed = tuple(torch.from_numpy(x) for x in inputs)
    told = [float(stepper.step(placed, torch.from_numpy(targets))) for _ in range(3)]
    assert losses == pytest.approx(told, rel=1e-4)
    trained = sum(p.numel() for p in torch_frozen.trained_of(of.model))
    assert made.taught.trainable_parameters == trained
    assert made.taught.parameters == sum(p.numel() for p in of.model.parameters())


def test_a_network_with_batch_statistics_says_why_not() -> None:
    with pytest.raises(Unavailable, match="resnet18 has batch statistics"):
        program("resnet18_small", "linear_probe")


def test_a_tied_output_layer_says_why_not() -> None:
    with pytest.raises(Unavailable, match="gpt2_small has no output layer of its own"):
        program("gpt2_small_small", "linear_probe")


def test_a_shortcut_that_jax_has_not_is_skipped_with_the_reason() -> None:
    from hwbench import planning

    why = planning._no_way(replace(case("mlp_small", "lora")))
    assert why == "lora is not written for jax: take --runtime torch"
