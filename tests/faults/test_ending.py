"""Runs that are stopped or killed: nothing continues, no partial artifact remains, and the next run continues."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from prefect.client.orchestration import PrefectClient
from pipeline.dvc_backend import dvc_client
from tests.server import Command, alive, kill

GOAL = ("stage", "pose_extraction@ava")
PLAN = ["samples", "frames", "pose_extraction"]


@pytest.fixture
def whole(project):
    """The artifacts of an uninterrupted run. All stages of the plan must be computed again."""
    project.stale(*PLAN)
    return project.artifacts()


@pytest.fixture
def at_work(project, server, whole):
    """A run in the middle of its second stage, and the process id of the stage."""
    project.order("frames@ava", "hang")
    with Command(project.folder, server, *GOAL) as run:
        yield run, run.hangs()


def goes_on(project, whole) -> None:
    """The next run computes only what is left, and the artifacts are those of an uninterrupted run."""
    (project.folder / "frames@ava.order").unlink()
    assert project.ran() == ["samples@ava"]
    project.dvc("repro", "pose_extraction@ava")
    assert project.ran() == ["frames@ava", "pose_extraction@ava"] and project.artifacts() == whole


def runs(url: str) -> list:
    async def read():
        async with PrefectClient(url) as client:
            return await client.read_flow_runs()
    return asyncio.run(read())


@pytest.mark.parametrize("number, code, message", [
    (signal.SIGINT, 130, "interrupted; finished stages are kept"),
    (signal.SIGTERM, 143, "terminated; finished stages are kept"),
], ids=["ctrl-c", "sigterm"])
def test_a_signal_terminates_the_stage_and_its_children(at_work, project, whole, number, code, message):
    run, stage = at_work
    run.process.send_signal(number)
    output = run.ends(code)
    assert message in output and "Traceback" not in output and not alive(stage)
    goes_on(project, whole)


def test_cancel_terminates_the_stage_and_no_other_starts(at_work, project, server, whole):
    """As with the button in Prefect's UI."""
    run, stage = at_work
    command = [sys.executable, "-m", "prefect", "flow-run", "cancel"]
    [name] = [one.id for one in runs(server) if one.state.is_running()]
    done = subprocess.run([*command, str(name)], env=os.environ | {"PREFECT_API_URL": server}, capture_output=True)
    assert done.returncode == 0, done.stderr
    output = run.ends(1)
    assert "cancelled; finished stages are kept" in output and "Traceback" not in output and not alive(stage)
    assert [one.state.name for one in runs(server) if one.id == name] == ["Cancelled"]
    goes_on(project, whole)


@pytest.mark.parametrize("fault", ["killed", "hangs"])
def test_a_killed_or_hanging_stage_is_retried(project, server, whole, fault):
    project.order("frames@ava", "hang once")
    with Command(project.folder, server, *GOAL, "--timeout", "0.2", "--retries", "1") as run:
        stage = run.hangs()
        if fault == "killed":
            os.kill(stage, signal.SIGKILL)
        run.ends(0)
    assert not alive(stage)
    assert project.ran() == ["samples@ava", "frames@ava", "pose_extraction@ava"] and project.artifacts() == whole


def test_the_next_run_waits_for_the_stage_of_a_killed_flow(at_work, project, server, whole):
    """The stage ends at its next line of output, because nobody reads it any more. The next run waits for that."""
    run, stage = at_work
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    assert alive(stage)
    with Command(project.folder, server, *GOAL) as second:
        second.says("waiting")
        assert alive(stage)
        (project.folder / "frames@ava.order").unlink()
        second.ends(0)
    assert project.ran() == ["samples@ava", "frames@ava", "pose_extraction@ava"] and project.artifacts() == whole


def test_the_next_run_continues_after_a_crash_of_the_machine(at_work, project, whole):
    run, stage = at_work
    os.kill(run.process.pid, signal.SIGKILL)
    os.killpg(os.getpgid(stage), signal.SIGKILL)
    kill(run.process)
    assert f"artifacts/ava/.frames.{stage}.mkv" in project.artifacts()  # a partial file
    (project.folder / "frames@ava.order").unlink()
    assert [dvc_client.reproduce(f"{one}@ava") for one in PLAN] == [False, True, True]
    assert project.artifacts() == whole


def test_two_runs_at_once_compute_each_stage_once(at_work, project, server, whole):
    run, _ = at_work
    with Command(project.folder, server, *GOAL) as second:
        second.says("waiting")
        (project.folder / "frames@ava.order").unlink()
        run.ends(0)
        second.ends(0)
    assert sorted(project.ran()) == sorted(f"{stage}@ava" for stage in PLAN) and project.artifacts() == whole
