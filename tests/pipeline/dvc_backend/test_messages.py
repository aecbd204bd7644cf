"""The messages of the installed DVC. A version that words one differently fails here."""

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
def run_dvc(project):
    """Runs `dvc ...` and returns its output, both streams together."""

    def run(*arguments: str) -> str:
        done = project.try_dvc(*arguments)
        return done.stdout + done.stderr

    return run


@pytest.mark.subprocesses
def test_all_other_lines_of_a_run_are_recognised_as_dvc_messages(project, run_dvc):
    """In a first run, in one that computes, in one from the cache, and in one with nothing to do."""
    Path("dvc.lock").unlink()
    first = run_dvc("repro", "frames@ava")
    project.stale("frames")
    computes = run_dvc("repro", "frames@ava")
    Path("artifacts/ava/frames.mkv").unlink()
    restores = run_dvc("repro", "frames@ava")
    nothing = run_dvc("repro", "frames@ava")
    for output, computed in ((first, False), (computes, True), (restores, False), (nothing, False)):
        left = [line for line in output.splitlines() if not messages.is_dvc_message(line)]
        assert ("frames ava works" in left) == computed and all("frames" in line for line in left), output
    assert [messages.cache_unchanged(output) for output in (computes, nothing)] == [True, True]  # the samples have not changed


def test_cache_unchanged(project, run_dvc):
    project.stale("frames")
    assert not messages.cache_unchanged(run_dvc("repro", "--single-item", "frames@ava"))
    assert messages.cache_unchanged(run_dvc("repro", "--single-item", "frames@ava"))


def test_a_stage_that_crashes(project, run_dvc):
    project.order(GOAL, "crash")
    project.stale("retargeting")
    address, reason, before = messages.failed_stage(run_dvc("repro", "--single-item", GOAL))
    assert address == GOAL and reason.endswith("exited with 1") and reason.startswith("python -m stages")
    assert before.rstrip().endswith("ZeroDivisionError: a bug")


def test_a_file_that_is_missing(run_dvc):
    Path("artifacts/samples/ava.mp4").unlink()
    address, reason, _ = messages.failed_stage(run_dvc("repro", "--single-item", "frames@ava"))
    assert address == "frames@ava" and "artifacts/samples/ava.mp4" in reason


def test_a_busy_file(project, run_dvc):
    """The processes and the file, as DVC recorded them."""
    project.stale("pose_extraction")
    other = {"pid": os.getpid(), "cmd": "dvc repro other"}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": {str(POSES.resolve()): other}, "read": {}}))
    output = run_dvc("repro", "--single-item", "pose_extraction@ava")
    assert messages.busy_file(output) == (str(POSES.resolve()), [(str(os.getpid()), "dvc repro other")])
    assert all(messages.is_dvc_message(line) for line in output.splitlines() if "PID" in line)


def test_a_lock_that_is_held(project, run_dvc):
    project.stale("pose_extraction")
    with Path(".dvc/tmp/rwlock.lock").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        assert messages.lock_timed_out(run_dvc("repro", "--single-item", "pose_extraction@ava"))


@pytest.mark.parametrize("notes", ["", '{"wri', "[]", '{"write": {"a": 3}}'])
def test_an_unreadable_rwlock(project, run_dvc, notes):
    project.stale("pose_extraction")
    Path(".dvc/tmp/rwlock").write_text(notes)
    assert messages.rwlock_unreadable(run_dvc("repro", "--single-item", "pose_extraction@ava"))


@pytest.mark.parametrize("lock", [b"schema: '2.0'\nstages:\n  frames@ava:\n    cm", b"\xff\x00 nothing", b"[1, 2]"])
def test_an_unreadable_dvc_lock(run_dvc, lock):
    Path("dvc.lock").write_bytes(lock)
    assert messages.dvc_lock_unreadable(run_dvc("repro", "--single-item", "pose_extraction@ava"))


def test_a_failed_transfer(project, run_dvc, folder_remote, tmp_path):
    folder_remote.configure(project.folder)
    (tmp_path / "remote").write_text("a file where a folder should be")
    assert not messages.cache_unchanged(output := run_dvc("push", "frames@ava"))
    assert messages.transfer_error(output) or "ERROR" in output


def test_a_full_disk(tmp_path):
    """The message of the system, which DVC passes on. tests/faults/test_disk.py fills a real disk."""
    code = "import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert messages.disk_full(done.stderr)


@pytest.mark.parametrize("text, message", [
    ("ERROR: ssh://user:secret@host/dvc: no", "ERROR: ssh://***@host/dvc: no"),
    ("see https://host/a:b@c", "see https://host/a:b@c"),
])
def test_passwords_are_masked(text, message):
    assert messages.mask_passwords(text) == message
