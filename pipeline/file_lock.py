"""Advisory file locks (flock) that show which programs are running in this folder."""

import fcntl
import os
import signal
from pathlib import Path
from typing import IO


def try_lock(file: IO) -> bool:
    """Locks an open file until it is closed. False if another process holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def terminate_holder(path: Path) -> None:
    """Terminates the process group that holds the lock on `path` and whose id is written in it, and waits for its end.
    Does nothing if the lock is free."""
    with path.open("a+", encoding="utf-8") as file:
        if try_lock(file):
            return
        file.seek(0)
        if pid := file.read():
            os.killpg(int(pid), signal.SIGTERM)
        fcntl.flock(file, fcntl.LOCK_EX)
