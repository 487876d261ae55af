"""What was asked of real trainings: every choice made, or refused before anything is trained."""

import math
from dataclasses import replace

from hwbench import host, registry, sharing_asked, training_choice
from hwbench.errors import BadInput, UnknownName
from hwbench.learning_asks import StudiedData, StudyAsked
from hwbench.registry import Network
from hwbench.shortcut import Shortcut

SCRATCH = "from_scratch"
# What is compared unless shortcuts are named: what needs no network of its own beside it.
USUAL = (
    SCRATCH,
    "full_finetune",
    "partial_finetune",
    "linear_probe",
    "cached_features",
    "lora",
    "adapters",
)
MOST_SEEDS = 20
MOST_POISON = 0.5
NO_WEIGHTS = (
    "starts from pretrained weights: give --pretrained FILE, or --source DATA to pretrain on"
)


def checked(asked: StudyAsked) -> StudyAsked:
    """Return what was asked with every choice made; raise BadInput or UnknownName."""
    network = registry.networks()[asked.workload]
    _check_classifies(network)
    if not 1 <= asked.seeds <= MOST_SEEDS:
        raise BadInput(f"--seeds {asked.seeds}: 1 to {MOST_SEEDS}; an interval needs 3")
    for frac in asked.label_noise:
        if not 0 <= frac < 1:
            raise BadInput(f"--label-noise {frac:g}: a share of wrong labels, from 0 to below 1")
    if asked.poison is not None and not 0 < asked.poison <= MOST_POISON:
        raise BadInput(f"--poison {asked.poison:g}: a share of the data, up to {MOST_POISON:g}")
    for what, value in (("epochs", asked.epochs), ("scratch-epochs", asked.scratch_epochs)):
        if value is not None and not 0 < value < math.inf:
            raise BadInput(f"--{what} must be above 0, found {value:g}")
    _check_target(asked.target_accuracy, None)
    if asked.pretrained is not None and asked.source is not None:
        raise BadInput("--pretrained and --source are two starts: give one of them")
    for name in asked.shortcuts:
        registry.shortcuts()[name]
    _check_tasks(asked)
    training = training_choice.choose(
        None, asked.workload, "torch", asked.device, asked.dtype, asked.batch_size
    )
    return replace(
        asked,
        device=training.device,
        dtype=training.dtype,
        batch_size=training.batch_size,
        threads=asked.threads or host.environment().cpu.cores,
    )


def _check_tasks(asked: StudyAsked) -> None:
    if asked.tasks is None and asked.sharing:
        raise BadInput("--sharing is of several tasks: give --tasks K")
    if asked.tasks is not None and asked.tasks < 2:
        raise BadInput(f"--tasks {asked.tasks}: several are 2 at the least")
    for way in asked.sharing:
        if way not in sharing_asked.WAYS:
            raise UnknownName("way of sharing", way, sharing_asked.WAYS)


def classifies(network: Network) -> bool:
    """Return whether a network tells classes apart, so that it can be right or wrong."""
    return "classes" in network.variant.config and not network.workload.objectives


def _check_classifies(network: Network) -> None:
    if classifies(network):
        return
    able = [n for n, other in sorted(registry.networks().items.items()) if classifies(other)]
    raise BadInput(
        f"--learn judges by accuracy, and {network.name} tells no classes apart: take"
        f" {', '.join(able)}"
    )


def _check_target(target: float | None, classes: int | None) -> None:
    """Raise BadInput for an accuracy that is no goal."""
    if target is None:
        return
    if not 0 < target < 1:
        raise BadInput(
            f"--target-accuracy {target:g}: lies between 0 and 1, 0.95 is 95 %; all of an"
            " unlimited test set right is never reached"
        )
    if classes is not None and target <= 1 / classes:
        raise BadInput(
            f"--target-accuracy {target:g}: guessing among {classes} classes is right in"
            f" {1 / classes:.3g} of cases: ask for more"
        )


def check_data(asked: StudyAsked, data: StudiedData) -> None:
    """Raise BadInput where what was asked for does not fit the data that were found."""
    _check_target(asked.target_accuracy, data.classes)
    if asked.tasks is not None and 2 * asked.tasks > data.classes:
        raise BadInput(
            f"--tasks {asked.tasks}: the {data.classes} classes are dealt out to them, two each at"
            " the least"
        )
    if asked.poison is not None and round(asked.poison * data.samples) < 1:
        raise BadInput(
            f"--poison {asked.poison:g}: of {data.samples:,} samples that is none: ask for more"
        )


def able(asked: StudyAsked, data: StudiedData) -> tuple[tuple[Shortcut, ...], dict[str, str]]:
    """Return the shortcuts to train by, from scratch first, and why the others are not.

    Only words are looked at here; what a network's own layers say is found when it is built.
    """
    network, shelf = registry.networks()[asked.workload], registry.shortcuts()
    config = {**network.variant.config, "classes": data.classes}
    weights = asked.pretrained is not None or data.source_samples is not None
    chosen, refused = [], {}
    for name in dict.fromkeys((SCRATCH, *(asked.shortcuts or USUAL))):
        shortcut = shelf[name]
        why = shortcut.supports(network.workload, config) or _why_not(shortcut, weights)
        if why is None:
            chosen.append(shortcut)
        else:
            refused[name] = why
    return tuple(chosen), refused


def _why_not(shortcut: Shortcut, weights: bool) -> str | None:
    if shortcut.several and not shortcut.pretrained:
        return "is of several tasks: its accuracy for each is --tasks K's"
    return NO_WEIGHTS if shortcut.pretrained and not weights else None
