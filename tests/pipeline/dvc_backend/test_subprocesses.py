"""Output, events and termination of real programs and their children."""

import os
import signal
import sys
import threading
import time

import pytest

from pipeline.dvc_backend import subprocesses
from pipeline.dvc_backend.subprocesses import Program
from tests.server import ROOT, alive

WITH_US = os.environ | {"PYTHONPATH": str(ROOT)}
# Prints the id of a child that keeps the output open. Both run for a minute, and ignore SIGTERM with "deaf".
PARENT = """
import os, signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if child := os.fork():
    os.write(1, b"%d\\n" % child)
if not (child and "leaves" in sys.argv):
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Undoes `terminate_all` after each test."""
    monkeypatch.setattr(subprocesses, "_shutdown", threading.Event())


def python(code: str, *arguments: str, **options) -> Program:
    return Program([sys.executable, "-c", code, *arguments], **options)


def family(program: Program) -> list[int]:
    """The process ids of PARENT and its child."""
    return [program.pid, int(next(program.output()))]


def gone(numbers: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(map(alive, numbers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, numbers))


@pytest.mark.parametrize("printed, lines", [
    (b"hello\nyou\n", ["hello\n", "you\n"]),
    (b"a\n\nb\n", ["a\n", "\n", "b\n"]),
    ("über\n".encode(), ["über\n"]),
    (b"\xff\n", ["\ufffd\n"]),
    (b"no end", ["no end"]),
    (b"", []),
])
def test_lines(printed, lines):
    with python(f"import sys; sys.stdout.buffer.write({printed!r})") as program:
        assert list(program.output()) == lines and program.wait() == 0


def test_events_come_whole_and_before_what_is_printed_after_them():
    code = """
import os, time
file = open(os.environ["FAKEMOTION_EVENTS"], "ab", buffering=0)
for half in (b'{"kind": "a", "te', b'xt": "\\u00fc"}\\n{"kind": "b"}\\n'):
    file.write(half)
    time.sleep(0.4)
print("printed", flush=True)
time.sleep(0.4)
file.write(b'{"kind": "c"}\\n{"kind": "cut off')"""
    with python(code) as program:
        assert list(program.output()) == [{"kind": "a", "text": "ü"}, {"kind": "b"}, "printed\n", {"kind": "c"}]


def test_events_are_those_of_one_program():
    code = "from stages import events; events.emit('own', number={})"
    with python(code.format(1), environment=WITH_US) as one, python(code.format(2), environment=WITH_US) as other:
        assert list(other.output()) == [{"kind": "own", "number": 2}] and list(one.output()) == [{"kind": "own", "number": 1}]


def test_a_line_comes_when_it_is_printed():
    with python("import time; print('first', flush=True); time.sleep(60)") as program:
        assert next(program.output()) == "first\n" and alive(program.pid)
    assert gone([program.pid])


def test_its_folder_environment_errors_and_exit_code(tmp_path):
    code = "import os, sys; print(os.getcwd(), os.environ['A'], file=sys.stderr); sys.exit(7)"
    with python(code, folder=tmp_path, environment={"A": "b"}) as program:
        assert list(program.output()) == [f"{tmp_path} b\n"] and program.wait() == 7


@pytest.mark.parametrize("deaf", [(), ("deaf",)], ids=["", "deaf"])
def test_termination_includes_children_that_ignore_sigterm(monkeypatch, deaf):
    monkeypatch.setattr(subprocesses, "GRACE_SECONDS", 0.5)
    with python(PARENT, *deaf) as program:
        numbers = family(program)
        subprocesses.terminate_all()
        assert list(program.output()) == []
        assert program.wait() == -(signal.SIGKILL if deaf else signal.SIGTERM)
    assert gone(numbers)


def test_remaining_children_are_terminated(monkeypatch):
    with python(PARENT, "leaves") as program:
        numbers = family(program)
        assert list(program.output()) == [] and program.wait() == 0
    assert gone(numbers)


def test_children_of_a_killed_program_are_terminated():
    with python(PARENT) as program:
        numbers = family(program)
        os.kill(program.pid, signal.SIGKILL)
        assert list(program.output()) == [] and program.wait() == -signal.SIGKILL
    assert gone(numbers)


def test_an_error_of_the_caller_terminates_it():
    with pytest.raises(ZeroDivisionError), python(PARENT) as program:
        numbers = family(program)
        1 / 0
    assert gone(numbers)


def test_after_terminate_all_no_program_runs():
    subprocesses.terminate_all()
    with python(PARENT) as program:
        assert list(program.output()) == [] and program.wait() == -signal.SIGTERM


@pytest.mark.parametrize("code, idle_timeout, timed_out", [
    ("import time; print('a', flush=True); time.sleep(60)", 0.5, True),
    ("import time\nfor _ in range(8): print('.', end='', flush=True); time.sleep(0.15)", 1.0, False),
    ("import time; time.sleep(1)", None, False),
    ("import os, time\nfor _ in range(8): open(os.environ['FAKEMOTION_EVENTS'], 'a').write('{}\\n'); time.sleep(0.15)", 1.0, False),
])
def test_idle_timeout(code, idle_timeout, timed_out):
    with python(code) as program:
        program.idle_timeout = idle_timeout
        list(program.output())
        assert program.timed_out == timed_out and (program.wait() != 0) == timed_out


def test_idle_timeout_can_be_changed_while_the_program_runs():
    code = "import time\nfor word in 'abc': print(word, flush=True); time.sleep(1)"
    with python(code) as program:
        for line in program.output():
            program.idle_timeout = {"a\n": None, "b\n": 30.0, "c\n": None}[line]
        assert not program.timed_out and program.wait() == 0
