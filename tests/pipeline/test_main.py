"""The command line as a program."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.media import video_file

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["weights"], ["verify", "{video}"], ["run", "--help"]])
@pytest.mark.parametrize("both", [False, True])
def test_a_closed_pipe_ends_the_program_quietly(tmp_path, words, both):
    """As with `| head -1` and `2>&1 | head -1`."""
    with video_file.h264(tmp_path / "clip.mp4", 25, 18, {}) as write:
        write(np.zeros((64, 64, 3), np.uint8))
    words = [word.format(video=tmp_path / "clip.mp4") for word in words]
    reading, writing = os.pipe()
    os.close(reading)
    errors = writing if both else subprocess.PIPE
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-m", "pipeline", *words], cwd=ROOT, env=buffered, stdout=writing,
                          stderr=errors)
    os.close(writing)
    assert (done.returncode, done.stderr or b"") == (141, b"")
