"""Whole files or none: an artifact appears under its name only when it is complete."""

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from stages import InputError, layout


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` (same suffix, so that writers know the format); on success it is
    renamed to `path`, a file or a folder, on any error it is removed. So is what a killed process has left."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        number = left.name.removesuffix(path.suffix).rpartition(".")[2]
        if number.isdecimal() and (left == temporary or not _alive(int(number))):
            remove(left)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        remove(temporary)


def scratch_file() -> IO[bytes]:
    """An empty file for what memory need not hold, on the project's disk: the system's temporary folder may be memory
    itself. It has no name, and is gone once it is closed or its process has ended, however it ended."""
    layout.CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=layout.CHECKPOINTS)


def _alive(number: int) -> bool:
    """Whether a process of this number runs on this machine; one that has ended and that nobody collected does not."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:  # another user's
        return True
    except (psutil.Error, OverflowError):
        return False


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing(path: Path, what: str) -> Path:
    """`path` itself; InputError naming it and `what` it should be, if it is not there."""
    if not Path(path).exists():
        raise InputError(f"{path}: not found; expected {what}")
    return Path(path)


def human_size(bytes: float | None) -> str:
    """A number of bytes in a unit that leaves three digits; - where it is not known."""
    if bytes is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if bytes < 999.5:  # from here on three digits would round to 1e+03
            return f"{bytes:.3g} {unit}"
        bytes /= 1000
    return f"{bytes:.3g} TB" if bytes < 999.5 else f"{bytes:.0f} TB"
