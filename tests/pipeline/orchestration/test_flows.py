"""The flows on a real Prefect server. One test runs the real DVC; the others replace it."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
import pipeline  # noqa: F401  before Prefect: switches its analytics off
from prefect import Flow
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL

from pipeline import graph
from pipeline.__main__ import main
from pipeline.dvc_backend import dvc_client
from pipeline.orchestration import flows, tasks
from stages import InputError, layout, params

DEPLOY = Path(__file__).parents[3] / "pipeline/workers/deploy.yaml"


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The addresses that DVC is asked to run, in order. No stage runs, and none is up to date."""
    addresses = []
    monkeypatch.setattr(dvc_client, "pending", lambda plan: plan)
    monkeypatch.setattr(dvc_client, "reproduce", lambda address, **_: addresses.append(address) or True)
    return addresses


def test_flow_and_dvc_share_one_cache_and_give_the_same(prefect, project, capfd):
    before = project.artifacts()
    shutil.rmtree("artifacts")
    flows.stage("frames@ava")
    shown = capfd.readouterr().out
    assert project.ran() == [] and "frames@ava is up to date" in shown
    assert project.artifacts() == {path: before[path] for path in project.artifacts()} != {}

    project.stale("frames")
    flows.stage("frames@ava")
    shown = capfd.readouterr().out
    assert "1 of 2 stages are up to date" in shown and "frames@ava done in" in shown
    project.dvc("repro")
    assert project.ran() == ["frames@ava", "frames@ben"]
    assert project.artifacts() == before


def test_copy_motion_runs_the_plan_in_order_and_prints_the_results(prefect, project, asked, capfd):
    assert flows.copy_motion("ava", "ben") == ["ava_from_ben"]
    assert asked == list(graph.plan(params.load(), ["pose_coverage@ava_from_ben", "report@ava_from_ben"]))
    shown = capfd.readouterr().out
    for line in ("artifacts/ava_from_ben/video.mp4", "artifacts/ava_from_ben/report.html", "26.12 dB"):
        assert line in shown


def test_several_sources_are_one_flow_and_no_stage_runs_twice(prefect, project, asked):
    itself = dict(target="ava", source="ava", preset="demo", truth="artifacts/samples/ava.mp4")
    project.change(transfers={"ava_from_ava": itself})
    shutil.copytree("artifacts/ava_from_ben", "artifacts/ava_from_ava")
    assert flows.copy_motion("ava", ["ben", "ava"], jobs=2) == ["ava_from_ben", "ava_from_ava"]
    assert len(asked) == len(set(asked))
    assert {"report@ava_from_ben", "report@ava_from_ava"} <= set(asked)


def test_all_transfers_are_one_flow(prefect, project, asked):
    itself = dict(target="ben", source="ben", preset="demo", truth="artifacts/samples/ben.mp4")
    project.change(transfers={"ben_from_ben": itself})
    shutil.copytree("artifacts/ava_from_ben", "artifacts/ben_from_ben")
    assert flows.copy_all(jobs=2) == ["ava_from_ben", "ben_from_ben"]
    assert set(asked) == set(graph.plan(params.load(), ["report@ava_from_ben", "report@ben_from_ben"]))


@pytest.mark.parametrize("flow, given", [
    (flows.copy_motion, ("ava", "ben")), (flows.copy_all, ()), (flows.stage, ("background_inpainting@ava",))])
def test_a_flow_of_a_deployment_requires_consent(project, asked, flow, given):
    project.change(subjects={"ava": {"consent": None}})
    with pytest.raises(InputError, match="subjects.ava has no consent"):
        flow.fn(*given)
    assert asked == []


@pytest.mark.parametrize("arguments", [["ava"], ["--all", "ava", "--from", "ben"], [], ["--from", "ben"]])
def test_run_needs_a_target_and_a_source_or_all(monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["pipeline", "run", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert "either a target and --from, or --all" in capsys.readouterr().err


def test_independent_stages_run_in_parallel(prefect, project, monkeypatch):
    meeting = threading.Barrier(2, timeout=20)
    monkeypatch.setattr(dvc_client, "reproduce", lambda address, **_: meeting.wait() is not None)
    Flow(flows.run_plan, name="two")({"samples@ava": [], "samples@ben": []}, jobs=2)


@pytest.mark.parametrize("refused, retries, attempts", [(False, 0, 1), (False, 2, 3), (True, 2, 1)])
def test_a_failure_stops_its_dependents_and_is_retried_unless_permanent(
    prefect, project, monkeypatch, refused, retries, attempts
):
    asked = []

    def reproduce(address, **_):
        asked.append(address)
        if address == "frames@ava":
            raise dvc_client.StageFailed("frames@ava: no person", refused)
        return True

    monkeypatch.setattr(dvc_client, "reproduce", reproduce)
    monkeypatch.setattr(dvc_client, "pending", lambda plan: plan)
    with pytest.raises(dvc_client.StageFailed, match="frames@ava: no person"):
        flows.stage("pose_extraction@ava", retries=retries)
    assert asked == ["samples@ava"] + ["frames@ava"] * attempts


def test_one_task_per_stage_without_a_result_cache():
    assert list(tasks.TASKS) == list(layout.KINDS)
    assert all(task.cache_policy is NO_CACHE and task.name == stage for stage, task in tasks.TASKS.items())


def test_deployments_can_be_made(prefect, tmp_path):
    """Prefect's own program creates them from deploy.yaml, in the pools that the file names."""
    entries = yaml.safe_load(DEPLOY.read_text())["deployments"]
    wanted = {(entry["name"], entry["work_pool"]["name"]) for entry in entries}
    assert {pool for _, pool in wanted} == {"cpu", "gpu"}
    with get_client(sync_client=True) as client:
        for pool in ("cpu", "gpu"):
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(DEPLOY), "--all"]
        environment = dict(os.environ, PREFECT_API_URL=PREFECT_API_URL.value(), PREFECT_HOME=str(tmp_path))
        done = subprocess.run(command, cwd=DEPLOY.parents[2], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        made = {(deployment.name, deployment.work_pool_name) for deployment in client.read_deployments()}
    assert made == wanted
