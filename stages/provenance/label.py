"""The visible label that is burnt into a result."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = "AI-generated"
HEIGHT, LEAST = 0.045, 11  # of the letters: share of the picture's shorter side, and pixels at least
MARGIN = 0.025             # from the lower left corner, share of the shorter side
DARK = 0.6                 # of the plate behind the letters


class Label:
    """The label for pictures of a size (width, height)."""

    def __init__(self, size: tuple[int, int]):
        shorter = min(size)
        letters = max(LEAST, round(HEIGHT * shorter))
        font = ImageFont.load_default(letters)
        left, top, right, bottom = font.getbbox(TEXT)
        space = round(0.45 * letters)
        plate = Image.new("L", (right - left + 2 * space, bottom - top + 2 * space))
        ImageDraw.Draw(plate).text((space - left, space - top), TEXT, 255, font)
        white = np.asarray(plate, np.float32)[..., None] / 255  # (h, w, 1)
        margin = round(MARGIN * shorter)
        height, width = min(white.shape[0], size[1]), min(white.shape[1], size[0])
        top = max(0, size[1] // 2 * 2 - margin - height)
        self._place = np.s_[top : top + height, min(margin, size[0] - width) : min(margin, size[0] - width) + width]
        self.area = np.zeros(size[::-1], np.uint8)  # (height, width), 255 where the label is
        self.area[self._place] = 255
        self._kept = (1 - DARK) * (1 - white[:height, :width])
        self._added = 255 * white[:height, :width]

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """RGB (height, width, 3) with the label."""
        picture = picture.copy()
        part = picture[self._place]
        part[:] = np.rint(part * self._kept + self._added)
        return picture
