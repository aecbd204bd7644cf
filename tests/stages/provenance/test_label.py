"""The label is readable, and the rest of the frame does not change."""

import numpy as np
import pytest

from stages.provenance.label import Label


@pytest.mark.parametrize("size", [(96, 80), (256, 256), (1280, 720), (721, 1281), (30, 20)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_white_letters_on_dark_in_the_lower_left_corner(size, value):
    width, height = size
    plain = np.full((height, width, 3), value, np.uint8)
    before = plain.copy()
    shown = Label(size).apply(plain)
    assert np.array_equal(plain, before) and shown.shape == plain.shape
    if width < 60:  # too small for the whole label
        return
    assert (shown > 200).all(-1).sum() > 30 and shown.min() == pytest.approx(0.4 * value, abs=1)  # letters on a dark box
    if value == 255:
        rows, columns = np.nonzero((shown != value).any(-1))
        shorter = min(size)
        assert rows.max() > 0.9 * height and columns.min() < 0.1 * shorter
        assert rows.max() < height // 2 * 2 and columns.max() < width
        assert np.ptp(rows) > max(10, 0.045 * shorter) and len(rows) < 0.25 * width * height


def test_contrast_on_white():
    """The WCAG contrast of the letters is at least 4.5 on any background."""
    shown = Label((640, 360)).apply(np.full((360, 640, 3), 255, np.uint8))
    light = lambda value: ((value / 255 + 0.055) / 1.055) ** 2.4
    assert 1.05 / (light(shown.min()) + 0.05) >= 4.5
