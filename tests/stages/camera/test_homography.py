"""Homographies with known geometry."""

import cv2
import numpy as np
import pytest

from stages.camera import homography

SHIFT = np.array([[1, 0, 40], [0, 1, -10], [0, 0, 1.0]])
LEAN = np.array([[0.95, -0.1, 5], [0.12, 1.02, -3], [3e-4, -2e-4, 1]])


def test_pixels_of_a_reduced_picture_map_to_the_full_picture():
    """A ramp of the full picture's x, reduced: each pixel's value is its x in the full picture."""
    ramp = np.tile(np.arange(240, dtype=np.float32), (120, 1))
    small = cv2.resize(ramp, (80, 60), interpolation=cv2.INTER_AREA)
    matrix = homography.scaling((80, 60), (240, 120))
    found = homography.project(matrix, np.float32([[7, 9], [60, 31]]))
    assert found[:, 0] == pytest.approx([small[9, 7], small[31, 60]], abs=1e-3)
    assert found[:, 1] == pytest.approx([18.5, 62.5], abs=1e-3)


@pytest.mark.parametrize("matrix", [SHIFT, LEAN])
def test_overlap_is_the_share_of_pixels_inside(matrix):
    white = np.full((480, 640), 255, np.uint8)
    fine = np.diag([4, 4, 1.0]) @ matrix @ np.diag([1 / 4, 1 / 4, 1])
    drawn = (cv2.warpPerspective(white, fine, (640, 480)) > 127).sum()
    whole = max(cv2.contourArea(homography.project(fine, homography.frame_corners((640, 480)))), 640 * 480)
    assert homography.view_overlap(matrix, (120, 160)) == pytest.approx(drawn / whole, abs=0.01)


@pytest.mark.parametrize("matrix, expected", [
    (np.eye(3), True), (LEAN, True),
    (np.diag([-1, 1, 1.0]), False),                                   # mirrored
    (np.diag([0.3, 0.3, 1.0]), False),                                # far too small
    (np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]]), False),       # half of it behind the camera
])
def test_plausible(matrix, expected):
    assert homography.plausible(matrix, (120, 160)) == expected


def test_extent_contains_all_views():
    low, high = homography.views_extent(np.stack([np.eye(3), SHIFT]), (160, 120))
    assert low.tolist() == [0, -10] and high.tolist() == [200, 120]
