"""DVC's remotes, for real: what one machine computed another takes, over a folder or an S3 server that goes away."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project

WHO = ["-c", "user.name=a", "-c", "user.email=a@b"]


def clone(project: Project, folder: Path, lock: bool, remote) -> Project:
    """Another machine: what git holds of the project, and the remote."""
    names = [".", *([] if lock else [":!dvc.lock"])]
    for command in (["add", *names], [*WHO, "commit", "-qm", "all"], ["clone", "-q", ".", str(folder)]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    remote.configure(folder)
    assert (folder / "dvc.lock").exists() == lock and not list((folder / "artifacts").rglob("*.mkv"))
    return Project(folder)


@pytest.mark.parametrize("lock, commands", [
    (True, [["pull", "--run-cache"]]),
    (False, [["repro", "--pull", "--single-item", f"{stage}@ava"] for stage in ("samples", "frames", "pose_extraction")]),
], ids=["all at once, by dvc.lock", "one by one, without"])
def test_a_fresh_clone_takes_the_results_and_computes_nothing(project, tmp_path, remote, lock, commands):
    remote.configure(project.folder)
    project.dvc("push", "--run-cache")
    other, made = clone(project, tmp_path / "other", lock, remote), project.artifacts()
    for command in commands:
        other.dvc(*command)
    taken = other.artifacts()
    assert taken == {path: made[path] for path in taken}
    assert set(taken) == set(made) if lock else {"artifacts/ava/poses.parquet", "artifacts/ava/frames.mkv"} < set(taken)
    assert other.ran() == []


def test_what_one_machine_computes_anew_the_other_takes(project, tmp_path, remote):
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
