"""What the camera saw in each frame: where the person is, how the camera stood, how the light was; and how a frame of
a moving camera comes onto the canvas, the full frame of a camera that stands still."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.media import footage, parquet


@dataclass(frozen=True)
class View:
    box: np.ndarray     # (T, 4) left, top, right, bottom of the followed person, pixels of the S x S frame; NaN: away
    people: np.ndarray  # (T,) in view at the last look
    camera: np.ndarray  # (T, 3, 3) homographies: pixels of the video's frame -> pixels of the still, full frame
    light: np.ndarray   # (T, 6) gain and offset of R, G, B that the frame was brought to the clip's own light with
    about: dict         # moving (did the camera), reference (the frame whose view an imitation has), frame_size (w, h)

    def visible(self, frame: int, crop: list[float], size: int) -> np.ndarray:
        """Which pixels of the S x S frame the camera saw in this frame, (S, S) bool: all of a still camera's."""
        return self._seen(frame_to_crop(self.camera[frame], crop, size), (size, size))

    def visible_full(self, frame: int, full_size: tuple[int, int]) -> np.ndarray:
        """The same of the pixels of the canvas (width, height), (height, width) bool."""
        return self._seen(self.camera[frame], full_size)

    def _seen(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if not self.about["moving"]:
            return np.ones(size[::-1], bool)
        white = np.full(self.about["frame_size"][::-1], 255, np.uint8)  # (height, width)
        return cv2.warpPerspective(white, matrix, tuple(size)) > 127


def read_view(path: Path) -> View:
    columns, about = parquet.read(path, parquet.VIEW)
    return View(columns["box"], columns["people"], columns["camera"].reshape(-1, 3, 3), columns["light"], about)


def stabilised_crop(picture: np.ndarray, camera: np.ndarray, crop: list[float], size: int) -> np.ndarray:
    """The square `crop` (left, top, side) of the canvas as a frame of the video shows it, (size, size, 3); outside of
    the frame its edge goes on. Where the square shrinks, every pixel is the mean of a grid of samples."""
    grid = max(1, int(np.ceil(crop[2] / size)))
    fine = _drawn(picture, frame_to_crop(camera, crop, grid * size), (grid * size, grid * size))
    return fine if grid == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def warp_to_canvas(picture: np.ndarray, camera: np.ndarray, full_size: tuple[int, int]) -> np.ndarray:
    """A frame of the video on the canvas (width, height); outside of the frame its edge goes on."""
    return _drawn(picture, camera, tuple(full_size))


def frame_to_crop(camera: np.ndarray, crop: list[float], size: int) -> np.ndarray:
    """Pixels of the video's frame -> of a size x size picture of the canvas's square `crop`, (3, 3)."""
    return np.linalg.inv(np.vstack([footage.crop_to_frame(crop, size), [0, 0, 1]])) @ camera


def _drawn(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
