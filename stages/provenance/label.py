"""The visible label that is drawn into a result."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = "AI-generated"
HEIGHT, MIN_HEIGHT = 0.045, 11  # of the letters: share of the shorter side of the frame; minimum in pixels
MARGIN = 0.025                  # from the lower left corner, share of the shorter side
OPACITY = 0.6                   # of the dark box behind the letters


class Label:
    """The label for frames of a size (width, height)."""

    def __init__(self, size: tuple[int, int]):
        shorter = min(size)
        letters = max(MIN_HEIGHT, round(HEIGHT * shorter))
        font = ImageFont.load_default(letters)
        left, top, right, bottom = font.getbbox(TEXT)
        padding = round(0.45 * letters)
        box = Image.new("L", (right - left + 2 * padding, bottom - top + 2 * padding))
        ImageDraw.Draw(box).text((padding - left, padding - top), TEXT, 255, font)
        white = np.asarray(box, np.float32)[..., None] / 255  # (h, w, 1)
        margin = round(MARGIN * shorter)
        height, width = min(white.shape[0], size[1]), min(white.shape[1], size[0])
        top = max(0, size[1] // 2 * 2 - margin - height)
        self._region = np.s_[top : top + height, min(margin, size[0] - width) : min(margin, size[0] - width) + width]
        self.area = np.zeros(size[::-1], np.uint8)  # (height, width), 255 at the label
        self.area[self._region] = 255
        self._factor = (1 - OPACITY) * (1 - white[:height, :width])
        self._added = 255 * white[:height, :width]

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """RGB (height, width, 3): a copy with the label."""
        picture = picture.copy()
        part = picture[self._region]
        part[:] = np.rint(part * self._factor + self._added)
        return picture
