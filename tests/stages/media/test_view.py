"""The view of a moving camera and warps to the canvas, compared with geometry computed point by point."""

import cv2
import numpy as np
import pytest

from stages.media import footage
from stages.media.view import View, stabilised_crop, warp_to_canvas

FRAME, CANVAS = (160, 120), (240, 200)
TURN = np.array([[0.98, -0.12, 40.0], [0.12, 0.98, 25.0], [2e-4, -1e-4, 1.0]])
SHIFT = np.array([[1.0, 0, 30], [0, 1, 20], [0, 0, 1]])


def view(camera, moving=True):
    return View(np.zeros((1, 4)), np.ones(1), camera[None], np.zeros((1, 6)),
                {"moving": moving, "reference": 0, "frame_size": list(FRAME)})


def seen(points, camera):
    """Mask of the canvas points (h, w, 2), pixel centres, that are inside the frame."""
    back = np.concatenate([points, np.ones_like(points[..., :1])], -1) @ np.linalg.inv(camera).T
    x, y = back[..., 0] / back[..., 2], back[..., 1] / back[..., 2]
    return (x > -0.5) & (x < FRAME[0] - 0.5) & (y > -0.5) & (y < FRAME[1] - 0.5)


@pytest.mark.parametrize("camera", [TURN, SHIFT])
def test_visible(camera):
    grid = np.stack(np.meshgrid(np.arange(CANVAS[0]), np.arange(CANVAS[1])), -1).astype(float)
    found = view(camera).visible_full(0, CANVAS)
    assert found.shape == CANVAS[::-1] and 0.3 < found.mean() < 0.7
    assert (found != seen(grid, camera)).mean() < 0.01
    crop, size = [20, -10, 180], 64
    square = (np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) + 0.5) * 180 / size + [19.5, -10.5]
    found = view(camera).visible(0, crop, size)
    assert 0.2 < found.mean() < 0.8 and (found != seen(square, camera)).mean() < 0.02


def test_a_static_camera_sees_everything():
    still = view(np.eye(3), moving=False)
    assert still.visible(0, [-10, 0, 200], 64).all() and still.visible_full(0, FRAME).all()


def scene(size):
    noise = np.random.default_rng(0).integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def test_the_reference_frame_is_copied_exactly():
    frame = scene(FRAME)
    found = warp_to_canvas(frame, SHIFT, CANVAS)
    assert np.array_equal(found[20:140, 30:190], frame)
    assert (found[:20, 30:190] == frame[:1]).all() and (found[20:140, :30] == frame[:, :1]).all()


@pytest.mark.parametrize("size", [32, 64, 90, 128])
def test_the_stabilised_crop_is_that_of_the_canvas(size):
    """A frame rendered from the canvas with the true camera, compared with a crop of the canvas itself."""
    wide, crop = scene(CANVAS), [55, 50, 90]
    frame = cv2.warpPerspective(wide, TURN, FRAME, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    found = stabilised_crop(frame, TURN, crop, size).astype(float)
    inside = view(TURN).visible(0, crop, size)
    error = (found - footage.crop_square(wide, crop, size))[inside]
    assert inside.mean() > 0.95 and 10 * np.log10(255**2 / np.mean(error**2)) > 38
