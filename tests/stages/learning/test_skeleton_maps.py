"""Skeleton maps compared with OpenCV's drawings at eight times the size, averaged for finer antialiasing."""

import cv2
import numpy as np
import pytest
import torch

from stages.learning.crops import Crops
from stages.learning.skeleton_maps import draw_skeleton_maps
from stages.pose import skeleton
from tests.conftest import waving_pose

CPU = torch.device("cpu")
POSES = skeleton.Pose.stack([waving_pose(0.9 * i, 256) for i in range(4)])


def full_frame(poses, patch_size=1, parts=skeleton.DRAWN_PARTS, size=256) -> torch.Tensor:
    return draw_skeleton_maps(poses, Crops.full_frame(len(poses), size), size, patch_size, parts, CPU)


@pytest.mark.parametrize("patch_size", [1, 2])
def test_coverage_agrees_with_opencv(patch_size):
    size, parts = 256 // patch_size, ("body", "feet")
    for pose, picture in zip(POSES, full_frame(POSES, patch_size, parts)):
        large = skeleton.draw(pose, 8 * size, 8 / patch_size, parts)
        expected = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).transpose(2, 0, 1) / 255
        error = np.abs(picture.numpy() - expected)
        assert error.mean() < 0.15 * expected.mean() and error.max() < 0.6
        assert picture.mean() == pytest.approx(expected.mean(), rel=0.12)  # OpenCV's lines are wider by about a pixel


def test_colours_agree_with_opencv():
    """At the middle of limbs and joints that nothing overlaps."""
    picture = (255 * full_frame(POSES)[0]).permute(1, 2, 0).numpy()
    expected = skeleton.draw(POSES[0], 256, 1, skeleton.DRAWN_PARTS)
    body, hands = POSES.body[0, :, :2], (POSES.right_hand[0, :, :2], POSES.left_hand[0, :, :2])
    middles = [(body[a] + body[b]) / 2 for a, b in skeleton.LIMBS[2:12]] + [body[j] for j in range(2, 13)]
    middles += [(POSES.body[0, ankle, :2] + POSES.feet[0, heel, :2]) / 2 for ankle, heel, _ in skeleton.FEET]
    middles += [POSES.feet[0, [1, 3], :2].mean(0)] + [point for hand in hands for point in hand[[4, 8, 12, 16, 20]]]
    checked = 0
    for x, y in np.floor(middles).astype(int):
        if expected[y, x].max() > 180:  # not half covered
            share = picture[y, x] / max(picture[y, x].max(), 1)
            assert share == pytest.approx(expected[y, x] / expected[y, x].max(), abs=0.12), (x, y)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("steep", [False, True])
def test_lines_have_their_width_at_any_position(steep):
    """The coverage across a limb adds up to 0.75 % of the side, or one pixel."""
    for size, width in ((512, 3.84), (64, 1.0)):
        for offset in (0.0, 0.3, 0.5):
            pose = skeleton.Pose.unknown(1)
            ends = np.array([(0.2 * size, 0.5 * size + offset), (0.8 * size, 0.5 * size + offset)])
            pose.body[0, [9, 10], :2], pose.body[0, [9, 10], 2] = ends[:, ::-1] if steep else ends, 1
            picture = full_frame(pose, 1, ("body",), size)[0].numpy()
            colour = np.array([int(0.75 * c) for c in skeleton.COLOURS[skeleton.LIMBS.index((9, 10))]]) / 255
            across = picture[:, size // 2, :] if steep else picture[:, :, size // 2]
            assert across.sum(1) == pytest.approx(colour * width, abs=1e-3)


def test_a_crop_is_a_crop_of_the_full_map():
    corners = np.array([(64, 32), (100, 0), (4, 96), (96, 128)])
    for patch_size in (1, 4):
        cut = draw_skeleton_maps(POSES, Crops(corners, 96, 128), 256, patch_size, skeleton.DRAWN_PARTS, CPU)
        for (x, y), part, picture in zip(corners // patch_size, cut, full_frame(POSES, patch_size)):
            assert torch.allclose(part, picture[:, y : y + 128 // patch_size, x : x + 96 // patch_size], atol=1e-4)


def test_a_map_does_not_depend_on_the_others():
    together = full_frame(POSES, 4)
    assert all(torch.equal(full_frame(POSES[i : i + 1], 4)[0], together[i]) for i in range(4))


def test_unknown_and_outside_points_are_left_out():
    poses = skeleton.Pose.unknown(3)
    poses.body[1, [1, 2]] = (30, 40, 0), (50, 60, 1)         # one end unknown
    poses.body[2, [1, 2]] = (-4e4, 30.5, 1), (4e4, 30.5, 1)  # both ends far away, the limb across the picture
    picture = full_frame(poses, 1, ("body",), 64)
    assert picture[0].abs().sum() == 0
    assert picture[1].sum() == pytest.approx(np.pi * sum(skeleton.COLOURS[2]) / 255, rel=0.05)  # a dot of radius 1
    assert (picture[2, :, 30].sum(0) > 0.5).all() and picture[2, :, 33:].abs().sum() == 0
