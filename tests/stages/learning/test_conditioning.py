import numpy as np
import pytest
import torch

from stages.learning.conditioning import Conditioning
from stages.learning.crops import Crops
from stages.learning.limb_maps import draw_limb_maps
from stages.learning.skeleton_maps import draw_skeleton_maps
from stages.pose import skeleton
from tests.conftest import waving_pose

CPU = torch.device("cpu")
POSES = skeleton.Pose.stack([waving_pose(0.4 * i) for i in range(24)])
FRAMES = np.array([0, 5, 23])
CROPS = Crops(np.array([(8, 0), (0, 8), (16, 0)]), 32, 48)


@pytest.mark.parametrize("pose_context, around", [
    (0, [[0], [5], [23]]),
    (1, [[0, 0, 1], [4, 5, 6], [22, 23, 23]]),  # the take's first or last pose is repeated
    (2, [[0, 0, 0, 1, 2], [3, 4, 5, 6, 7], [21, 22, 23, 23, 23]]),
])
def test_poses_before_and_after_are_drawn_in_the_crop_of_the_frame(pose_context, around):
    context = Conditioning(64, 2, ("body", "feet"), "skeleton", pose_context, CPU)
    assert context.context_frames(FRAMES, np.zeros(24, int)).tolist() == around
    pose_maps = context.pose_maps(POSES, context.context_frames(FRAMES, np.zeros(24, int)), CROPS)
    assert pose_maps.shape == (3, context.in_channels, 24, 16)
    assert pose_maps.is_contiguous(memory_format=torch.channels_last)
    for i, near in enumerate(around):
        crops = Crops(np.repeat(CROPS.corners[i : i + 1], len(near), 0), 32, 48)
        expected = draw_skeleton_maps(POSES[near], crops, 64, 2, ("body", "feet"), CPU)
        assert torch.equal(pose_maps[i], expected.flatten(0, 1))


def test_the_context_does_not_cross_the_border_of_a_take():
    context = Conditioning(64, 2, ("body",), "limbs", 2, CPU)
    near = context.context_frames(np.array([0, 3, 4, 5, 9]), np.repeat([0, 1, 2], [4, 5, 1]))
    assert near.tolist() == [[0, 0, 0, 1, 2], [1, 2, 3, 3, 3], [4, 4, 4, 5, 6], [4, 4, 5, 6, 7], [9] * 5]


@pytest.mark.parametrize("pose_context", [0, 2])
def test_limb_maps_replace_skeleton_maps(pose_context):
    context = Conditioning(64, 2, ("body",), "limbs", pose_context, CPU)
    around = context.context_frames(FRAMES, np.zeros(24, int))
    pose_maps = context.pose_maps(POSES, around, CROPS)
    assert pose_maps.shape == (3, context.in_channels, 24, 16)
    assert pose_maps.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(pose_maps, draw_limb_maps(POSES, around, CROPS, 64, 2, ("body",), CPU))
