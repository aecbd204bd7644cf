"""The paper's stages. Nothing here knows Prefect or DVC: paths and parameters in, artifacts out."""

import os

__version__ = "0.1.0"
MAX_PIXELS = 2**27  # of a picture; four times what 8K has
SPINS = 10_000       # turns that a thread of OpenMP waits for others before it sleeps, instead of 300,000

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # OpenCV reads it when it is imported
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))  # and GNU's OpenMP, with PyTorch, this


class InputError(ValueError):
    """Something the user gave cannot be used. The message names the file, the frame, what was expected
    and what to do; the command line prints it without a traceback."""
