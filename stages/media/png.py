"""Single pictures (PNG) between stages, as RGB or grey arrays uint8."""

from pathlib import Path

import cv2
import numpy as np

from stages.media import artifact_metadata
from stages.media.files import atomic_write, existing


def read(path: Path) -> np.ndarray:
    """An RGB picture (H, W, 3); InputError where it is missing."""
    return cv2.imread(str(existing(path, "a picture; run the stage that writes it")), cv2.IMREAD_COLOR_RGB)


def write(path: Path, picture: np.ndarray) -> None:
    """RGB (H, W, 3) or grey (H, W)."""
    with atomic_write(path) as temporary:
        picture = picture[..., ::-1] if picture.ndim == 3 else picture
        temporary.write_bytes(artifact_metadata.with_png_text(cv2.imencode(".png", picture)[1].tobytes()))  # cv2.imwrite says nothing where the disk is full
