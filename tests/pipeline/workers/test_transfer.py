"""The inputs that a worker gets, and those that it rejects."""

import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.dvc_backend import dvc_client
from pipeline.workers import transfer, worker_client
from stages import InputError, params

ADDRESS = "local_gan_training@ava"


@pytest.fixture
def offered(project, folder_remote) -> str:
    folder_remote.configure(project.folder)
    return transfer.push_inputs(params.load(), ADDRESS)


def test_without_a_remote_the_error_says_how_to_add_one(project):
    with pytest.raises(InputError, match="dvc remote add --default --local storage s3://"):
        transfer.require_remote()


def test_without_consent_nothing_is_pushed(project, folder_remote):
    folder_remote.configure(project.folder)
    project.change(subjects={"ava": {"consent": None}})
    with pytest.raises(dvc_client.StageFailed, match="local_gan_training@ava: .*subjects.ava has no consent") as error:
        worker_client.reproduce(ADDRESS, "a deployment", 1)
    assert error.value.permanent and not Path(folder_remote.url).exists()


def test_pushed_inputs_are_pulled_unchanged(offered, project):
    transfer.require_remote()
    before = project.artifacts()
    transfer.check_inputs(params.load(), ADDRESS, offered)
    paths = [out["path"] for out in yaml.safe_load(offered)["outs"]]
    for path in paths:
        (project.folder / path).write_text("something older")
    transfer.pull_inputs(ADDRESS, offered)
    assert project.artifacts() == before and "artifacts/ava/generator" in paths


@pytest.mark.parametrize("change", [
    lambda outs: outs[0].update(path="../../.ssh/authorized_keys"),
    lambda outs: outs[0].update(path="stages/fusion.py"),
    lambda outs: outs[0].update(remote="elsewhere"),
    lambda outs: outs.pop(),
    lambda outs: outs.append(dict(outs[0], path="artifacts/ben/frames.mkv")),
], ids=["outside", "code", "another remote", "too little", "too much"])
def test_other_inputs_are_rejected(offered, change):
    content = yaml.safe_load(offered)
    change(content["outs"])
    with pytest.raises(InputError, match="local_gan_training@ava: got the inputs"):
        transfer.check_inputs(params.load(), ADDRESS, yaml.safe_dump(content))


@pytest.mark.parametrize("answer, worth_retrying", [
    ("403 Forbidden", False), ("401 Unauthorized", False), ("503 Slow Down", True), ("500 Internal Server Error", True)])
@pytest.mark.parametrize("does", ["push", "pull"])
def test_a_remote_that_denies_access_is_not_retried(project, s3, s3_remote, monkeypatch, answer, worth_retrying, does):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_remote.configure(project.folder)
    offered = transfer.push_inputs(params.load(), ADDRESS)
    shutil.rmtree(".dvc/cache/files/md5")
    s3.breaks = lambda request: answer
    with pytest.raises(dvc_client.StageFailed) as error:
        transfer.push_result(ADDRESS) if does == "push" else transfer.pull_inputs(ADDRESS, offered)
    assert isinstance(error.value, transfer.Unreachable) == worth_retrying
    assert error.value.permanent != worth_retrying


@pytest.mark.parametrize("printed, worth_retrying", [
    ("ERROR: unexpected error - [Errno 28] No space left on device: '/dvc/files'", False),
    ("ERROR: unexpected error - [Errno 13] Permission denied: '/dvc/files'", False),
    ("ERROR: unexpected error - Unable to locate credentials", False),
    ("ERROR: failed to connect to s3 (bucket/files) - [Errno 111] Connect call failed", True),
])
def test_permanent_errors_are_not_retried(printed, worth_retrying):
    def work() -> None:
        raise dvc_client._failure(ADDRESS, printed, [])

    with pytest.raises(dvc_client.StageFailed, match=f"{ADDRESS} failed: ") as error:
        transfer._with_remote(work)
    assert isinstance(error.value, transfer.Unreachable) == worth_retrying
