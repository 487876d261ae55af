"""Distillation of a trained network into one of half its depth (Hinton et al. 2015).

The teacher is the network itself, frozen; the student has half of its blocks, as DistilBERT has of
BERT's (Sanh et al. 2019). The loss is half the cross-entropy of the labels, half T^2 times the
Kullback-Leibler divergence of the two networks' predictions softened by T.
"""

from typing import Any

from hwbench.shortcut import Epochs, Ratio, Shortcut, any_classifier
from hwbench.stepping import Ground, Inputs, Stepper
from hwbench.workload import Config, Workload

TEMPERATURE, SOFT = 4.0, 0.5
_DEPTHS = ("layers", "hidden_layers", "blocks", "blocks1", "blocks2", "blocks3", "blocks4")


def student_of(config: Config) -> Config:
    """Return the sizes of a network of half the depth, a block at least of each kind."""
    return {k: max(1, v // 2) if k in _DEPTHS else v for k, v in config.items()}


def supports(workload: Workload, config: Config) -> str | None:
    """Return why there is nothing to distil into, or None."""
    if student_of(config) == dict(config):
        return f"{workload.name} at this size is not deep enough for a student of half its depth"
    return any_classifier(workload, config)


def build(ground: Ground) -> Stepper:
    """Freeze the teacher; train the student on its softened predictions and on the labels."""
    from hwbench.dialects import torch_frozen as frozen
    from hwbench.dialects.torch import network
    from hwbench.dialects.torch_anatomy import anatomy

    torch, teacher = ground.torch, ground.model
    teacher_flops = frozen.anatomy_of(ground).forward_flops
    frozen.freeze_but(teacher, ())
    sizes = student_of(ground.config)
    student = frozen.seeded(ground, lambda: network(torch, ground.workload, sizes, ground.seed))
    optimizer = ground.optimizer(list(student.parameters()))
    run = ground.transform(student.train(), "training")

    def step(inputs: Inputs, targets: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad(), ground.autocast():
            told = teacher(*inputs)
        with ground.autocast():
            loss = loss_of(torch, run(*inputs), told, targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    own = anatomy(torch, student, frozen.probe_inputs(ground)).step_flops
    return Stepper(
        step=step,
        logits=frozen.evaluated(ground, student),
        model=torch.nn.ModuleDict({"student": student, "teacher": teacher}),
        optimizers=(optimizer,),
        theory_flops_per_item=own + teacher_flops,
    )


def loss_of(torch: Any, logits: Any, told: Any, targets: Any) -> Any:
    """Return the loss of a student whose teacher told `told`."""
    F, t = torch.nn.functional, TEMPERATURE
    logits, told = logits.flatten(0, -2), told.flatten(0, -2)
    soft = F.kl_div(
        F.log_softmax(logits / t, -1),
        F.log_softmax(told / t, -1),
        reduction="batchmean",
        log_target=True,
    )
    return SOFT * t * t * soft + (1 - SOFT) * F.cross_entropy(logits, targets.flatten())


SHORTCUT = Shortcut(
    name="distillation",
    summary="a student of half the depth learns from the frozen network",
    step_ratio=Ratio(point=0.83, low=0.6, high=1.1),
    theory="3 F of the student and F of the teacher: (3/2 + 1) / 3",
    epochs=Epochs(
        usual=3,
        low=3,
        high=30,
        source="DistilBERT: 3 epochs of its data (Sanh et al. 2019, arXiv:1910.01108); 30 and more"
        " for vision (Touvron et al. 2020)",
    ),
    frozen="the teacher, in evaluation mode",
    memory="both networks' weights; the student's gradients, moments and activations",
    one_off="a trained teacher; where there is none, its whole training",
    excludes=("cached_features",),
    needs_teacher=True,
    supports=supports,
    build=build,
)
