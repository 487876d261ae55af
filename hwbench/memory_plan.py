"""The verb `memory`: what a network needs by each recipe, and on which devices it fits."""

from dataclasses import dataclass, replace
from pathlib import Path

import hwbench
from hwbench import (
    codec,
    data_sheets,
    model_naming,
    model_spec,
    protocol,
    registry,
    store,
    tree_file,
)
from hwbench.child import Child, ChildFailed
from hwbench.errors import BadInput, UnknownName
from hwbench.memory_needs import RECIPES, SCHEMA, Counted, MemoryFile, Need, Recipe, fit, fixed
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.registry import Network

LIMIT_S = 300.0
DEVICES = ("RTX-4090-24GB", "A100-SXM-40GB", "H100-SXM-80GB", "H200-SXM-141GB")
_BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked."""

    workload: str
    recipes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    seq: int | None = None
    out: Path | None = None


def plan(options: Options, progress: Progress | None = None, spawn: Spawn = Child) -> MemoryFile:
    """Return what a network needs; raise BadInput, or UnknownName, for what cannot be asked."""
    progress = progress or Silent()
    options = _named(options, progress, spawn)
    network = _network(options)
    for name in options.recipes:
        if name not in RECIPES:
            raise UnknownName("recipe", name, RECIPES)
    sheets = [data_sheets.sheet(name) for name in options.devices or _known()]
    if options.out is not None:
        store.check_writable(options.out)
    counted, why = _counted(options, progress, spawn)
    config = network.variant.config
    parameters = network.workload.parameters(config)
    layers = config.get("layers", 0)
    needs = []
    for recipe in [RECIPES[n] for n in options.recipes or RECIPES]:
        need = _need(recipe, network, parameters, layers, counted)
        held = [s for s in sheets if s.memory_bytes]
        fits = tuple(
            fit(s.name, s.memory_bytes or 0, need.fixed_bytes, need.item_bytes,
                need.checkpointed_bytes)
            for s in held
        )  # fmt: skip
        needs.append(replace(need, fits=fits))
    done = MemoryFile(
        schema=SCHEMA,
        hwbench_version=hwbench.__version__,
        workload=options.workload,
        item=network.workload.item,
        parameters=parameters,
        flops_per_item=network.workload.flops(config) or None,
        layers=layers,
        seq=config.get("seq"),
        cache_bytes_per_token=cache_bytes_per_token(network),
        needs=tuple(needs),
        reason=why,
        notes=(
            "libraries, buffers of communication and fragments of memory come on top: of a device"
            " 92 % is filled",
        ),
    )
    if options.out is not None:
        tree_file.save(done, options.out)
    return done


def _known() -> list[str]:
    have = {s.name for s in data_sheets.all_sheets()}
    return [name for name in DEVICES if name in have]


def _named(options: Options, progress: Progress, spawn: Spawn) -> Options:
    """Return the options with a model of transformers by the name that it goes by here.

    It is told by its configuration; `--seq` is then a size of its spec.
    """
    if not model_spec.is_spec(options.workload):
        return options
    if not options.workload.startswith("hf:"):
        raise BadInput(
            f"{options.workload}: `hwbench memory` knows hwbench's own workloads, and models of"
            " transformers by their configuration: hf:NAME"
        )
    spec = options.workload
    if options.seq is not None:
        spec += f"{',' if model_spec.parse(spec).sizes else '@'}seq={options.seq}"
    (name,) = model_naming.named([spec], spawn, outlined=True, note=progress.note)
    return replace(options, workload=name, seq=None)


def _network(options: Options) -> Network:
    network = registry.networks()[options.workload]
    if options.seq is None:
        return network
    config = network.variant.config
    if "seq" not in config:
        raise BadInput(f"--seq: {options.workload} takes no sequences of tokens")
    most = config.get("context", config["seq"])
    if options.seq > most:
        raise BadInput(
            f"--seq {options.seq}: {options.workload} has {most} positions: a sequence is no longer"
        )
    variant = replace(network.variant, config={**config, "seq": options.seq})
    return replace(network, variant=variant)


def cache_bytes_per_token(network: Network) -> int | None:
    """Return the bytes of keys and values of one position in bfloat16; None without generation."""
    config = network.variant.config
    if network.workload.decoding is None and not (network.workload.own and "kv_heads" in config):
        return None
    heads = config.get("kv_heads", config["heads"])
    size = config.get("head_dim", config["width"] // config["heads"])
    return 2 * config["layers"] * heads * size * _BYTES["bfloat16"]


def _counted(
    options: Options, progress: Progress, spawn: Spawn
) -> tuple[Counted | None, str | None]:
    """Return what a child counts, or why it cannot."""
    child = spawn(0, 1, {})
    try:
        request = protocol.CountMemory(workload=options.workload, seq=options.seq)
        reply = child.ask("count_memory", request, LIMIT_S, progress.tick)
    except ChildFailed as e:
        return None, f"activations: {e}"
    finally:
        child.end()
    if not reply.ok:
        return None, f"activations: {reply.reason}"
    found = codec.decode(Counted, reply.result)
    return found, found.reason


def _need(
    recipe: Recipe, network: Network, parameters: int, layers: int, counted: Counted | None
) -> Need:
    # What was counted is of blocks as they repeat: of one, or of several kinds in a row.
    rows = layers / network.variant.config.get("period", 1)
    adapters = counted.adapter_parameters * (rows or 1) if counted else 0
    trained, weights, training = fixed(recipe, parameters, adapters)
    item = checkpointed = None
    if counted is not None and counted.kept_bytes and recipe.trains:
        rest, block = (
            float(found[recipe.dtype]) for found in (counted.kept_bytes, counted.block_bytes)
        )
        item = rest + rows * block
        config = network.variant.config
        if layers and {"seq", "width"} <= set(config):
            # The input of each block is kept, and one block at a time is computed again.
            kept = config["seq"] * config["width"] * _BYTES[recipe.dtype]
            checkpointed = rest + layers * kept + block
    return Need(
        recipe=recipe.name,
        summary=recipe.summary,
        source=recipe.source,
        trained_parameters=round(trained),
        weights_bytes=weights,
        training_bytes=training,
        fixed_bytes=weights + training,
        item_bytes=item,
        checkpointed_bytes=checkpointed,
        fits=(),
    )
