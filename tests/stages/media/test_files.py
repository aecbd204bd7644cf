"""Atomic writing, checksums and other helpers for files."""

import hashlib
import os
import subprocess
import sys
import tempfile

import pytest

from stages import layout
from stages.media import files
from stages.media.files import atomic_write, human_size, scratch_file


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_error_leaves_the_old_content(tmp_path, kind):
    path = tmp_path / "a.b"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text("half") if kind == "file" else temporary.mkdir()
        1 / 0
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_leftovers_of_zombies_are_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        left = tmp_path / f".a.{process.pid}.png"
        left.write_text("half")
        with atomic_write(tmp_path / "a.png") as temporary:
            temporary.write_text("whole")
        assert not left.exists()


@pytest.mark.parametrize("name", ["a.parquet", "a", "a [1].png"])
def test_only_leftovers_of_killed_processes_are_removed(tmp_path, name):
    path = tmp_path / name
    stem, suffix = path.stem, path.suffix
    left = [tmp_path / f".{stem}.{gone()}{suffix}", tmp_path / f".{stem}.{gone()}{suffix}"]
    left[0].write_text("half")
    left[1].mkdir()
    others = [f".{stem}.{os.getppid()}{suffix}", f".{stem}.x{suffix}", f".b.{gone()}{suffix}", f".{stem}.{gone()}.c"]
    for other in others:
        (tmp_path / other).write_text("another's")
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
    assert {found.name for found in tmp_path.iterdir()} == {name, *others}


def test_checksum(tmp_path):
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    assert files.sha256(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_scratch_files_are_in_the_project_and_disappear(tmp_path, monkeypatch):
    """It has no name, so that nothing is left after a process was killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    with scratch_file() as file:
        file.write(b"many pixels")
        file.seek(0)
        assert file.read() == b"many pixels"
        assert list(layout.CHECKPOINTS.iterdir()) == []


@pytest.mark.parametrize("bytes, text", [
    (None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1500, "1.5 kB"), (999_499, "999 kB"), (999_500, "1 MB"),
    (999_999, "1 MB"), (999_499_999, "999 MB"), (999_500_000, "1 GB"), (2 * 10**9, "2 GB"), (999_999_999_999, "1 TB"),
    (3 * 10**13, "30 TB"), (3 * 10**15, "3000 TB"),
])
def test_human_size(bytes, text):
    assert human_size(bytes) == text
