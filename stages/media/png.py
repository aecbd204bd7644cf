"""PNG images passed between stages, as uint8 arrays."""

from pathlib import Path

import cv2
import numpy as np

from stages.media import artifact_metadata
from stages.media.files import atomic_write, existing


def read(path: Path) -> np.ndarray:
    """RGB (H, W, 3). Raises InputError if the file does not exist."""
    return cv2.imread(str(existing(path, "a PNG image; run the stage that writes it")), cv2.IMREAD_COLOR_RGB)


def write(path: Path, picture: np.ndarray) -> None:
    """Writes RGB (H, W, 3) or grey (H, W)."""
    with atomic_write(path) as temporary:
        picture = picture[..., ::-1] if picture.ndim == 3 else picture
        content = cv2.imencode(".png", picture)[1].tobytes()  # not cv2.imwrite, which ignores a full disk
        temporary.write_bytes(artifact_metadata.with_png_text(content))
