"""LiteRT (the former TensorFlow Lite): inference of converted networks on processors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwbench.case import Case
from hwbench.dialects import caches, litert_session, refusals
from hwbench.dialects.libraries import absent
from hwbench.dialects.rounding import widened
from hwbench.errors import Unavailable, one_line
from hwbench.kernel import Kernel
from hwbench.probed import RuntimeFacts
from hwbench.runtime import Answer, Program, Runtime
from hwbench.workload import Config, Workload

REMEDY = litert_session.REMEDY
NO_KERNELS = "kernels have no form for litert, which runs whole networks"
_threads: list[int | None] = [None]


def probe() -> RuntimeFacts:
    """Return the version of ai_edge_litert."""
    from importlib.metadata import PackageNotFoundError, version

    litert_session.library()
    try:
        found = version("ai-edge-litert")
    except PackageNotFoundError:
        found = "unknown"
    details = {"kernels": "XNNPACK's, or built in", "threads": str(_threads[0] or caches.cpus())}
    return RuntimeFacts(name="litert", version=found, devices=("cpu",), details=details)


def supports(case: Case) -> str | None:
    """Return why litert never runs `case`, or None."""
    if case.phase in ("backward", "training"):
        return "litert runs inference only"
    why = refusals.common(case, "litert", ("cpu",))
    if why is not None:
        return why
    if case.kind == "kernel":
        return NO_KERNELS
    if case.dtype in ("bfloat16", "float16"):
        return f"networks are not converted to {case.dtype} for litert: float32 and int8 are"
    return None


def configure(threads: int) -> None:
    """Import the library, so that its memory is not the model's, and keep the threads."""
    litert_session.library()
    _threads[0] = threads


def prepare_kernel(kernel: Kernel, case: Case, rng: Any) -> Program:
    """Refuse: LiteRT has no kernels of its own to measure."""
    _check_device(case)
    raise Unavailable(NO_KERNELS)


def prepare_workload(
    workload: Workload, config: Config, case: Case, rng: Any, export: str | None = None
) -> Program:
    """Make a network ready from the file `export`."""
    _check_device(case)
    if export is None:
        raise Unavailable(f"{workload.name} was not converted for litert")

    def draw(rng: Any) -> Any:
        return workload.batch(config, case.batch_size or 1, rng)[0]

    return _program(Path(export), case, draw, rng)


def _check_device(case: Case) -> None:
    if case.device != "cpu":
        raise absent("litert", case.device, ("cpu",), REMEDY)


def _program(model: Path, case: Case, draw: Callable[..., Any], rng: Any) -> Program:
    """Put inputs into the interpreter's memory: a step copies nothing, and no output either."""
    drawn = draw(rng)
    made = _interpreter(model, case, [v.shape for v in drawn])
    given, told = litert_session.inputs(made), litert_session.outputs(made)
    if len(given) != len(drawn):
        raise Unavailable(f"the file of {case.name} takes {len(given)} inputs, not {len(drawn)}")
    litert_session.put(made, drawn)

    def renew(rng: Any) -> None:
        litert_session.put(made, draw(rng))

    def answer(steps: int) -> Answer:
        made.invoke()
        return Answer(
            inputs=tuple(widened(made.get_tensor(d["index"])) for d in given),
            outputs=tuple(widened(made.get_tensor(d["index"])) for d in told),
        )

    return Program(
        step=made.invoke,
        wait=lambda result: None,  # an inference returns when it is done
        renew=renew,
        answer=answer,
        flush=caches.flusher() if case.scenario == "cold" else None,
    )


def _interpreter(model: Path, case: Case, shapes: list[Any]) -> Any:
    try:
        return litert_session.interpreter(
            model,
            _threads[0] or caches.cpus(),
            kernels=str(case.options.get("kernels", "xnnpack")),
            shapes=shapes,
        )
    except (RuntimeError, ValueError) as e:
        if "alloc" in str(e).lower():
            raise
        raise Unavailable(f"litert cannot load {case.name}: {one_line(str(e))[-200:]}") from e


RUNTIME = Runtime(
    name="litert",
    dialect="tflite",
    library="ai_edge_litert",
    remedy=REMEDY,
    summary="LiteRT (TensorFlow Lite), networks converted from torch, on processors",
    phases=("inference",),
    supports=supports,
    probe=probe,
    configure=configure,
    prepare_kernel=prepare_kernel,
    prepare_workload=prepare_workload,
    needs_export=True,
    options=litert_session.OPTIONS,
    default=False,
)
