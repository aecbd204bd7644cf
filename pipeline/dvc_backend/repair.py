"""Repairs DVC's files after a crash, and makes DVC verify its cache.

A killed process stays registered as a reader or writer, and may leave an incomplete dvc.lock or a damaged cache
file."""

import configparser
import fcntl
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline import terminal
from pipeline.dvc_backend import messages, subprocesses

_READ_ONLY = 0o444


def recover(folder: Path, output: str) -> bool:
    """Tries to remove the cause of a failed dvc program, given its output. Returns whether to run it again: the cause
    was another process, which has finished, or a file that could not be read."""
    if busy := messages.busy_file(output):
        path, others = busy
        _wait_for(Path(path), others)
        _remove_dead_owners(folder, others)
        return not subprocesses.shutting_down()
    if messages.rwlock_unreadable(output):
        return _remove_dead_owners(folder, [])
    if messages.dvc_lock_unreadable(output):
        if "<<<<<<<" in (folder / "dvc.lock").read_text(errors="replace", encoding="utf-8"):
            return False  # a merge conflict, which the user must resolve
        terminal.print_line("dvc.lock cannot be read; DVC rebuilds it from its cache")
        (folder / "dvc.lock").unlink(missing_ok=True)
        return True
    return messages.lock_timed_out(output) and not subprocesses.shutting_down()


def force_verification(folder: Path) -> None:
    """Makes DVC verify the checksums of its cache files before it uses them.

    DVC trusts a read-only cache file. If the file is writable and newer than DVC's last check, DVC computes its
    checksum and deletes it if it is damaged. So every read-only file is made writable and new."""
    for file in (_cache_folder(folder) / "files/md5").glob("*/*"):
        with suppress(OSError):  # removed in the meantime, or owned by another user
            if stat.S_IMODE(file.stat().st_mode) == _READ_ONLY:
                os.utime(file)
                file.chmod(0o644)


def _cache_folder(folder: Path) -> Path:
    config = configparser.ConfigParser(interpolation=None)
    config.read([folder / ".dvc/config", folder / ".dvc/config.local"])
    return folder / ".dvc" / config.get("cache", "dir", fallback="cache")


def _wait_for(path: Path, others: list[tuple[str, str]]) -> None:
    """Waits until these processes (id and command) have finished with a file."""
    if pids := [pid for pid, command in others if _is_running(pid, command)]:
        terminal.print_line(f"{path.name} is in use by process {', '.join(pids)}: waiting")
    while any(_is_running(*one) for one in others) and not subprocesses.shutting_down():
        time.sleep(subprocesses.POLL_SECONDS)


def _is_running(pid: int | str, command: str) -> bool:
    """Whether the process that DVC has registered still runs: it is not a zombie, and its id does not belong to another
    program by now. DVC records the command differently only in its first word."""
    try:
        found = psutil.Process(int(pid))
        words = " ".join(found.cmdline()).split()
        return found.status() != psutil.STATUS_ZOMBIE and words[-1:] == command.split()[-1:]
    except psutil.AccessDenied:  # owned by another user
        return True
    except psutil.Error:
        return False


def _remove_dead_owners(folder: Path, others: list[tuple[str, str]]) -> bool:
    """Removes processes that have ended from DVC's record of readers and writers. Empties the record if it cannot be
    read."""
    dead = {owner for owner in others if not _is_running(*owner)}

    def is_alive(owner: dict) -> bool:
        return (str(owner["pid"]), owner["cmd"]) not in dead

    record = folder / ".dvc/tmp/rwlock"
    with record.with_suffix(".lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            write = {path: owner for path, owner in content.get("write", {}).items() if is_alive(owner)}
            read = {path: list(filter(is_alive, owners)) for path, owners in content.get("read", {}).items()}
            kept = {"write": write, "read": {path: owners for path, owners in read.items() if owners}}
        except (ValueError, LookupError, AttributeError, TypeError):  # partly written
            kept = {}
        record.write_text(json.dumps(kept), encoding="utf-8")
    return True
