"""The paper's stages. Nothing here knows Prefect or DVC: paths and parameters in, artifacts out."""

__version__ = "0.1.0"


class InputError(ValueError):
    """Something the user gave cannot be used. The message names the file, the frame, what was expected
    and what to do; the command line prints it without a traceback."""
