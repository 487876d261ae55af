"""How a study of real trainings begins: data are read, shortcuts timed, trainings planned."""

import datetime
import secrets
from collections.abc import Callable, Sequence

import hwbench
from hwbench import learning_asked, learning_journal, learning_plan
from hwbench.errors import HwbenchError
from hwbench.learning_asking import StudyChild, TrainingFailed
from hwbench.learning_asks import OpenStudy, Paced, StudiedData, StudyAsked
from hwbench.learning_journal import Header
from hwbench.learning_plan import Sizing
from hwbench.progress import Progress
from hwbench.shortcut import Shortcut


def study_of(asked: StudyAsked) -> OpenStudy:
    """Return what a child is asked to open."""
    return OpenStudy(
        workload=asked.workload,
        data=asked.data,
        source=asked.source,
        pretrained=asked.pretrained is not None,
        device=asked.device or "cpu",
        dtype=asked.dtype or "float32",
        batch_size=asked.batch_size or 1,
        threads=asked.threads or 1,
    )


def header_of(
    asked: StudyAsked,
    child: StudyChild,
    progress: Progress,
    left_s: Callable[[], float | None],
    machine_id: str,
    argv: tuple[str, ...],
) -> Header:
    """Return the plan of a study; raise BadInput where the data or the sizes do not do.

    `left_s()` is what is left of the time, None without end.
    """
    data = child.open()
    learning_asked.check_data(asked, data)
    sizes = learning_plan.sizes_of(asked.sizes, data)
    shortcuts, refused = learning_asked.able(asked, data)
    progress.note(f"{data.what}; timing {len(shortcuts)} ways to train on them")
    paces, more = _paced(shortcuts, child)
    shortcuts = tuple(s for s in shortcuts if s.name in paces)
    sizing, time_s = _sizing(asked, data), left_s()
    steps = None
    if asked.pretrained is None and any(s.pretrained for s in shortcuts):
        scratch = paces[learning_asked.SCRATCH]
        steps = learning_plan.pretrain_steps(data, sizing, scratch, time_s)
        time_s = None if time_s is None else max(0.0, time_s - steps * scratch.step_s)
    share = learning_plan.curves_frac(bool(asked.poison or any(asked.label_noise)))
    budget_s = None if time_s is None else share * time_s
    planned = learning_plan.planned(shortcuts, sizes, asked.seeds, sizing, paces, budget_s)
    now = datetime.datetime.now(datetime.UTC)
    return Header(
        schema=learning_journal.SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=argv,
        machine_id=machine_id,
        asked=asked,
        data=data,
        sizes=sizes,
        shortcuts=tuple(s.name for s in shortcuts),
        refused=refused | more,
        paces=tuple(paces.values()),
        asks=planned.asks,
        cuts=planned.cuts,
        pretrain_steps=steps,
    )


def _paced(
    shortcuts: Sequence[Shortcut], child: StudyChild
) -> tuple[dict[str, Paced], dict[str, str]]:
    """Return what each shortcut's trainings take, and why some cannot be made at all."""
    paces, refused = {}, {}
    for shortcut in shortcuts:
        try:
            paces[shortcut.name] = child.pace(shortcut.name)
        except TrainingFailed as e:
            if shortcut.name == learning_asked.SCRATCH:
                raise HwbenchError(f"the network cannot be trained here: {e}") from None
            refused[shortcut.name] = str(e)
    return paces, refused


def _sizing(asked: StudyAsked, data: StudiedData) -> Sizing:
    return Sizing(
        batch_size=asked.batch_size or 1,
        n_test=data.n_test,
        epochs=asked.epochs,
        scratch_epochs=asked.scratch_epochs or learning_plan.SCRATCH_EPOCHS,
    )
