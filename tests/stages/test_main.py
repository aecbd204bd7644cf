"""`python -m stages`: how a stage ends."""

import subprocess
import sys

SIGNALLED_TWICE = """
import os, signal
from stages.__main__ import terminate
signal.signal(signal.SIGTERM, terminate)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    print("cleaned up")
"""


def test_a_second_sigterm_does_not_interrupt_the_clean_up():
    done = subprocess.run([sys.executable, "-c", SIGNALLED_TWICE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, "cleaned up\n", "")
