"""What a torch model of the user's own is, found by running it: all that a workload's file says.

Inputs and targets, parameters, FLOPs, the loss that it trains by, and what is wrong with it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from hwbench.dialects.torch_flops import Counted, counted
from hwbench.dialects.torch_models import SEED, adapted, inputs_of, made_of, optimizer, tensor_of
from hwbench.dialects.torch_signature import targets_of, tensor_facts
from hwbench.dialects.user_code import Given, loss_problem, raised, wrong
from hwbench.model_facts import Kind, Loss, ModelFacts, OptimizerFacts, TensorFacts
from hwbench.model_spec import ModelSpec
from hwbench.own_draw import drawn

RATE = 1e-3  # of AdamW, where the factory gives no optimiser
STEP_FLOPS = 5e10  # of a step: the batch size is the power of two that comes near it
MOST_BATCH = 32
MOST = 0.5  # of the FLOPs, by which a network is of a kind


def facts(spec: ModelSpec, name: str, pretrained: bool) -> ModelFacts:
    """Build a model, run it once forward and once backward, and say what it is; raise BadInput."""
    return facts_of(spec, name, pretrained, made_of(spec, pretrained))


def facts_of(
    spec: ModelSpec, name: str, pretrained: bool, found: Given, held: bool = True
) -> ModelFacts:
    """Return the facts of a model that was made; of one that is not `held` nothing is computed.

    On torch's meta device it has shapes alone: what its values would tell is left at what is usual
    for models of transformers, which take any batch and train all of their weights.
    """
    import torch

    inputs = inputs_of(spec, found)
    model = adapted(spec, found)
    batch = tuple(inputs.values())
    given = batch if held else tuple(t.to("meta") for t in batch)
    output, computed, layers = forward(torch, spec, model, given)
    flops = computed.total
    loss, targets, notes = _loss(torch, spec, found, output, batch)
    untrainable = _backward(torch, spec, model, batch, loss, targets) if held else None
    fixed = held and _fixed(torch, model, batch)
    if fixed:
        notes.append(f"it takes batches of {len(batch[0])} only")
    parameters = list(model.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    items = len(batch[0])
    config = _config(inputs, output, loss)
    given_batch = found.inputs is not None and spec.kind not in ("timm", "hf")
    size = items if given_batch or fixed else _batch_size(flops // items)
    return ModelFacts(
        spec=spec.text,
        name=name,
        summary=_summary(spec, found),
        library="torch",
        item=found.item or _item(config),
        batch_size=size,
        fixed_batch=fixed,
        inputs=tuple(tensor_facts(t, n if isinstance(n, str) else None) for n, t in inputs.items()),
        targets=targets,
        loss=loss,
        optimizer=_optimizer(spec, found, parameters),
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=trainable,
        flops=flops // items,
        activation_numbers=layers // items,
        kind=_kind(computed),
        untrainable=untrainable,
        config=config,
        shape={k: v for k, v in config.items() if k in ("image", "seq", "features")},
        pretrained=pretrained,
        version=_version(model, batch, flops),
        fingerprint=_fingerprint(model, output if held else None),
        notes=tuple(notes),
    )


def forward(
    torch: Any, spec: ModelSpec, model: Any, batch: tuple[Any, ...]
) -> tuple[Any, Counted, int]:
    """Return the output, FLOPs, and numbers that layers with weights put out, of one batch."""
    outputs: list[int] = []
    made: list[Any] = []

    def note(module: Any, args: Any, output: Any) -> None:
        value = tensor_of(output)
        if value is not None:
            outputs.append(value.numel())

    hooks = [
        m.register_forward_hook(note)
        for m in model.modules()
        if any(True for _ in m.parameters(recurse=False))
    ]
    model.eval()
    try:
        with torch.no_grad():
            computed = counted(torch, lambda: made.append(model(*batch)))
    except Exception as e:
        raise raised(spec, e, "when it was run on its inputs") from None
    finally:
        for hook in hooks:
            hook.remove()
    if made[0] is None:
        raise wrong(spec, "puts out no tensor when it is run on its inputs")
    return made[0], computed, sum(outputs)


def _kind(computed: Counted) -> Kind | None:
    """Return what most of the FLOPs are of; a network with attention is a transformer."""
    shares = {n: f / max(1, computed.total) for n, f in computed.by_operator.items()}
    if sum(s for n, s in shares.items() if "conv" in n) > MOST:
        return "conv"
    if sum(s for n, s in shares.items() if "rnn" in n or "lstm" in n) > MOST:
        return "rnn"
    return "transformer" if any("attention" in n for n in shares) else None


def _fixed(torch: Any, model: Any, batch: tuple[Any, ...]) -> bool:
    """Return whether another batch size than the given one fails, in evaluation mode.

    Learning, a batch normalisation refuses a single item whatever the module can do.
    """
    model.eval()
    items = len(batch[0])
    other = tuple(t[: items // 2] if items > 1 else torch.cat([t, t]) for t in batch)
    try:
        with torch.no_grad():
            model(*other)
    except Exception:  # whatever a reshape or an assertion raises
        return True
    return False


def _loss(
    torch: Any, spec: ModelSpec, found: Given, output: Any, batch: tuple[Any, ...]
) -> tuple[Loss, TensorFacts, list[str]]:
    """Return by what it trains, what the targets are like, and what was chosen for the user."""
    if found.train is not None:
        return "own", targets_of(torch, found.targets, len(batch[0])), []
    if found.loss is not None:
        wanted = 1 if found.targets is None else 2
        problem = loss_problem(found.loss, wanted)
        if problem:
            raise wrong(spec, problem)
        return "own", targets_of(torch, found.targets, len(batch[0])), []
    classes = targets_of(torch, found.targets, len(batch[0]), output)
    if classes.dtype == "float32":
        said = "no loss was given: the mean square of output less targets"
        return "own", classes, [said]
    logits = output.dim() == 2 or (output.dim() == 3 and not batch[0].is_floating_point())
    if found.targets is None and not (
        logits and output.is_floating_point() and output.size(-1) > 1
    ):
        said = f"no loss was given: the mean square of its output {tuple(output.shape[1:])}"
        return "squares", targets_of(torch, None, len(batch[0])), [said]
    return "cross_entropy", classes, ["no loss was given: cross-entropy of its last dimension"]


def _backward(
    torch: Any,
    spec: ModelSpec,
    model: Any,
    batch: tuple[Any, ...],
    loss: Loss,
    targets: TensorFacts,
) -> str | None:
    """Run a backward pass; return why there is nothing to train, raise what the loss raises."""
    import numpy as np

    if not any(p.requires_grad for p in model.parameters()):
        return "it has no parameter that requires a gradient"
    labels = torch.from_numpy(drawn(targets, len(batch[0]), np.random.default_rng(SEED)))
    model.train()
    try:
        if loss == "cross_entropy":
            logits = model(*batch)
            value = torch.nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
        else:
            value = model.loss(*batch, labels)
    except Exception as e:
        raise raised(spec, e, "when its loss was computed in training") from None
    if not torch.is_tensor(value) or value.numel() != 1:
        raise wrong(spec, f"has a loss that gives {type(value).__name__}, not one number")
    if not value.requires_grad:
        raise wrong(spec, "has a loss that no parameter has a part in: nothing can be trained")
    if not bool(torch.isfinite(value)):
        raise wrong(spec, f"has a loss of {float(value.detach()):g} on its own inputs")
    try:
        value.backward()
    except Exception as e:
        raise raised(spec, e, "in its backward pass") from None
    model.zero_grad(set_to_none=True)
    return None


def _optimizer(spec: ModelSpec, found: Given, parameters: list[Any]) -> OptimizerFacts:
    if found.optimizer is None:
        return OptimizerFacts(name="adamw", learning_rate=RATE, said="AdamW, by default")
    trained = [p for p in parameters if p.requires_grad] or parameters
    made = optimizer(spec.text, trained)
    if not (hasattr(made, "step") and hasattr(made, "zero_grad")):
        raise wrong(spec, f"gives a {type(made).__name__} for an optimiser, which has no step")
    groups = getattr(made, "param_groups", None) or [{}]
    plain = type(made).__name__ == "SGD"
    return OptimizerFacts(
        name="sgd" if plain else "adamw",
        learning_rate=float(groups[0]["lr"]) if "lr" in groups[0] else None,
        momentum=float(groups[0].get("momentum", 0.0)) if plain else 0.0,
        own=True,
        said=type(made).__name__,
    )


def _config(inputs: Mapping[str | int, Any], output: Any, loss: Loss) -> dict[str, int]:
    """Return the sizes by which data and estimates know a network (as workloads' have them)."""
    first = next(iter(inputs.values()))
    sizes: dict[str, int] = {}
    if first.dim() == 4 and first.is_floating_point():
        sizes = {"image": first.shape[-1], "channels": first.shape[1]}
    elif first.dim() == 2 and not first.is_floating_point():
        sizes = {"seq": first.shape[1], "vocab": int(first.max()) + 1}
    elif first.dim() == 2:
        sizes = {"features": first.shape[1]}
    if loss == "cross_entropy" and output.dim() == 2:
        sizes["classes"] = output.shape[-1]
    return sizes


def _item(config: Mapping[str, int]) -> str:
    return "image" if "image" in config else "sequence" if "seq" in config else "item"


def _batch_size(flops: int) -> int:
    size = 1
    while size < MOST_BATCH and 3 * flops * size * 2 <= STEP_FLOPS:
        size *= 2
    return size


def _summary(spec: ModelSpec, found: Given) -> str:
    kind = type(found.model).__name__
    if spec.kind == "timm":
        return f"{kind} of timm"
    return f"{kind} of transformers" if spec.kind == "hf" else f"{kind} of {spec.target}"


def _version(model: Any, batch: tuple[Any, ...], flops: int) -> int:
    """Return a number for its layers and inputs: what is timed, whatever the weights are."""
    digest = hashlib.sha256(str([flops, *(tuple(t.shape[1:]) for t in batch)]).encode())
    for name, value in model.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}".encode())
    for name, module in model.named_modules():
        digest.update(f"{name}{type(module).__name__}".encode())
    return 1 + int(digest.hexdigest()[:7], 16)


def _fingerprint(model: Any, output: Any) -> str:
    """Return what changes with its layers, and with what it says on its inputs."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}".encode())
    if output is not None:
        digest.update(output.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]
