"""Reads the user's image files. A folder of images is a video with one image per frame."""

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from stages import InputError
from stages.media import colour

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
TRANSPARENT = {".png", ".webp", ".tif", ".tiff"}


class ImageFrame:
    """A frame in the form of an image file; it must have the size of the folder's first image."""

    def __init__(self, file: Path, first: "ImageFrame | None"):
        self._file, self._first, self._picture = file, first, None

    def picture(self) -> np.ndarray:
        """RGB (H, W, 3) uint8."""
        if self._picture is None:
            self._picture = read_image(self._file)
            self.size = self._picture.shape[1::-1]
            if self._first and self.size != self._first.size:
                raise InputError(
                    f"{self._file} is {self.size[0]} x {self.size[1]}, {self._first._file.name} "
                    f"{self._first.size[0]} x {self._first.size[1]}; all images of a folder must have the same size")
        return self._picture

    def thumbnail(self, longest: int) -> np.ndarray:
        """The picture reduced to at most `longest` pixels on its longer side."""
        picture = self.picture()
        return cv2.resize(picture, fit_within(self.size, longest), interpolation=cv2.INTER_AREA)


def list_images(folder: Path) -> list[Path]:
    """The images in a folder in natural order, without hidden files."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGES)
    return natural_order(file for file in files if not file.name.startswith("."))


def natural_order(files: Iterable[Path]) -> list[Path]:
    """Sorts by name, with numbers by value: 9.png before 10.png."""
    parts = {file: re.split(r"(\d+)", file.name) for file in files}
    return sorted(parts, key=lambda file: [int(part) if part.isdigit() else part for part in parts[file]])


def read_image(file: Path) -> np.ndarray:
    """RGB (H, W, 3) uint8; 16 bits are reduced to 8, transparent pixels become grey. Raises InputError if it cannot be
    read."""
    kind = cv2.IMREAD_UNCHANGED if file.suffix.lower() in TRANSPARENT else cv2.IMREAD_COLOR
    try:
        picture = cv2.imread(str(file), kind) if file.is_file() else None
    except cv2.error:  # larger than OPENCV_IO_MAX_IMAGE_PIXELS
        raise InputError(f"{file}: has too many pixels; export it smaller") from None
    if picture is None:
        raise InputError(f"{file}: not an image that can be read; remove it or export it again")
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    if picture.dtype != np.uint8:  # float images: unknown range, possibly NaN
        raise InputError(f"{file}: an image of {picture.dtype}; expected 8 or 16 bits a channel: export it as PNG")
    if picture.ndim == 2:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    return picture[..., ::-1] if picture.shape[2] == 3 else colour.over_grey(picture[..., [2, 1, 0, 3]])


def fit_within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height, reduced so that the longer side is at most `longest`."""
    scale = min(1, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
