"""The view of each frame: the tracked person's box, the camera's position and the lighting; and the warps between
frames of a moving camera and the canvas, which is the full frame that a static camera would have."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.media import footage, parquet


@dataclass(frozen=True)
class View:
    box: np.ndarray     # (T, 4) tracked person: left, top, right, bottom in pixels of the S x S frame; NaN: not in view
    people: np.ndarray  # (T,) number of people in the last frame with detection
    camera: np.ndarray  # (T, 3, 3) homographies: pixels of the video's frame -> pixels of the canvas
    light: np.ndarray   # (T, 6) gain and offset of R, G, B that normalise the lighting
    about: dict         # moving (the camera), reference (the frame whose view imitations have), frame_size (w, h)

    def visible(self, frame: int, crop: list[float], size: int) -> np.ndarray:
        """Mask of the pixels of the S x S frame that are inside the camera's view, (S, S) bool; all for a static
        camera."""
        return self._covered(frame_to_crop(self.camera[frame], crop, size), (size, size))

    def visible_full(self, frame: int, full_size: tuple[int, int]) -> np.ndarray:
        """The same mask for a canvas of `full_size` (width, height): (height, width) bool."""
        return self._covered(self.camera[frame], full_size)

    def _covered(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if not self.about["moving"]:
            return np.ones(size[::-1], bool)
        white = np.full(self.about["frame_size"][::-1], 255, np.uint8)  # (height, width)
        return cv2.warpPerspective(white, matrix, tuple(size)) > 127


def read_view(path: Path) -> View:
    columns, about = parquet.read(path, parquet.VIEW)
    return View(columns["box"], columns["people"], columns["camera"].reshape(-1, 3, 3), columns["light"], about)


def stabilised_crop(picture: np.ndarray, camera: np.ndarray, crop: list[float], size: int) -> np.ndarray:
    """Warps a frame of the video to the square `crop` (left, top, side) of the canvas: (size, size, 3). Outside of the
    frame its border pixels are repeated. When reducing, each pixel is the mean of a grid of samples."""
    grid = max(1, int(np.ceil(crop[2] / size)))
    fine = _warped(picture, frame_to_crop(camera, crop, grid * size), (grid * size, grid * size))
    return fine if grid == 1 else cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def warp_to_canvas(picture: np.ndarray, camera: np.ndarray, full_size: tuple[int, int]) -> np.ndarray:
    """Warps a frame of the video to a canvas of `full_size` (width, height). Outside of the frame its border pixels are
    repeated."""
    return _warped(picture, camera, tuple(full_size))


def frame_to_crop(camera: np.ndarray, crop: list[float], size: int) -> np.ndarray:
    """Homography (3, 3): pixels of the video's frame -> pixels of a size x size image of the square `crop` of the
    canvas."""
    return np.linalg.inv(np.vstack([footage.crop_to_frame(crop, size), [0, 0, 1]])) @ camera


def _warped(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
