"""Events are written only if the environment variable is set."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages import events
from stages.progress import Progress, format_bar, format_counters, percent


ROOT = Path(__file__).parents[2]


@pytest.fixture
def listened(tmp_path, monkeypatch):
    """Returns the events written so far."""
    file = tmp_path / "events"
    monkeypatch.setenv(events.VARIABLE, str(file))
    return lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_without_events_output_goes_to_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(events.VARIABLE, raising=False)
    events.emit("begun", address="frames@ava")
    events.report_refusal("frames@ava", ValueError("nobody is in this video"))
    assert list(Progress(range(3), "frames", unit="frame")) == [0, 1, 2]
    printed = capsys.readouterr()
    assert "frames@ava: nobody is in this video" in printed.err and "frames: 100%" in printed.err and printed.out == ""


def test_refusals_are_events_and_not_printed(listened, capsys):
    events.report_refusal("frames@ava", ValueError("zwei\nZeilen: ü"))
    assert listened() == [{"kind": "refused", "address": "frames@ava", "message": "zwei\nZeilen: ü"}]
    assert capsys.readouterr() == ("", "")


def test_events_of_several_threads_do_not_mix(listened):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: events.emit("line", number=i, text="x" * 3000), range(200)))
    assert sorted(event["number"] for event in listened()) == list(range(200))


def test_a_program_ends_if_the_reader_of_its_output_was_killed(tmp_path):
    code = ("import time\nfrom stages.progress import Progress\n"
            "for i in Progress(range(600), 'frames'): time.sleep(0.1)")
    environment = os.environ | {events.VARIABLE: str(tmp_path / "events"), "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / "events").exists():
        assert program.poll() is None
        time.sleep(0.05)
    program.stdout.close()
    assert "BrokenPipeError" in program.communicate(timeout=20)[1].decode() and program.returncode == 1


@pytest.mark.parametrize("total", [4, None])
def test_progress_is_events_and_not_drawn(listened, capsys, total):
    loop = Progress((i for i in range(4)), "crops", total, unit="batch")
    assert list(loop) == [0, 1, 2, 3]
    first, *_, last = listened()
    assert capsys.readouterr() == ("", "")
    assert (first["kind"], first["what"], first["done"], first["total"], first["unit"]) == (
        "progress", "crops", 0, total, "batch")
    assert last["done"] == 4 and percent(last) == (100 if total else None)


def test_a_resumed_loop_and_its_note(listened):
    loop = Progress(total=20, initial=10, desc="generator_training", unit="step")
    loop.set_postfix({"l1": "0.03"}, refresh=False)
    loop.update(5)
    loop.close()
    last = listened()[-1] | {"elapsed": 60.0, "rate": 2.0}
    assert percent(last) == 75 and format_counters(last) == "15/20 [01:00<00:02,  2.00step/s, l1=0.03]"
    assert format_bar(last, 80).startswith("generator_training:  75%|") and len(format_bar(last, 80)) == 80


def test_an_unknown_total():
    event = {"kind": "progress", "what": "looking through", "done": 25, "total": None, "unit": "frame", "elapsed": 5.0,
             "rate": 5.0, "note": None}
    assert format_counters(event) == "25frame [00:05,  5.00frame/s]"
    assert format_bar(event, 60) == "looking through: 25frame [00:05,  5.00frame/s]"
