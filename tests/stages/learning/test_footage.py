import numpy as np
import pytest
import torch

from stages import InputError
from stages.learning import footage
from stages.media import video
from stages.vision import skeleton
from stages.vision.skeleton import read_poses


def test_foreground_is_the_frame_times_its_mask(subject):
    poses, _, _ = read_poses(subject["poses"])
    data = footage.Footage(subject["frames"], subject["masks"], poses, 10)
    frame = video.pick(subject["frames"], [7])[7] / 255
    mask = video.pick(subject["masks"], [7], "gray")[7][..., None] / 255
    found = data.foreground(np.array([3, 7]))[1].permute(1, 2, 0).numpy()
    assert np.allclose(found, np.concatenate([frame * mask, mask], -1), atol=1e-6)


def test_too_few_frames_are_an_error(subject):
    poses, _, _ = read_poses(subject["poses"])
    with pytest.raises(InputError, match="fewer frames than the clock's 99"):
        footage.Footage(subject["frames"], subject["masks"], poses, 99)


@pytest.mark.parametrize("drawing", ["lines", "fields"])
def test_windows_hold_the_poses_before_and_after(subject, drawing):
    poses, _, _ = read_poses(subject["poses"])
    window = footage.windows(poses, np.array([0, 5, 23]), 32, 64, ("body",), drawing, torch.device("cpu"))
    pictures = footage.skeletons(poses, np.array([0, 1, 4, 5, 6, 22, 23]), 32, 64, ("body",))
    assert window.shape[1] == footage.channels(("body",), drawing)
    for row, (before, now, after) in enumerate([(0, 0, 1), (2, 3, 4), (5, 6, 6)]):
        assert torch.equal(window[row, :9], torch.cat([pictures[before], pictures[now], pictures[after]]))


def test_a_shift_moves_pose_and_picture_alike():
    """A dot painted at a joint is found at the moved joint."""
    shift, pose = footage.Shift(1.1, 0.05, -0.1), skeleton.Pose.unknown()
    pose.body[0] = (40.5, 30.5, 1)
    picture = torch.zeros(1, 4, 64, 64)
    picture[..., 29:32, 39:42] = 1
    moved = shift.picture(picture)[0, 0]
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    found = [(moved * axis).sum() / moved.sum() for axis in (x, y)]
    assert shift.pose(pose, 64).body[0, :2] == pytest.approx([v.item() for v in found], abs=0.05)


def test_no_shift_changes_nothing():
    picture = torch.rand(1, 4, 16, 16)
    still = footage.Shift.draw(0.0, np.random.default_rng(0))
    assert torch.allclose(still.picture(picture), picture, atol=1e-5)
