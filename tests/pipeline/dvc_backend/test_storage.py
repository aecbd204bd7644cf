"""Real DVC remotes: one machine pulls what another has computed, from a folder or from an S3 server with outages."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.dvc_backend import dvc_client
from tests.miniature import Project

UPSTREAM = ("samples", "frames", "pose_extraction")
WHO = ["-c", "user.name=a", "-c", "user.email=a@b"]


def clone(project: Project, folder: Path, lock: bool, remote) -> Project:
    """Another machine: a git clone of the project with the same remote."""
    names = [".", *([] if lock else [":!dvc.lock"])]
    for command in (["add", *names], [*WHO, "commit", "-qm", "all"], ["clone", "-q", ".", str(folder)]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    remote.configure(folder)
    assert (folder / "dvc.lock").exists() == lock and not list((folder / "artifacts").rglob("*.mkv"))
    return Project(folder)


@pytest.mark.parametrize("lock, commands", [
    (True, [["pull", "--run-cache"]]),
    (False, [["repro", "--pull", "--single-item", f"{stage}@ava"] for stage in UPSTREAM]),
], ids=["all at once, by dvc.lock", "one by one, without"])
def test_a_fresh_clone_pulls_the_results(project, tmp_path, remote, lock, commands):
    remote.configure(project.folder)
    project.dvc("push", "--run-cache")
    other, made = clone(project, tmp_path / "other", lock, remote), project.artifacts()
    for command in commands:
        other.dvc(*command)
    taken = other.artifacts()
    assert taken == {path: made[path] for path in taken}
    assert set(taken) == set(made) if lock else {"artifacts/ava/poses.parquet", "artifacts/ava/frames.mkv"} < set(taken)
    assert other.ran() == []


def test_a_new_result_is_pulled_by_another_machine(project, tmp_path, remote):
    remote.configure(project.folder)
    project.dvc("push", "--run-cache")
    project.change(videos={"ben": {"start": 0.25}})
    other = clone(project, tmp_path / "other", False, remote)
    other.dvc("repro", "--pull", "frames@ben")
    other.dvc("push", "--run-cache", "frames@ben")
    assert other.ran() == ["frames@ben"]
    project.dvc("repro", "--pull", "--single-item", "frames@ben")
    assert project.ran() == []
    assert other.artifacts().items() <= project.artifacts().items()


def test_a_push_survives_a_short_outage(project, tmp_path, s3, s3_remote):
    """botocore retries; the environment sets how often."""
    s3_remote.configure(project.folder)
    patient = dict(os.environ, AWS_MAX_ATTEMPTS="10", AWS_RETRY_MODE="standard")
    push = subprocess.Popen([sys.executable, "-m", "dvc", "push", "--run-cache"], env=patient, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    s3.wait_for(8)
    s3.stop()
    before = len(s3.requests)
    time.sleep(2)  # refused connections are not in `requests`
    assert push.poll() is None and len(s3.requests) <= before + 1
    s3.start()
    output, _ = push.communicate(timeout=120)
    assert push.returncode == 0 and "failed to transfer" not in output
    other = clone(project, tmp_path / "other", True, s3_remote)
    other.dvc("pull", "--run-cache")
    assert other.artifacts() == project.artifacts() and other.ran() == []


def test_a_failed_push_leaves_no_partial_result(project, tmp_path, s3, s3_remote, monkeypatch):
    """The run cache is uploaded first. An entry without its files counts as no result."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_remote.configure(project.folder)
    s3.breaks = lambda request: "503 Slow Down" if request.startswith("PUT") and "/files/" in request else ""
    with pytest.raises(dvc_client.StageFailed, match="failed to push|failed to transfer"):
        dvc_client.push([], "samples@ava", run_cache=True)
    other = clone(project, tmp_path / "other", False, s3_remote)
    s3.breaks = lambda request: ""
    monkeypatch.chdir(other.folder)
    with pytest.raises(dvc_client.StageFailed):
        dvc_client.restore("samples@ava", pull=True)
    assert other.artifacts() == {} and other.ran() == []
    monkeypatch.chdir(project.folder)
    dvc_client.push([], "samples@ava", run_cache=True)
    monkeypatch.chdir(other.folder)
    dvc_client.restore("samples@ava", pull=True)
    assert other.ran() == [] and other.artifacts().items() <= project.artifacts().items() and other.artifacts()


def test_a_push_that_loses_a_run_cache_entry_fails(project, s3, s3_remote, monkeypatch):
    """DVC itself ends with exit code 0 if only entries of the run cache were not uploaded."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_remote.configure(project.folder)
    s3.breaks = lambda request: "400 Bad Request" if request.startswith("PUT") and "/runs/" in request else ""
    with pytest.raises(dvc_client.StageFailed, match="failed to transfer"):
        dvc_client.push([], "samples@ava", run_cache=True)
