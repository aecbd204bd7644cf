"""Writing artifacts atomically, checksums and other helpers for files."""

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from stages import InputError, layout


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path next to `path`, with the same suffix, so that writers can infer the format. On success
    the file or folder there is renamed to `path`; on any error it is removed, and so are leftovers of killed processes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    for leftover in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        pid = leftover.name.removesuffix(path.suffix).rpartition(".")[2]
        if pid.isdecimal() and (leftover == temporary or not _is_running(int(pid))):
            remove(leftover)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        remove(temporary)


def scratch_file() -> IO[bytes]:
    """An empty, unnamed file for data that does not fit in memory. It is on the project's disk, because the system's
    temporary folder may be in memory. It disappears when it is closed or its process ends, even if killed."""
    layout.CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=layout.CHECKPOINTS)


def _is_running(pid: int) -> bool:
    """Whether this machine runs a process with this id. Zombies do not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:  # another user's
        return True
    except (psutil.Error, OverflowError):
        return False


def remove(path: Path) -> None:
    """Removes a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return _checksum(path, "sha256")


def md5(path: Path) -> str:
    """The MD5 of a file, in hexadecimal: DVC's checksum."""
    return _checksum(path, "md5")


def _checksum(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def sha256_of_all(files: Iterable[Path], folder: Path) -> str:
    """The SHA-256 of the text that `sha256sum` prints for these files of a folder, run in the folder."""
    lines = (f"{sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def existing(path: Path, what: str) -> Path:
    """Returns `path`. Raises InputError if it does not exist, with `what` was expected."""
    if not Path(path).exists():
        raise InputError(f"{path}: not found; expected {what}")
    return Path(path)


def human_size(bytes: float | None) -> str:
    """A number of bytes with a unit and three significant digits; "-" for None."""
    if bytes is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if bytes < 999.5:  # from here on three digits would round to 1e+03
            return f"{bytes:.3g} {unit}"
        bytes /= 1000
    return f"{bytes:.3g} TB" if bytes < 999.5 else f"{bytes:.0f} TB"
