"""Damage to DVC's files and cache, repaired with the real DVC."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.dvc_backend import dvc_client, repair

POSES = Path("artifacts/ava/poses.parquet")


@pytest.fixture(autouse=True)
def first():
    """Each test starts like a new process, with an unverified cache."""
    dvc_client._verify_cache_once.cache_clear()


def cached(path: Path) -> Path:
    """The path of an artifact in DVC's cache."""
    found = re.search(rf"path: {path}\n +hash: md5\n +md5: (\w\w)(\S+)", Path("dvc.lock").read_text())
    return Path(".dvc/cache/files/md5", *found.groups())


def damage(file: Path, what: str) -> None:
    """Changes the content of a file but not its size, time or mode."""
    info, content = file.stat(), file.read_bytes()
    file.chmod(0o644)
    file.write_bytes({"a bit": bytes([content[0] ^ 1]) + content[1:], "truncated": content[:20], "empty": b""}[what])
    os.utime(file, ns=(info.st_atime_ns, info.st_mtime_ns))
    file.chmod(stat.S_IMODE(info.st_mode))


@pytest.mark.parametrize("what, ours", [("a bit", True), ("truncated", False), ("empty", False)])
def test_a_damaged_cache_file_is_recomputed(project, what, ours):
    before = project.artifacts()
    if ours:  # our dvc_client has put it into the cache; otherwise DVC alone did
        project.stale("pose_extraction")
        assert dvc_client.reproduce("pose_extraction@ava") is True
    project.ran()
    POSES.unlink()
    damage(cached(POSES), what)
    assert dvc_client.reproduce("pose_extraction@ava") is True
    assert project.ran() == ["pose_extraction@ava"] and project.artifacts() == before
    POSES.unlink()
    assert dvc_client.reproduce("pose_extraction@ava") is False and project.artifacts() == before  # repaired


def test_a_restored_file_is_verified_again(project):
    before = project.artifacts()
    for ran in ([], ["pose_extraction@ava"]):
        POSES.unlink()
        dvc_client.reproduce("pose_extraction@ava")
        assert project.ran() == ran
        damage(cached(POSES), "a bit")
    assert project.artifacts() == before


def test_a_cache_in_another_folder_is_verified_too(project, tmp_path):
    project.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    Path(".dvc/cache").rename(tmp_path / "cache")
    repair.force_verification(Path())
    [file] = tmp_path.glob(f"cache/files/md5/{'/'.join(cached(POSES).parts[-2:])}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


@pytest.mark.parametrize("end", ["retargeting@ava_from_ben:\n", "artifacts/ava/poses.parquet\n      hash: md5\n",
                                 "artifacts/ava/poses.parquet\n      hash: md5\n      md5: ab"])
def test_a_half_written_dvc_lock_causes_no_rerun(project, end):
    """Whether DVC can read the rest of it or not."""
    before, (kept, *_) = project.artifacts(), Path("dvc.lock").read_text().partition(end.removesuffix("ab"))
    Path("dvc.lock").write_text(kept + end)
    assert dvc_client.reproduce("pose_extraction@ava") is False
    project.dvc("repro")
    assert project.ran() == [] and project.artifacts() == before


def test_a_corrupt_dvc_lock_causes_no_rerun(project):
    Path("dvc.lock").write_bytes(b"\xff\x00 nothing")
    assert dvc_client.reproduce("pose_extraction@ava") is False and project.ran() == []


@pytest.mark.parametrize("notes", ["", '{"wri', "[]", '{"write": {"a": 3}}'])
def test_an_unreadable_rwlock_is_recreated(project, notes):
    Path(".dvc/tmp/rwlock").write_text(notes)
    assert dvc_client.reproduce("pose_extraction@ava") is False


def test_ended_processes_do_not_block(project):
    """Their ids may belong to other programs by now, or they may be zombies."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    zombie = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    try:
        reads = [{"pid": zombie.pid, "cmd": "dvc repro"}]
        notes = {"write": {str(POSES.resolve()): {"pid": other.pid, "cmd": "dvc repro"}},
                 "read": {str(POSES.resolve()): reads}}
        Path(".dvc/tmp/rwlock").write_text(json.dumps(notes))
        assert dvc_client.reproduce("pose_extraction@ava") is False
        assert json.loads(Path(".dvc/tmp/rwlock").read_text()) == {}
    finally:
        other.kill()
        other.wait()
        zombie.wait()


@pytest.mark.subprocesses
def test_a_running_dvc_is_waited_for(project, capsys):
    """Until it has ended, whatever it does."""
    folder = Path("dvc")
    folder.mkdir()
    (folder / "__main__.py").write_text("import sys; sys.stdin.read()")
    worker = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], stdin=subprocess.PIPE)
    notes = {"write": {str(POSES.resolve()): {"pid": worker.pid, "cmd": "dvc repro"}}, "read": {}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(notes))
    asked = []

    def sleep(_):
        asked.append(worker.poll())
        if len(asked) == 3:
            worker.communicate()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repair.time, "sleep", sleep)
        output = f"ERROR: '{POSES.resolve()}' is busy, it is being blocked by:\n  (PID {worker.pid}): dvc repro\n\n"
        assert repair.recover(Path(), output)
    assert asked == [None] * 3 and f"process {worker.pid}: waiting" in capsys.readouterr().out
    assert json.loads(Path(".dvc/tmp/rwlock").read_text()) == {"write": {}, "read": {}}
