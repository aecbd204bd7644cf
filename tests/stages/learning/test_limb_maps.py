"""Limb maps compared with positions relative to a limb computed by hand."""

import numpy as np
import pytest
import torch

from stages.learning import limb_maps
from stages.learning.crops import Crops
from stages.pose import skeleton
from tests.conftest import waving_pose


def limb_by_limb(poses: skeleton.Pose, crops: Crops, size: int, patch_size: int, parts: tuple) -> torch.Tensor:
    """Maps with the five channels of each limb together, (B, 5 limbs, h, w)."""
    context = np.arange(len(poses))[:, None]
    pose_maps = limb_maps.draw_limb_maps(poses, context, crops, size, patch_size, parts, torch.device("cpu"))
    assert pose_maps.shape[1] == limb_maps.limb_map_channels(parts, 0)
    return pose_maps.unflatten(1, (limb_maps.CHANNELS_PER_LIMB, -1)).transpose(1, 2).flatten(1, 2)


def full_frame(poses: skeleton.Pose, size: int, patch_size: int = 1, parts: tuple = ("body",)) -> torch.Tensor:
    return limb_by_limb(poses, Crops.full_frame(len(poses), size), size, patch_size, parts)


def neck_to_nose(neck: tuple, nose: tuple) -> skeleton.Pose:
    pose = skeleton.Pose.unknown(1)
    pose.body[0, skeleton.NECK], pose.body[0, skeleton.NOSE] = (*neck, 1), (*nose, 1)
    return pose


LIMB = skeleton.LIMBS.index((skeleton.NECK, skeleton.NOSE)) * limb_maps.CHANNELS_PER_LIMB


@pytest.mark.parametrize("x, y, along, distance", [
    (32.5, 40.5, 0.25, 0.0),   # on the limb, a quarter of the way
    (42.5, 30.5, 0.5, 10.0),   # next to its middle
    (32.5, 60.5, -0.25, 10.0), # beyond its first end
])
def test_a_pixel_has_its_position_relative_to_the_limb(x, y, along, distance):
    pose = neck_to_nose((32.5, 50.5), (32.5, 10.5))
    picture = full_frame(pose, 64)[0, LIMB : LIMB + 3].numpy()
    nearness, place, side = picture[:, int(y), int(x)]
    spread = limb_maps.SPREAD * 64
    assert nearness == pytest.approx(1 / (1 + (distance / spread) ** 2), rel=1e-3)
    assert place / nearness == pytest.approx(along - 0.5, abs=1e-3)
    wave = full_frame(pose, 64)[0, LIMB + 3 : LIMB + 5, int(y), int(x)].numpy() / nearness
    turn = 2 * np.pi * limb_maps.WAVE_PERIODS * along
    assert wave == pytest.approx([np.sin(turn), np.cos(turn)], abs=1e-3)
    assert abs(side / nearness) * spread == pytest.approx(10.0 if along == 0.5 else 0.0, abs=1e-3)


def test_unknown_limbs_are_empty_and_other_poses_have_no_effect():
    both = skeleton.Pose.stack([neck_to_nose((20, 30), (20, 10))[0], skeleton.Pose.unknown()])
    picture = full_frame(both, 64, 4, skeleton.DRAWN_PARTS)
    assert picture.isfinite().all()
    assert picture[1].abs().sum() == 0 and picture[0, LIMB].max() > 0.3
    others = [c for c in range(picture.shape[1]) if not LIMB <= c < LIMB + limb_maps.CHANNELS_PER_LIMB]
    assert picture[0, others].abs().sum() == 0


@pytest.mark.parametrize("parts", [("body",), ("body", "feet"), skeleton.DRAWN_PARTS])
def test_every_limb_of_the_parts_has_its_channels(parts):
    """And all values are finite."""
    pose_maps = full_frame(skeleton.Pose.stack([waving_pose(0.3)]), 64, 2, parts)[0]
    pose_maps = pose_maps.unflatten(0, (-1, limb_maps.CHANNELS_PER_LIMB))
    assert (pose_maps[:, 0].amax((1, 2)) > 0.5).all() and pose_maps.isfinite().all()


def test_patch_size_changes_only_the_sampling():
    pose = neck_to_nose((30, 50), (34, 12))
    large, small = full_frame(pose, 64), full_frame(pose, 64, 2)
    averaged = torch.nn.functional.avg_pool2d(large, 2)
    assert np.abs((averaged - small).numpy()).mean() < 2e-3


def test_a_crop_is_a_crop_of_the_full_maps_and_independent_of_others():
    poses = skeleton.Pose.stack([waving_pose(0.9 * i) for i in range(3)])
    corners = np.array([(16, 8), (0, 0), (32, 24)])
    cut = limb_by_limb(poses, Crops(corners, 32, 40), 64, 4, skeleton.DRAWN_PARTS)
    for i, (x, y) in enumerate(corners // 4):
        square = full_frame(poses[i : i + 1], 64, 4, skeleton.DRAWN_PARTS)[0]
        assert torch.allclose(cut[i], square[:, y : y + 10, x : x + 8], atol=1e-4)
        alone = limb_by_limb(poses[i : i + 1], Crops(corners[i : i + 1], 32, 40), 64, 4, skeleton.DRAWN_PARTS)
        assert torch.equal(alone[0], cut[i])


@pytest.mark.parametrize("pose_context", [1, 2])
def test_motion_is_that_of_the_nearest_limb(pose_context):
    """In SPREADs; 0 if the limb is unknown, and beyond the first and last pose."""
    still, step = neck_to_nose((32.5, 50.5), (32.5, 10.5)), np.float32([3, -2, 0])
    poses = skeleton.Pose.stack([still.map(lambda points: points + t * step)[0] for t in range(6)])
    poses.body[5] = np.nan
    around = np.clip(np.arange(6)[:, None] + np.arange(-pose_context, pose_context + 1), 0, 5)
    pose_maps = limb_maps.draw_limb_maps(poses, around, Crops.full_frame(6, 64), 64, 1, ("body",), torch.device("cpu"))
    motion = pose_maps[:, limb_maps.limb_map_channels(("body",), 0) :]
    motion = motion.unflatten(1, (-1, limb_maps.CHANNELS_PER_MOTION))  # (6, 2 k, 2, h, w)
    for t in range(6):
        x, y = (np.array([32.5, 30.5]) + t * step[:2]).astype(int)
        for i, j in enumerate(np.delete(around[t], pose_context)):
            expected = (j - t) * step[:2] / (limb_maps.SPREAD * 64) if 5 not in (j, t) else (0, 0)
            assert motion[t, i, :, y, x].numpy() == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_motion_is_interpolated_along_the_limb():
    """If one end moves and the other does not, the middle moves half as much."""
    poses = skeleton.Pose.stack([neck_to_nose((32.5, 50.5), nose)[0] for nose in ((32.5, 10.5), (36.5, 10.5))])
    context, crops = np.array([[0, 0, 1]]), Crops.full_frame(1, 64)
    pose_maps = limb_maps.draw_limb_maps(poses, context, crops, 64, 1, ("body",), torch.device("cpu"))
    x = pose_maps[0, -2, [50, 30, 10], 32].numpy() * limb_maps.SPREAD * 64
    assert x == pytest.approx([0, 2, 4], rel=0.03, abs=0.02) and pose_maps[0, -4].abs().sum() == 0
