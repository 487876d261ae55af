import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hwbench import codec
from hwbench.child import Child, ChildFailed, environment
from hwbench.probed import RuntimeFacts
from hwbench.protocol import Probe
from tests import fakes

ROOT = Path(__file__).parent.parent

# A runtime that is found beside the real ones and does what its name says.
MISCHIEF = """
import os, sys, time
from hwbench.probed import RuntimeFacts
from hwbench.runtime import Runtime

def probe():
    print("a library prints")
    os.write(1, b"a C library prints too\\n")
    os.system("echo and a process that it starts")
    ACT
    return RuntimeFacts(name="mischief", devices=("cpu",))

def never(*_):
    raise NotImplementedError

RUNTIME = Runtime(
    name="mischief", dialect="torch", library="os", remedy="", summary="", phases=(),
    supports=never, probe=probe, configure=never, prepare_kernel=never, prepare_workload=never,
)
"""
# Puts the folder of that file on the package's path in every process that inherits PYTHONPATH.
SITE = """
import os, sys
if "hwbench.worker" in " ".join(sys.orig_argv):
    import hwbench.runtimes
    hwbench.runtimes.__path__.append(os.environ["MISCHIEF"])
"""


def _mischief(folder: Path, act: str) -> dict[str, str]:
    """Write the files and return the environment in which a child finds them."""
    (folder / "runtimes").mkdir()
    (folder / "runtimes" / "mischief.py").write_text(MISCHIEF.replace("ACT", act))
    (folder / "sitecustomize.py").write_text(SITE)
    return {"MISCHIEF": str(folder / "runtimes"), "PYTHONPATH": f"{ROOT}:{folder}"}


@pytest.fixture
def child() -> Iterator[Child]:
    started = Child(3, 1, {})
    yield started
    started.end()


@pytest.fixture
def mischievous(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Start a child in which the runtime `mischief` does a line of Python when it is probed."""
    children = []

    def start(act: str) -> Child:
        children.append(Child(0, 1, _mischief(tmp_path, act)))
        return children[-1]

    yield start
    for child in children:
        child.end()


def _soon(true: Callable[[], bool], limit_s: float = 20.0) -> bool:
    """Poll until something is so; the limit only ends a test that has failed."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_child_answers_with_facts(child: Child) -> None:
    reply = child.ask("probe", Probe(runtime="onnxruntime"), 60.0)
    assert reply.ok, reply.reason
    facts = codec.decode(RuntimeFacts, reply.result)
    assert facts.name == "onnxruntime"
    assert "cpu" in facts.devices
    assert child.number == 3


def test_a_failure_is_a_reply_and_the_child_lives_on(child: Child) -> None:
    for _ in range(2):
        reply = child.ask("probe", Probe(runtime="no-such"), 60.0)
        assert not reply.ok
        assert "no runtime is named 'no-such'" in (reply.reason or "")
    assert not fakes.gone(child.pid)


def test_nothing_that_a_library_prints_reaches_the_protocol(
    mischievous: Callable[[str], Child],
) -> None:
    child = mischievous("pass")
    for _ in range(2):
        reply = child.ask("probe", Probe(runtime="mischief"), 60.0)
        assert reply.ok, reply.reason
        assert reply.result["name"] == "mischief"


def test_a_child_killed_in_the_middle_is_a_crash_with_its_signal(
    mischievous: Callable[[str], Child],
) -> None:
    child = mischievous("os.kill(os.getpid(), 9)")
    with pytest.raises(ChildFailed, match=r"signal 9 \(SIGKILL\), perhaps .* memory") as told:
        child.ask("probe", Probe(runtime="mischief"), 60.0)
    assert told.value.code == "crashed"
    assert fakes.gone(child.pid)


def test_a_crash_says_the_last_line_that_was_written(mischievous: Callable[[str], Child]) -> None:
    coloured = r"\x1b[1;31mfatal:\x1b[m the\tcache\a is broken\n\x1b[0m\n"
    child = mischievous(f"sys.stderr.write('{coloured}'); os._exit(7)")
    with pytest.raises(ChildFailed) as told:
        child.ask("probe", Probe(runtime="mischief"), 60.0)
    assert str(told.value) == (
        "the process ended with exit status 7; its last line: fatal: the cache is broken"
    )


def test_a_child_that_was_killed_before_it_is_asked_is_a_crash(child: Child) -> None:
    assert not child.ask("probe", Probe(runtime="no-such"), 60.0).ok
    os.kill(child.pid, signal.SIGSEGV)
    with pytest.raises(ChildFailed, match="SIGSEGV") as told:
        child.ask("probe", Probe(runtime="no-such"), 60.0)
    assert told.value.code == "crashed"


def test_a_child_that_does_not_answer_in_time_is_ended(
    mischievous: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwbench.child.TICK_S", 0.05)
    child, ticks = mischievous("time.sleep(1000)"), []
    with pytest.raises(ChildFailed, match="no answer within 1 s") as told:
        child.ask("probe", Probe(runtime="mischief"), 0.6, lambda: ticks.append(1))
    assert told.value.code == "hung"
    assert ticks
    assert fakes.gone(child.pid)


def test_what_a_child_started_ends_with_it(mischievous: Callable[[str], Child]) -> None:
    child = mischievous(
        "import subprocess; p = subprocess.Popen(['sleep', '1000']); print(p.pid);"
        " return RuntimeFacts(name=str(p.pid))"
    )
    reply = child.ask("probe", Probe(runtime="mischief"), 60.0)
    assert reply.ok, reply.reason
    grandchild = int(reply.result["name"])
    assert not fakes.gone(grandchild)
    child.end()
    assert _soon(lambda: fakes.gone(grandchild))


def test_ending_twice_does_no_harm(child: Child) -> None:
    child.end()
    child.end()
    assert fakes.gone(child.pid)


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(child: Child) -> None:
    assert not child.ask("probe", Probe(runtime="no-such"), 60.0).ok  # it is up
    assert os.getsid(child.pid) != os.getsid(0)
    os.kill(child.pid, signal.SIGINT)
    assert not child.ask("probe", Probe(runtime="no-such"), 60.0).ok


PARENT = """
import sys
from hwbench.child import Child
from hwbench.protocol import Probe
child = Child(0, 1, {})
child.ask("probe", Probe(runtime="no-such"), 60.0)
print(child.pid, flush=True)
child.ask("probe", Probe(runtime=sys.argv[1]), 60.0)
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_children_die_when_their_parent_is_killed(tmp_path: Path, state: str) -> None:
    began = tmp_path / "began"
    extra = _mischief(tmp_path, f"open({str(began)!r}, 'w').close(); time.sleep(1000)")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "mischief" if state == "busy" else "no-such"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **extra},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert state == "idle" or _soon(began.exists)
        assert not fakes.gone(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert _soon(lambda: fakes.gone(pid))


def test_a_child_knows_its_threads_and_finds_this_package() -> None:
    made = environment(3, {"EXTRA": "1"})
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert made[name] == "3"
    assert made["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    assert made["EXTRA"] == "1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere end of input ends it")
def test_a_worker_whose_parent_died_before_it_could_ask_ends_at_once() -> None:
    command = [sys.executable, "-m", "hwbench.worker", "0"]  # not the process that started it
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as worker:
        assert worker.wait(60) == 1
