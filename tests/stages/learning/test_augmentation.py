"""A foreground, its pose and its box are transformed together."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages.learning.augmentation import SimilarityAugment, noisy
from stages.learning.frame_store import FrameStore
from stages.pose import skeleton
from stages.pose.skeleton import Pose
from tests.conftest import waving_pose


def test_pose_box_and_foreground_are_transformed_alike(lossless, subject):
    """A dot painted at a joint is found at the transformed joint, and within the transformed box."""
    augment, pose = SimilarityAugment(1.1, 0.05, -0.1, 0.2), skeleton.Pose.unknown()
    pose.body[0] = (40.5, 30.5, 1)
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[:, 29:32, 39:42] = 255
    frames, background = lossless("frames.mkv", np.full((1, 64, 64, 3), 255, np.uint8)), subject["background"]
    data = FrameStore(frames, lossless("masks.mkv", mask, "gray"), background, skeleton.Pose.stack([pose]), 1)
    moved = augment.foregrounds(data, np.array([0]), (0, 0, 64, 64))[0, 3]
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    found = [((moved * axis).sum() / moved.sum()).item() for axis in (x, y)]
    assert augment.pose(pose, 64).body[0, :2] == pytest.approx(found, abs=0.05)
    left, top, right, bottom = augment.boxes(data.boxes, 64)[0]
    assert not moved[(x + 0.5 < left) | (x - 0.5 > right) | (y + 0.5 < top) | (y - 0.5 > bottom)].any()
    assert right - left < 6 * 1.1 * 1.2


@pytest.mark.parametrize("box", [(0, 0, 64, 64), (16, 8, 48, 64), (32, 0, 64, 32), (0, 32, 32, 64)])
@pytest.mark.parametrize("augment", [(1.0, 0.0, 0.0), (1.05, 0.03, -0.02), (0.95, -0.4, 0.3), (1.3, 0.0, 0.49),
                                   (0.8, 1.5, 0.0), (1.05, 0.03, -0.02, 0.15), (0.9, 0.0, 0.1, -2.5)])
def test_a_transformed_crop_is_a_crop_of_the_transformed_frame(data, augment, box):
    """Compared with PyTorch's affine_grid on the full frame. Everything from outside the frame is empty."""
    scale, x, y, angle = (*augment, 0.0)[:4]
    square = data.foregrounds(np.array([2, 9]))
    there = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(np.vstack([np.column_stack([there, (2 * x, 2 * y)]), (0, 0, 1)]))[:2]
    back = torch.from_numpy(back.astype(np.float32)).expand(2, 2, 3)
    expected = F.grid_sample(
        square, F.affine_grid(back, square.shape, align_corners=False), mode="bicubic", align_corners=False)
    expected[:, 3].clamp_(0, 1)
    expected[:, :3] = expected[:, :3].clamp_min(0).minimum(expected[:, 3:])
    left, top, right, bottom = box
    found = SimilarityAugment(*augment).foregrounds(data, np.array([2, 9]), box)
    assert torch.allclose(found, expected[:, :, top:bottom, left:right], atol=1e-4)


def test_the_identity_changes_nothing(data):
    still = SimilarityAugment.draw(0.0, 0.0, 1.0, 64, np.random.default_rng(0))
    frames = np.array([1, 5])
    assert torch.equal(still.foregrounds(data, frames, (0, 0, 64, 64)), data.foregrounds(frames))
    assert still.pose(data.poses, 64).body == pytest.approx(data.poses.body)


def test_most_transforms_move_by_whole_pixels(data):
    """These keep every pixel as it was filmed; the others are resampled."""
    random, frames, box = np.random.default_rng(3), np.array([1, 5]), (8, 0, 56, 64)
    augments = [SimilarityAugment.draw(0.3, 0.2, 0.25, 64, random) for _ in range(400)]
    moved = [augment for augment in augments if (augment.scale, augment.angle) == (1, 0)]
    assert 0.7 < len(moved) / len(augments) < 0.8
    square = torch.nn.functional.pad(data.foregrounds(frames), (64,) * 4)
    for augment in moved[:20]:
        x, y = round(64 * augment.x), round(64 * augment.y)
        assert torch.equal(augment.foregrounds(data, frames, box), square[:, :, 64 - y : 128 - y, 72 - x : 120 - x])
    repeated = SimilarityAugment.repeated([moved[0], next(augment for augment in augments if augment.angle)], [1, 2])
    found = repeated.foregrounds(data, np.array([1, 5, 2]), box)
    for i, frame in enumerate((1, 5, 2)):
        assert torch.equal(found[i : i + 1], repeated[i].foregrounds(data, np.array([frame]), box))


def test_noise_has_the_given_deviation_and_depends_on_its_seed_only():
    poses = Pose.stack([waving_pose(0.1)] * 200)
    poses.body[0, 3] = np.nan, np.nan, 0
    seeds = [[1, i] for i in range(200)]
    found = noisy(poses, 0.7, seeds)
    off = (found.points() - poses.points())[1:]
    assert off[..., :2].std() == pytest.approx(0.7, rel=0.02) and not off[..., 2].any()
    assert np.isnan(found.body[0, 3, :2]).all() and np.array_equal(found.depth, poses.depth, equal_nan=True)
    assert np.array_equal(noisy(poses[50:60], 0.7, seeds[50:60]).body, found.body[50:60])
    assert noisy(poses, 0.0, seeds) is poses
