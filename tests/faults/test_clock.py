"""Clocks that jump. DVC detects changes of a file by its size, inode and modification time."""

import os
import time
from pathlib import Path

import pytest

DAY = 86400
POSES = Path("artifacts/ava/poses.parquet")
EVERYTHING = [Path("artifacts"), Path("stages"), Path(".dvc/cache"), Path("params.yaml"), Path("dvc.lock")]


def shift(days: float) -> None:
    """Sets all modification times as if the clock had been wrong when the files were written."""
    when = time.time() + days * DAY
    for root in EVERYTHING:
        for path in [root, *root.rglob("*")]:
            os.utime(path, (when, when))


@pytest.mark.parametrize("days", [-20000, 4000], ids=["1972", "in years"])
def test_wrong_file_times_do_not_cause_a_rerun(project, days):
    before = project.artifacts()
    shift(days)
    POSES.unlink()
    project.dvc("repro")
    assert project.ran() == [] and project.artifacts() == before


def test_a_replaced_file_with_the_same_size_and_time_is_detected(project):
    """A replaced file has another inode. Stages and editors replace files."""
    before, source = project.artifacts(), Path("artifacts/samples/ava.mp4")
    info, content = source.stat(), source.read_bytes()
    source.with_suffix(".new").write_bytes(content.replace(b"26.1234", b"26.4321"))
    os.utime(source.with_suffix(".new"), ns=(info.st_atime_ns, info.st_mtime_ns))
    source.with_suffix(".new").rename(source)
    assert source.stat().st_size == info.st_size and source.stat().st_mtime_ns == info.st_mtime_ns
    project.dvc("repro", "--single-item", "samples@ava")
    assert project.artifacts() == before  # DVC detected the change and restored the output


def test_a_file_changed_in_place_is_detected_by_its_time(project):
    """A change that keeps size and time is not detected. That takes someone who resets the time on purpose."""
    before, source = project.artifacts(), Path("artifacts/samples/ava.mp4")
    info, content = source.stat(), source.read_bytes()
    with source.open("r+b") as file:
        file.write(content.replace(b"26.1234", b"26.4321"))
    os.utime(source, ns=(info.st_atime_ns, info.st_mtime_ns + 1000))
    project.dvc("repro", "--single-item", "samples@ava")
    assert project.artifacts() == before
