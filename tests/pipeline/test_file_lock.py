"""Locks that show which programs run in a folder."""

import fcntl
import subprocess
import sys

from pipeline.file_lock import terminate_holder, try_lock
from tests.server import wait_for

HOLD = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(str(os.getpid()))
file.flush()
time.sleep(60)
"""


def test_one_holder_at_a_time(tmp_path):
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert try_lock(first) and not try_lock(second)
        fcntl.flock(first, fcntl.LOCK_UN)
        assert try_lock(second)


def test_the_holder_is_terminated(tmp_path):
    lock = tmp_path / "lock"
    lock.touch()
    terminate_holder(lock)  # nobody holds it
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], start_new_session=True)
    wait_for(lock.read_text, 20)
    terminate_holder(lock)
    assert process.wait(20) != 0
