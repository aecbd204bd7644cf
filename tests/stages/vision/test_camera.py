"""Camera motion, of textures that were moved by a known amount."""

import cv2
import numpy as np
import pytest

from stages.vision.camera import displacements


def room(size=200):
    """Details and large forms, as in any picture."""
    noise = np.random.default_rng(0).normal(0, 1, (size, size, 3))
    blurred = (cv2.GaussianBlur(noise, (0, 0), radius) * radius for radius in (2, 5, 12))
    return np.clip(128 + 60 * sum(blurred), 0, 255).astype(np.uint8)


def shot(x, y=0.0, person=60):
    """The room seen by a camera that moved, with somebody in another place each time, and where they are."""
    matrix = np.float64([[1, 0, x], [0, 1, y]])
    moved = cv2.warpAffine(room(), matrix, (200, 200), borderMode=cv2.BORDER_REFLECT)[20:180, 20:180]
    mask = np.zeros(moved.shape[:2], bool)
    mask[40:140, person : person + 40] = True
    moved[mask] = (200, 30, 30)
    return moved, mask


@pytest.mark.parametrize("shifts, expected", [
    ([(0, 0)] * 3, [0, 0, 0]),
    ([(-1.5, 0), (0, 0), (3, 4)], [1.5, 0, 5]),
    ([(0, 0), (0, 0), (12, 0)], [0, 0, 12]),
])
def test_displacement_is_measured_whatever_the_person_does(shifts, expected):
    pictures, masks = zip(*(shot(*shift, person=20 + 30 * i) for i, shift in enumerate(shifts)))
    assert np.allclose(displacements(list(pictures), list(masks)), expected, atol=0.2)


def test_another_place_is_infinitely_far_and_a_bare_wall_cannot_be_measured():
    still, mask = shot(0)
    other = cv2.flip(still, -1)
    assert np.isinf(displacements([still, still, other], [mask] * 3)[2])
    wall = np.full_like(still, 128)
    assert np.isnan(displacements([wall] * 3, [mask] * 3)).all()
