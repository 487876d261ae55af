"""A hardened training in an estimate: the plain one, with another step and other epochs."""

from collections.abc import Sequence
from dataclasses import replace

from hwbench import privacy, registry, step_ratio
from hwbench.case import HARDENING
from hwbench.errors import BadInput
from hwbench.estimate_request import Request
from hwbench.estimated import Plan
from hwbench.measurement import Record
from hwbench.shortcut import Shortcut

PLAIN = ("from_scratch", "full_finetune")  # trainings whose step is the network's own


def check(request: Request) -> None:
    """Raise BadInput, or UnknownName with the near ones, for what cannot be hardened."""
    spec = request.hardening
    if spec is None:
        if request.epsilon is not None or request.delta is not None:
            raise BadInput("--epsilon and --delta are of a private training: give --private")
        return
    hardening, _ = registry.hardening(spec)
    network = registry.networks()[request.workload]
    why = hardening.supports(network.workload, network.variant.config)
    if why is not None:
        raise BadInput(f"{spec}: {why}")
    others = [s for s in request.shortcuts if s not in PLAIN]
    if others:
        raise BadInput(
            f"{spec} and {others[0]}: what the two cost does not multiply and was not measured"
            f" together; a hardened training is {' or '.join(PLAIN)}"
        )
    if hardening.kind == "private":
        _check_private(request)


def _check_private(request: Request) -> None:
    if request.epsilon is None:
        raise BadInput("--private needs --epsilon E: what may leak decides the noise")
    if not request.epsilon > 0:
        raise BadInput(f"--epsilon {request.epsilon:g} must be above 0")
    if request.delta is not None and not 0 < request.delta < 1:
        raise BadInput(f"--delta {request.delta:g} must be between 0 and 1")


def private(plan: Plan, request: Request) -> Plan:
    """Return the plan of a private training with the noise that its epsilon takes."""
    if request.hardening is None or request.epsilon is None:
        return plan
    delta = request.delta or 1 / plan.samples
    epochs = plan.epochs or (plan.steps or 1) * plan.batch_size / plan.samples
    noise = privacy.noise_for(request.epsilon, plan.samples, plan.batch_size, epochs, delta)
    return replace(plan, epsilon=request.epsilon, delta=delta, noise=noise)


def hardened(
    shortcut: Shortcut, plan: Plan, records: Sequence[Record], here: str
) -> tuple[Shortcut, Plan]:
    """Return a training and its plan as they are hardened; as they were where nothing is asked.

    The step's ratio is the record's where it has the case, else theory's with its range.
    """
    if plan.hardening is None:
        return shortcut, plan
    hardening, count = registry.hardening(plan.hardening)
    more = hardening.epochs(count)
    if plan.epochs is not None:
        plan = replace(plan, epochs=plan.epochs * more)
    elif plan.steps is not None:
        plan = replace(plan, steps=max(1, round(plan.steps * more)))
    made = replace(
        shortcut,
        step_ratio=hardening.step_ratio(count),
        theory=f"{plan.hardening}, {hardening.theory}; {hardening.caution}; `hwbench run --model"
        f" {plan.workload} --hardening {plan.hardening}` measures it",
        build=lambda ground: hardening.build(ground, count),
    )
    spec: str = plan.hardening or ""
    told = step_ratio.at_hand({HARDENING: spec}, plan, records, here)
    return (made if told is None else step_ratio.resolved(made, told)), plan


def notes(plan: Plan) -> tuple[str, ...]:
    """Return what is to be said of a hardened training."""
    if plan.hardening is None:
        return ()
    hardening, _ = registry.hardening(plan.hardening)
    told = [f"{plan.hardening}: {hardening.caution}"]
    if plan.noise is not None and plan.delta is not None:
        told.append(
            f"epsilon {plan.epsilon:g} at delta {plan.delta:.1g} takes noise of {plan.noise:.3g}"
            " times the clipping norm"
        )
    return tuple(told)
