"""What DVC notes for itself, mended where a fault has left it as DVC cannot go on: processes that are gone but still
noted as at work, a dvc.lock that was being written; and its cache, made to be checked."""

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
    """Whether the dvc program, which failed with this output, is worth asking again: it met others at work, who are
    done now, or notes that cannot be read."""
    if busy := messages.busy_file(output):
        path, others = busy
        _wait_for(Path(path), others)
        _remove_dead_owners(folder, others)
        return not subprocesses.shutting_down()
    if messages.rwlock_unreadable(output):
        return _remove_dead_owners(folder, [])
    if messages.dvc_lock_unreadable(output):
        if "<<<<<<<" in (folder / "dvc.lock").read_text(errors="replace", encoding="utf-8"):
            return False  # a merge of git's, for its user to decide
        terminal.print_line("dvc.lock cannot be read; DVC makes it anew from its cache")
        (folder / "dvc.lock").unlink(missing_ok=True)
        return True
    return messages.lock_timed_out(output) and not subprocesses.shutting_down()


def force_verification(folder: Path) -> None:
    """DVC takes a file of its cache that is read-only for what its name says, whatever is in it, and hands it out. One
    that can be written to and that changed after DVC last looked at it, it reads before it does, and throws away
    where it is damaged."""
    for file in (_cache_folder(folder) / "files/md5").glob("*/*"):
        with suppress(OSError):  # removed meanwhile, or another user's
            if stat.S_IMODE(file.stat().st_mode) == _READ_ONLY:
                os.utime(file)
                file.chmod(0o644)


def _cache_folder(folder: Path) -> Path:
    config = configparser.ConfigParser(interpolation=None)
    config.read([folder / ".dvc/config", folder / ".dvc/config.local"])
    return folder / ".dvc" / config.get("cache", "dir", fallback="cache")


def _wait_for(path: Path, others: list[tuple[str, str]]) -> None:
    """Until these processes (number and command) are done with a file."""
    if numbers := [number for number, command in others if _is_running(number, command)]:
        terminal.print_line(f"{path.name} is being worked on by process {', '.join(numbers)}: waiting")
    while any(_is_running(*one) for one in others) and not subprocesses.shutting_down():
        time.sleep(subprocesses.POLL_SECONDS)


def _is_running(number: int | str, command: str) -> bool:
    """Whether the process that DVC noted runs: it has not ended with nobody to collect it, nor has another program got
    its number. What DVC notes of the command is the same from its second word on."""
    try:
        found = psutil.Process(int(number))
        words = " ".join(found.cmdline()).split()
        return found.status() != psutil.STATUS_ZOMBIE and words[-1:] == command.split()[-1:]
    except psutil.AccessDenied:  # another user's
        return True
    except psutil.Error:
        return False


def _remove_dead_owners(folder: Path, others: list[tuple[str, str]]) -> bool:
    """Strikes those of `others` who are gone out of DVC's note of who reads and writes what; all where it cannot be
    read."""
    gone = {one for one in others if not _is_running(*one)}

    def left(one: dict) -> bool:
        return (str(one["pid"]), one["cmd"]) not in gone

    notes = folder / ".dvc/tmp/rwlock"
    with notes.with_suffix(".lock").open("a", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        try:
            noted = json.loads(notes.read_text(encoding="utf-8"))
            write = {path: one for path, one in noted.get("write", {}).items() if left(one)}
            read = {path: [one for one in those if left(one)] for path, those in noted.get("read", {}).items()}
            kept = {"write": write, "read": {path: those for path, those in read.items() if those}}
        except (ValueError, LookupError, AttributeError, TypeError):  # a kill, or a full disk, came in between
            kept = {}
        notes.write_text(json.dumps(kept), encoding="utf-8")
    return True
