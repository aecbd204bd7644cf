"""The stages of the paper. Each takes paths and parameters and writes artifacts; none depends on Prefect or DVC."""

import os

__version__ = "0.1.0"
MAX_PIXELS = 2**27   # of an image; four times as many as 8K has
SPIN_COUNT = 10_000  # iterations that an idle OpenMP thread spins before it sleeps; the default is 300,000

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # read when OpenCV is imported
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))  # read when PyTorch loads GNU OpenMP


class InputError(ValueError):
    """The user's input cannot be used. The message names the file (and the frame), what was expected and how to fix it;
    the command line prints it without a traceback."""
