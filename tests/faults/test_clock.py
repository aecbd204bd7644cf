"""A clock that jumps: what DVC is told of is the size, the number on the disk and the time of a file."""

import os
import time
from pathlib import Path

import pytest

DAY = 86400
POSES = Path("artifacts/ava/poses.parquet")
EVERYTHING = [Path("artifacts"), Path("stages"), Path(".dvc/cache"), Path("params.yaml"), Path("dvc.lock")]


def shift(days: float) -> None:
    """As if the clock had been wrong so far when all was written."""
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
    """A file that is replaced, as stages and editors do, has another number on the disk."""
    before, source = project.artifacts(), Path("artifacts/samples/ava.mp4")
    info, content = source.stat(), source.read_bytes()
    source.with_suffix(".new").write_bytes(content.replace(b"26.1234", b"26.4321"))
    os.utime(source.with_suffix(".new"), ns=(info.st_atime_ns, info.st_mtime_ns))
    source.with_suffix(".new").rename(source)
    assert source.stat().st_size == info.st_size and source.stat().st_mtime_ns == info.st_mtime_ns
    project.dvc("repro", "--single-item", "samples@ava")
    assert project.artifacts() == before  # DVC saw that it was not what the stage had written


def test_a_file_changed_in_place_is_detected_by_its_time(project):
    """What neither the size nor the time tells, nobody is told: only who sets the clock of a file back can do that."""
    before, source = project.artifacts(), Path("artifacts/samples/ava.mp4")
    info, content = source.stat(), source.read_bytes()
    with source.open("r+b") as file:
        file.write(content.replace(b"26.1234", b"26.4321"))
    os.utime(source, ns=(info.st_atime_ns, info.st_mtime_ns + 1000))
    project.dvc("repro", "--single-item", "samples@ava")
    assert project.artifacts() == before
