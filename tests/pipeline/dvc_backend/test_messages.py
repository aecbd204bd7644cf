"""What we read of DVC's own messages, provoked from the installed DVC: another wording fails here."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.dvc_backend import messages

GOAL = "retargeting@ava_from_ben"
POSES = Path("artifacts/ava/poses.parquet")


@pytest.fixture
def said(project):
    """What `dvc ...` prints, both streams together."""

    def run(*arguments: str) -> str:
        done = project.try_dvc(*arguments)
        return done.stdout + done.stderr

    return run


@pytest.mark.subprocesses
def test_all_other_lines_of_a_run_are_recognised_as_dvc_messages(project, said):
    """Of a first run, of one that computes, of one from the cache, of one with nothing to do."""
    Path("dvc.lock").unlink()
    first = said("repro", "frames@ava")
    project.stale("frames")
    computes = said("repro", "frames@ava")
    Path("artifacts/ava/frames.mkv").unlink()
    restores = said("repro", "frames@ava")
    nothing = said("repro", "frames@ava")
    for output, computed in ((first, False), (computes, True), (restores, False), (nothing, False)):
        left = [line for line in output.splitlines() if not messages.is_dvc_message(line)]
        assert ("frames ava works" in left) == computed and all("frames" in line for line in left), output
    assert [messages.cache_unchanged(output) for output in (computes, nothing)] == [True, True]  # the samples are as they were


def test_cache_unchanged(project, said):
    project.stale("frames")
    assert not messages.cache_unchanged(said("repro", "--single-item", "frames@ava"))
    assert messages.cache_unchanged(said("repro", "--single-item", "frames@ava"))


def test_a_stage_that_crashes(project, said):
    project.order(GOAL, "crash")
    project.stale("retargeting")
    address, reason, before = messages.failed_stage(said("repro", "--single-item", GOAL))
    assert address == GOAL and reason.endswith("exited with 1") and reason.startswith("python -m stages")
    assert before.rstrip().endswith("ZeroDivisionError: a bug")


def test_a_file_that_is_missing(said):
    Path("artifacts/samples/ava.mp4").unlink()
    address, reason, _ = messages.failed_stage(said("repro", "--single-item", "frames@ava"))
    assert address == "frames@ava" and "artifacts/samples/ava.mp4" in reason


def test_a_busy_file(project, said):
    """Who they are and at what, as DVC noted it."""
    project.stale("pose_extraction")
    other = {"pid": os.getpid(), "cmd": "dvc repro other"}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(POSES.resolve()): other}, "read": {}}))
    output = said("repro", "--single-item", "pose_extraction@ava")
    assert messages.busy_file(output) == (str(POSES.resolve()), [(str(os.getpid()), "dvc repro other")])
    assert all(messages.is_dvc_message(line) for line in output.splitlines() if "PID" in line)


def test_a_lock_that_is_held(project, said):
    project.stale("pose_extraction")
    with Path(".dvc/tmp/rwlock.lock").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        assert messages.lock_timed_out(said("repro", "--single-item", "pose_extraction@ava"))


@pytest.mark.parametrize("notes", ["", '{"wri', "[]", '{"write": {"a": 3}}'])
def test_an_unreadable_rwlock(project, said, notes):
    project.stale("pose_extraction")
    Path(".dvc/tmp/rwlock").write_text(notes)
    assert messages.rwlock_unreadable(said("repro", "--single-item", "pose_extraction@ava"))


@pytest.mark.parametrize("lock", [b"schema: '2.0'\nstages:\n  frames@ava:\n    cm", b"\xff\x00 nothing", b"[1, 2]"])
def test_an_unreadable_dvc_lock(said, lock):
    Path("dvc.lock").write_bytes(lock)
    assert messages.dvc_lock_unreadable(said("repro", "--single-item", "pose_extraction@ava"))


def test_a_failed_transfer(project, said, folder_remote, tmp_path):
    folder_remote.configure(project.folder)
    (tmp_path / "remote").write_text("a file where a folder should be")
    assert not messages.cache_unchanged(output := said("push", "frames@ava"))
    assert messages.transfer_error(output) or "ERROR" in output


def test_a_full_disk(tmp_path):
    """As the system words it, which DVC passes on; tests/faults/test_disk.py fills a real one."""
    code = "import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert messages.disk_full(done.stderr)


@pytest.mark.parametrize("text, told", [
    ("ERROR: ssh://user:secret@host/dvc: no", "ERROR: ssh://***@host/dvc: no"),
    ("see https://host/a:b@c", "see https://host/a:b@c"),
])
def test_passwords_are_masked(text, told):
    assert messages.mask_passwords(text) == told
