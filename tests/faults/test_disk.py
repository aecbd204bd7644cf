"""A full disk: a small tmpfs, which only root can mount."""

import os
import shutil
import subprocess
import traceback
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pipeline.dvc_backend import dvc_client
from stages.learning import checkpoints
from stages.media import parquet, png, video_file
from tests.miniature import Project

SIZE = 8 << 20
NOISE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
FULL = "No space left on device"
ADDRESSES = ["samples@ava", "frames@ava"]


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fills the disk with a file, except for `leave` bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave)
    return filler


def a_table(path):
    parquet.write(path, pa.schema([("a", pa.float64())]), {"a": np.random.default_rng(0).random(20000)}, {})


def a_video(path, how=video_file.lossless, **options):
    with how(path, 25.0, **options) as append:
        for shift in range(8):
            append(np.roll(NOISE, shift * 31, axis=0))


def an_mp4(path):
    a_video(path, video_file.h264, crf=1, metadata={})


def a_picture(path):
    png.write(path, NOISE)


def a_checkpoint(path):
    state = checkpoints.Checkpoint.__new__(checkpoints.Checkpoint)
    state.path = path
    state.save({"weights": torch.rand(50000)})


@pytest.mark.parametrize("leave", [0, 65536])
@pytest.mark.parametrize("write, name", [
    (a_table, "a.parquet"), (a_video, "a.mkv"), (an_mp4, "a.mp4"), (a_picture, "a.png"), (a_checkpoint, "a.pt"),
])
def test_a_failed_write_leaves_no_file_and_names_the_cause(disk, write, name, leave):
    fill(disk, leave)
    with pytest.raises(Exception) as failure:
        write(disk / "x" / name if leave else disk / name)
    assert FULL in "".join(traceback.format_exception(failure.value))
    assert {path.name for path in disk.rglob("*") if path.is_file()} == {"filler"}


@pytest.mark.parametrize("pages", [0, 1, 4])
def test_a_stage_reports_a_full_disk_and_continues_when_there_is_space(computed, disk, monkeypatch, pages):
    """Whether DVC's database, the stage or DVC's cache has no space."""
    project = Project(disk / "project")
    shutil.copytree(computed.folder, project.folder, symlinks=True)
    monkeypatch.chdir(project.folder)
    dvc_client._verify_cache_once.cache_clear()
    project.stale("samples", "frames")
    whole, filler = project.artifacts(), fill(disk, pages * 4096)
    with pytest.raises(dvc_client.StageFailed, match="the disk is full or read-only. Free some space") as failure:
        for address in ADDRESSES:
            dvc_client.reproduce(address)
    assert failure.value.permanent  # an immediate retry would fail too
    found = project.artifacts()
    assert all(found[name] == whole[name] for name in found if name in whole)
    filler.unlink()
    finished = ADDRESSES[: ADDRESSES.index(str(failure.value).split()[0])]
    project.ran()
    for address in ADDRESSES:
        assert not (dvc_client.reproduce(address) and address in finished)
    found = project.artifacts()
    assert {name: found[name] for name in found if not name.endswith(".tmp")} == whole  # DVC leaves empty temporary files
