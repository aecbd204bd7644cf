"""Generator inference: foregrounds are the network's outputs in its crops, for any batch size."""

import numpy as np
import pytest
import torch

from stages.learning import devices, saved_networks
from stages.learning.conditioning import Conditioning
from stages.learning.crops import STEADY_FRAMES, Crops, pose_boxes, smallest_crop_sizes
from stages.learning.generator_inference import GeneratorInference
from stages.nets.generators import build_generator
from stages.pose.skeleton import Pose
from tests.conftest import waving_pose

CPU = torch.device("cpu")
POSES = Pose.stack([waving_pose(0.4 * i) if i != 3 else Pose.unknown() for i in range(7)])
CONTEXT = Conditioning(64, 2, ("body",), "limbs", 1, CPU)


@pytest.fixture(params=[True, False], ids=["crop", "whole"])
def generator(request, tmp_path) -> GeneratorInference:
    torch.manual_seed(0)
    shape = {"width": 8, "max_channels": 64, "num_downsamples": 2, "blocks": 1, "patch_size": 2, "dense": True,
             "inputs": CONTEXT.in_channels}
    saved_networks.save(tmp_path, build_generator("fakemotion", shape).state_dict(), {
        "architecture": "fakemotion", "shape": shape, "size": 64, "parts": ["body"], "pose_maps": "limbs",
        "pose_context": 1, "crop": request.param, "crop_margin": 0.1})
    return GeneratorInference(tmp_path, CPU)


def smallest(boxes: np.ndarray) -> Crops:
    return Crops.centred_on(boxes, 64, 2, smallest_crop_sizes(boxes, 64, 8, 2).max(0))


def test_each_crop_is_pasted_into_an_empty_frame(generator):
    known = np.array([0, 1, 2, 4, 5, 6])
    crops = Crops.full_frame(6, 64)
    if generator.about["crop"]:
        crops = smallest(pose_boxes(POSES[known], 0.1))
        assert 16 <= crops.width < 64
    (indices, found), = generator.foregrounds(POSES, 7)
    assert indices.tolist() == list(range(7)) and found.shape == (7, 4, 64, 64) and found[3].abs().sum() == 0
    pose_maps = CONTEXT.pose_maps(POSES, CONTEXT.context_frames(known, np.zeros(7, int)), crops)
    with torch.no_grad(), devices.autocast(CPU):
        expected = generator.generator(pose_maps).float()
    for i, picture, (left, top, right, bottom) in zip(known, expected, crops.boxes()):
        assert torch.allclose(found[i, :, top:bottom, left:right], picture, atol=1e-5)
        assert found[i].sum() == pytest.approx(picture.sum().item(), rel=1e-4)


def test_takes_are_generated_independently(generator):
    """The frames at the border of two takes use no pose of the other take."""
    alone = torch.cat([found for part in (slice(0, 5), slice(5, 7))
                       for _, found in generator.foregrounds(POSES[part], 7)])
    (_, together), = generator.foregrounds(POSES, 7, np.repeat([0, 1], [5, 2]))
    (_, as_one), = generator.foregrounds(POSES, 7)
    differing = lambda found: [t for t in range(7) if not torch.allclose(found[t], alone[t], atol=1e-5)]
    assert differing(together) == [] and {4, 5} <= set(differing(as_one))


@pytest.mark.parametrize("generator", [True], indirect=True)
def test_crops_do_not_grow_before_another_take(generator):
    small = Pose.stack([POSES[0].map(lambda points: points * np.float32([0.5, 0.5, 1]))] * 6)
    boxes = pose_boxes(Pose.concatenate([small, POSES[:3]]), 0.1)
    own = [generator.crop_sizes(boxes[part], np.zeros(len(boxes[part]), int)) for part in (slice(0, 6), slice(6, 9))]
    assert (own[0] < own[1][0]).any()
    assert np.array_equal(generator.crop_sizes(boxes, np.repeat([0, 1], [6, 3])), np.concatenate(own))


def test_crop_sizes_follow_the_poses_and_change_rarely(generator):
    """The person is small in all frames but one, and unknown in another."""
    small = Pose.stack([POSES[0].map(lambda points: points * np.float32([0.5, 0.5, 1]))] * 30)
    boxes = pose_boxes(small, 0.1)
    boxes[15], boxes[2] = (0, 0, 64, 64), np.nan
    sides = generator.crop_sizes(boxes, np.zeros(30, int))
    if not generator.about["crop"]:
        assert (sides == 64).all()
        return
    own = smallest(boxes[:1])
    large = np.arange(30)[(sides == 64).all(1)]
    assert large.tolist() == list(range(15 - STEADY_FRAMES, 15 + STEADY_FRAMES + 1))
    assert (np.delete(sides, large, 0) == (own.width, own.height)).all() and own.width < 64


def test_frames_with_several_crop_sizes_keep_their_order(generator):
    """A batch is generated in one part for each crop size; each frame is the same as alone."""
    steps = [0.3] * 20 + [1.0] * 20
    poses = Pose.stack([POSES[i % 3].map(lambda points: points * np.float32([s, s, 1])) for i, s in enumerate(steps)])
    (_, found), = generator.foregrounds(poses, 40)
    if generator.about["crop"]:
        assert len(np.unique(generator.crop_sizes(pose_boxes(poses, 0.1), np.zeros(40, int)), axis=0)) > 1
    for i, (indices, alone) in enumerate(generator.foregrounds(poses, 1)):
        assert indices.tolist() == [i] and torch.allclose(found[i], alone[0], atol=1e-2)  # tolerance for bfloat16
        assert alone.abs().sum() > 1


def test_batches_come_in_order(generator):
    found = [indices.tolist() for indices, _ in generator.foregrounds(POSES, 3)]
    assert found == [[0, 1, 2], [3, 4, 5], [6]]
