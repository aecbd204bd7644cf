"""Trainings on a worker on another machine, with real processes: a Prefect server, a worker, an S3 server, and two
copies of the project."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from prefect.states import Cancelling, Crashed

from pipeline.workers import transfer
from tests.faults.conftest import PACE, TRAININGS, Machine
from tests.miniature import agreed
from tests.server import alive, content, kill, wait_for

WORK = ["prefect", "worker", "start", "--pool", "gpu"]
RUN = ["pipeline", "run", "ava", "--from", "ben", "--gpu-pool", "gpu"]
TRAIN = ["pipeline", "stage", "generator_training@ava", "--gpu-pool", "gpu"]


def ended(process: subprocess.Popen) -> int:
    return process.wait(120)


def test_a_worker_trains_and_the_caller_runs_the_other_stages(caller, worker):
    before = caller.artifacts()
    with worker.runs(*WORK), caller.runs(*RUN) as run:
        assert ended(run) == 0, caller.output + worker.output
    assert worker.ran() == TRAININGS and not set(caller.ran()) & set(TRAININGS)
    assert caller.artifacts() == before
    assert "generator_training@ava runs on a worker: http" in caller.output
    assert "artifacts/ava_from_ben/video.mp4" in caller.output
    with caller.runs(*RUN) as again:
        assert ended(again) == 0
    assert "on a worker" not in caller.output  # nothing to do, which needs no worker


def test_a_worker_rejects_other_code_and_lists_the_differences(caller, worker, given):
    worker.stale("generator_training")
    worker.change(subjects={"ava": {"consent": agreed("another")}})
    with worker.runs(*WORK), caller.runs(*TRAIN, "--retries", "2") as run:
        assert ended(run) == 1
    shown = caller.output
    assert "differ from the caller's" in shown and "\n  stages/generator_training.py\n" in shown
    assert 'subjects.ava.consent: {"who": "Ana"' in shown and ', not "synthetic"' in shown
    assert len(given()) == 1 and worker.ran() == []  # rejected once, without a retry


def test_after_a_killed_caller_the_worker_continues(caller, worker, given):
    order = worker.order("generator_training@ava", "hang")
    with worker.runs(*WORK):
        with caller.runs(*TRAIN) as run:
            wait_for(lambda: content(worker.folder / "hangs"))
            kill(run)
        with caller.runs(*TRAIN) as run:
            wait_for(lambda: "on a worker" in caller.output)
            order.unlink()
            assert ended(run) == 0, caller.output + worker.output
    assert worker.ran() == ["generator_training@ava"] and len(given()) == 1


def test_two_callers_share_one_training(caller, worker, given, tmp_path):
    other = Machine(shutil.copytree(caller.folder, tmp_path / "other", symlinks=True), caller.environment["PREFECT_API_URL"])
    order = worker.order("generator_training@ava", "hang")
    with worker.runs(*WORK), caller.runs(*TRAIN) as run, other.runs(*TRAIN) as second:
        wait_for(lambda: "on a worker" in caller.output and "on a worker" in other.output)
        order.unlink()
        assert [ended(run), ended(second)] == [0, 0], caller.output + other.output
    assert worker.ran() == ["generator_training@ava"] and len(given()) == 1


def test_a_killed_worker_is_replaced(caller, worker, client, given):
    """The machine is gone with all its programs. Prefect's automation, or a user, sets the run to Crashed."""
    order = worker.order("generator_training@ava", "hang")
    with caller.runs(*TRAIN, "--retries", "1") as run:
        with worker.runs(*WORK) as machine:
            stage = int(wait_for(lambda: content(worker.folder / "hangs")))
            worker.power_off()
            machine.wait(20)
            wait_for(lambda: not alive(stage), name="the end of the stage")
        order.unlink()
        client.set_flow_run_state(given()[0].id, Crashed(message="no sign of life"), force=True)
        with worker.runs(*WORK):
            assert ended(run) == 0, caller.output + worker.output
    assert worker.ran() == ["generator_training@ava"] and len(given()) == 2


def test_an_outage_of_the_remote_for_a_minute_is_survived(caller, worker, s3):
    """A minute at the pace of these tests; the attempts themselves take as long as ever."""
    assert sum(transfer.RETRY_DELAYS) > 60
    order = worker.order("generator_training@ava", "hang")
    with worker.runs(*WORK), caller.runs(*TRAIN) as run:
        wait_for(lambda: content(worker.folder / "hangs"))
        s3.stop()
        order.unlink()
        time.sleep(60 * PACE)
        wait_for(lambda: "Retry 3/" in worker.output, 60 * (1 - PACE), "the third attempt")
        s3.start()
        assert ended(run) == 0, caller.output + worker.output
    assert worker.ran() == ["generator_training@ava"]


def ctrl_c(run, client, order, page):
    run.send_signal(signal.SIGINT)


def by_the_server(run, client, order, page):
    client.set_flow_run_state(order.id, Cancelling())


def by_the_button(run, client, order, page):
    page = page()
    page.goto(str(client.api_url).replace("/api/", f"/runs/flow-run/{order.id}"))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Confirm").click()


@pytest.mark.parametrize("cancel", [ctrl_c, by_the_server, by_the_button])
def test_cancelling_terminates_the_stage_on_the_worker(caller, worker, client, given, cancel, request):
    worker.order("generator_training@ava", "hang")
    with worker.runs(*WORK), caller.runs(*TRAIN) as run:
        stage = int(wait_for(lambda: content(worker.folder / "hangs")))
        cancel(run, client, given()[0], lambda: request.getfixturevalue("page"))
        assert ended(run) != 0
        wait_for(lambda: not alive(stage), name="the end of the stage")
        wait_for(lambda: given()[0].state.is_cancelled(), name="the state")
    assert worker.ran() == []


def test_a_bare_environment_is_enough_for_a_worker(caller, worker, given, client):
    """What a Kubernetes pod gets: a URL, a folder and the id of the run."""
    with caller.runs(*TRAIN) as run:
        order = wait_for(given)[0]
        names = ["PREFECT_API_URL", "FAKEMOTION", "DVC_SITE_CACHE_DIR", "PREFECT_HOME"]
        bare = {name: worker.environment[name] for name in names}
        command = [sys.executable, "-m", "prefect", "flow-run", "execute", str(order.id)]
        done = subprocess.run(command, cwd="/", env=bare, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ended(run) == 0, caller.output
    assert worker.ran() == ["generator_training@ava"]
    assert json.loads((caller.folder / "artifacts/ava/generator").read_text())["stage"] == "generator_training"
