"""Crops hold their boxes, and the box around a pose holds the person."""

import numpy as np
import pytest
import torch

from stages.learning.crops import Crops, crop_images, pose_boxes, smallest_crop_sizes, union_box
from stages.pose import skeleton
from tests.conftest import waving_pose


def smallest(boxes: np.ndarray, size: int, grid: int, patch_size: int) -> Crops:
    return Crops.centred_on(boxes, size, patch_size, smallest_crop_sizes(boxes, size, grid, patch_size).max(0))


@pytest.mark.parametrize("boxes, corners, sides", [
    ([(40, 40, 56, 72)], [(32, 40)], (32, 32)),                              # fits; centred
    ([(41, 39, 56, 72)], [(32, 24)], (32, 64)),                              # a pixel more: one cell more
    ([(0, 0, 10, 10), (100, 100, 128, 128)], [(0, 0), (96, 96)], (32, 32)),  # at the edges of the square
    ([(-50, 10, 300, 20)], [(0, 0)], (128, 32)),                             # larger than the square
    ([(200, 200, 260, 260)], [(96, 96)], (32, 32)),                          # outside of it
    ([(np.nan,) * 4, (10, 20, 80, 60)], [(16, 32), (0, 8)], (96, 64)),       # unknown pose: at the centre
])
def test_crops_are_the_smallest_that_hold_their_boxes(boxes, corners, sides):
    crops = smallest(np.array(boxes, float), 128, 32, 4)
    assert (crops.width, crops.height) == sides
    assert crops.corners.tolist() == [list(corner) for corner in corners]


def test_a_crop_shows_the_middle_of_a_larger_box():
    crops = Crops.centred_on(np.array([(40.0, 40, 88, 72)]), 128, 4, np.array([32, 64]))
    assert crops.boxes() == [(48, 24, 80, 88)]


def test_crops_hold_any_boxes():
    random = np.random.default_rng(0)
    for grid, patch_size in ((32, 4), (64, 1), (16, 2)):
        low = random.uniform(0, 180, (50, 2))
        boxes = np.concatenate([low, low + random.uniform(0, 76, (50, 2))], 1)
        crops = smallest(boxes, 256, grid, patch_size)
        held = np.array(crops.boxes())
        assert (held[:, :2] <= boxes[:, :2]).all() and (held[:, 2:] >= boxes[:, 2:]).all()
        assert held.min() >= 0 and held.max() <= 256 and not (held[:, :2] % patch_size).any()
        assert crops.width % grid == crops.height % grid == 0 and max(crops.width, crops.height) <= 96 + grid


def test_a_box_has_its_margin_around_the_known_points_only():
    poses = skeleton.Pose.unknown(2)
    poses.body[0, 3], poses.feet[0, 1], poses.body[0, 5] = (10, 20, 1), (50, 100, 0.5), (1, 1, 0)
    boxes = pose_boxes(poses, 0.1)
    assert boxes[0] == pytest.approx((10 - 8, 20 - 16, 50 + 8, 100 + 8))
    assert np.isnan(boxes[1]).all()


def test_a_union_ignores_unknown_boxes():
    unknown = np.full(4, np.nan)
    assert union_box(np.array([(1, 2, 3, 4), unknown, (0, 3, 2, 9)])).tolist() == [0, 2, 3, 9]
    assert np.isnan(union_box(np.array([unknown]))).all()


def test_the_box_of_a_pose_holds_the_rendered_person(stranger, config):
    """With hair, clothes and hands, for the margin of the preset."""
    margin = config.presets["demo"].generator_training.crop_margin
    boxes = pose_boxes(stranger.pose, margin)
    crops = smallest(boxes, 256, 32, 4)
    for alpha, (left, top, right, bottom) in zip(stranger.alpha, crops.boxes()):
        assert alpha[top:bottom, left:right].sum(dtype=float) >= 0.999 * alpha.sum(dtype=float)
    assert crops.width * crops.height < 0.9 * 256**2


def test_a_box_moves_with_the_pose():
    pose = skeleton.Pose.stack([waving_pose(0.0)])
    moved = pose.map(lambda points: points + np.float32([7, -3, 0]))
    assert pose_boxes(moved, 0.1) == pytest.approx(pose_boxes(pose, 0.1) + [7, -3, 7, -3])


def test_a_crop_is_empty_outside_the_image():
    pictures = list(torch.rand(3, 2, 8, 8))
    boxes = np.array([(-2, 3, 4, 7), (5, 6, 11, 10), (20, -9, 26, -5)])
    found = crop_images(pictures, boxes)
    expected = torch.stack([torch.nn.functional.pad(picture, (20,) * 4)[:, top + 20 : bottom + 20, left + 20 : right + 20]
                            for picture, (left, top, right, bottom) in zip(pictures, boxes.tolist())])
    assert torch.equal(found, expected) and found[2].count_nonzero() == 0
