"""Crops of body parts, changes added to them, and maps of their limbs compared pixel by pixel."""

import numpy as np
import pytest
import torch

from stages.learning import part_crops
from stages.nets.refiner import REFINED_PARTS
from stages.pose.skeleton import Pose

CPU = torch.device("cpu")


@pytest.mark.parametrize("corner", [(5, 9), (-3, 4), (15, -7), (14, 15), (-30, 2)])
def test_a_crop_shows_its_pixels_and_is_empty_outside_the_frame(corner):
    picture = torch.rand(4, 20, 20)
    whole = torch.zeros(4, 100, 100)
    whole[:, 40:60, 40:60] = picture
    x, y = np.array(corner) + 40
    crop = part_crops.crop_parts([picture], np.array([corner]), 8)[0]
    assert torch.equal(crop, whole[:, y : y + 8, x : x + 8])


@pytest.mark.parametrize("side, grid, expected", [
    (0.156 * 256, 4, 40), (0.156 * 320, 4, 48), (0.156 * 512, 4, 80), (0.1875 * 512, 16, 96), (42, 16, 48), (3, 4, 16)])
def test_the_side_of_crops_can_be_downsampled(side, grid, expected):
    assert part_crops.crop_side(side, grid) == expected


def test_crops_are_centred_on_their_boxes():
    boxes = np.array([[10, 20, 31, 41], [10.2, 20.4, 30.2, 40.4]])
    middles = part_crops.crop_corners(boxes, 8) + 4
    assert np.abs(middles - (boxes[:, :2] + boxes[:, 2:]) / 2).max() <= 0.5


@pytest.mark.parametrize("corner", [(40, 30), (-10, 5)])
def test_a_change_is_added_unchanged_and_fades_at_the_border(corner):
    picture, change = torch.zeros(4, 120, 120), torch.rand(1, 4, 40, 40) + 0.1
    part_crops.add_changes([picture], change, np.array([corner]))
    inside = part_crops.crop_parts([picture], np.array([corner]), 40)
    share = (inside / change)[0, 0]
    left = max(0, -corner[0])
    assert torch.allclose(share[10:30, max(left, 10) : 30], torch.ones(1)) and 0 < share[0, 20] < 0.3
    assert torch.equal(share[20, left:] > 0, torch.ones(40 - left, dtype=bool))
    part_crops.add_changes([picture], -change, np.array([corner]))
    assert torch.allclose(picture, torch.zeros(1), atol=1e-6)  # and nowhere else


def by_hand(a, b, corner, side):
    """Nearness, along and across of one limb, one pixel after another."""
    out = np.zeros((3, side, side))
    for y in range(side):
        for x in range(side):
            p = np.array([x + 0.5, y + 0.5]) + corner
            limb = b - a
            length = np.linalg.norm(limb)
            along = (p - a) @ limb / length**2 if length else 0.0
            nearest = a + np.clip(along, 0, 1) * limb
            near = 1 / (1 + (np.linalg.norm(p - nearest) / side / part_crops.SPREAD) ** 2)
            across = (limb[0] * (p - a)[1] - limb[1] * (p - a)[0]) / length / side / part_crops.SPREAD if length else 0.0
            out[:, y, x] = near, near * np.clip(along - 0.5, -1, 1), near * across
    return out


@pytest.mark.parametrize("part", REFINED_PARTS)
def test_limb_maps_show_the_limbs_of_the_part_and_unknown_ones_are_empty(part):
    rng = np.random.default_rng(1)
    pose = Pose.unknown(1).map(lambda points: np.concatenate(
        [rng.uniform(10, 40, (*points.shape[:-1], 2)), np.ones((*points.shape[:-1], 1))], -1).astype(np.float32))
    corner, points = np.array([13, 17]), np.concatenate(
        [pose.body[0], getattr(pose, part if part in ("face", "right_hand", "left_hand") else "feet")[0]])
    found = part_crops.draw_part_limb_maps(pose, part, corner[None], 16, CPU)[0].numpy()
    assert len(found) == part_crops.part_conditioning_channels(part, True) == 3 * len(part_crops.PART_LIMBS[part])
    for i, (a, b) in enumerate(part_crops.PART_LIMBS[part]):
        expected = by_hand(points[a, :2].astype(float), points[b, :2].astype(float), corner, 16)
        assert np.abs(found[3 * i : 3 * i + 3] - expected).max() < 1e-3, (a, b)
    a, _ = part_crops.PART_LIMBS[part][0]
    unknown = pose.map(np.copy)
    (unknown.body[0, a] if a < part_crops.OWN else unknown.face[0, a - part_crops.OWN])[:] = (np.nan, np.nan, 0)
    found = part_crops.draw_part_limb_maps(unknown, part, corner[None], 16, CPU)[0]
    assert found.isfinite().all() and not found[:3].any()
