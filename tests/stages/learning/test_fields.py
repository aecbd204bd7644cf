"""Fields against the distance to a limb worked out by hand."""

import numpy as np
import pytest
import torch

from stages.learning import fields
from stages.vision import skeleton

CPU = torch.device("cpu")


def neck_to_nose(neck: tuple, nose: tuple) -> skeleton.Pose:
    pose = skeleton.Pose.unknown(1)
    pose.body[0, skeleton.NECK], pose.body[0, skeleton.NOSE] = (*neck, 1), (*nose, 1)
    return pose


LIMB = skeleton.LIMBS.index((skeleton.NECK, skeleton.NOSE)) * fields.CHANNELS


@pytest.mark.parametrize("x, y, along, distance", [
    (32.5, 40.5, 0.25, 0.0),   # on the limb, a quarter of the way
    (42.5, 30.5, 0.5, 10.0),   # beside its middle
    (32.5, 60.5, -0.25, 10.0), # beyond its first end
])
def test_a_pixel_knows_its_place_on_the_limb(x, y, along, distance):
    pose = neck_to_nose((32.5, 50.5), (32.5, 10.5))
    picture = fields.fields(pose, 64, 64, ("body",), CPU)[0, LIMB : LIMB + 3].numpy()
    nearness, place, side = picture[:, int(y), int(x)]
    spread = fields.SPREAD * 64
    assert nearness == pytest.approx(1 / (1 + (distance / spread) ** 2), rel=1e-3)
    assert place / nearness == pytest.approx(along - 0.5, abs=1e-3)
    wave = fields.fields(pose, 64, 64, ("body",), CPU)[0, LIMB + 3 : LIMB + 5, int(y), int(x)].numpy() / nearness
    turn = 2 * np.pi * fields.TURNS * along
    assert wave == pytest.approx([np.sin(turn), np.cos(turn)], abs=1e-3)
    assert abs(side / nearness) * spread == pytest.approx(10.0 if along == 0.5 else 0.0, abs=1e-3)


def test_unknown_limbs_are_empty_and_other_poses_do_not_matter():
    both = skeleton.Pose.stack([neck_to_nose((20, 30), (20, 10))[0], skeleton.Pose.unknown()])
    picture = fields.fields(both, 16, 64, skeleton.PARTS, CPU)
    assert picture.isfinite().all()
    assert picture[1].abs().sum() == 0 and picture[0, LIMB].max() > 0.3
    others = [c for c in range(picture.shape[1]) if not LIMB <= c < LIMB + fields.CHANNELS]
    assert picture[0, others].abs().sum() == 0


@pytest.mark.parametrize("parts", [("body",), ("body", "feet"), skeleton.PARTS])
def test_channels_are_counted(parts):
    shape = fields.fields(skeleton.Pose.unknown(2), 8, 64, parts, CPU).shape
    assert shape == (2, fields.CHANNELS * fields.limb_count(parts), 8, 8)


def test_size_changes_only_the_sampling():
    pose = neck_to_nose((30, 50), (34, 12))
    large = fields.fields(pose, 64, 64, ("body",), CPU)
    small = fields.fields(pose, 32, 64, ("body",), CPU)
    averaged = torch.nn.functional.avg_pool2d(large, 2)
    assert np.abs((averaged - small).numpy()).mean() < 2e-3
