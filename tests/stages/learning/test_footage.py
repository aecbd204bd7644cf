import tempfile

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages import InputError, layout
from stages.learning import footage
from stages.media import video
from stages.vision import skeleton
from stages.vision.skeleton import read_poses


@pytest.fixture(scope="module")
def data(subject):
    poses, _, _ = read_poses(subject["poses"])
    return footage.Footage(subject["frames"], subject["masks"], poses, 10)


def test_foreground_is_the_frame_times_its_mask(subject, data):
    frame = video.pick(subject["frames"], [7])[7] / 255
    mask = video.pick(subject["masks"], [7], "gray")[7][..., None] / 255
    found = data.foreground(np.array([3, 7]))[1].permute(1, 2, 0).numpy()
    assert np.allclose(found, np.concatenate([frame * mask, mask], -1), atol=1e-6)


def test_frames_lie_in_the_project_not_in_the_system_s_temporary_folder(subject, tmp_path, monkeypatch):
    """Which may be memory; and nothing of them is left, not even by a process that is killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    data = footage.Footage(subject["frames"], subject["masks"], read_poses(subject["poses"])[0], 10)
    assert data.foreground(np.array([3])).any() and list(layout.CHECKPOINTS.iterdir()) == []


def test_too_few_frames_are_an_error(subject):
    poses, _, _ = read_poses(subject["poses"])
    with pytest.raises(InputError, match="fewer frames than the clock's 99"):
        footage.Footage(subject["frames"], subject["masks"], poses, 99)


def test_a_window_of_the_foreground_is_a_cut_out_of_it(data):
    frames = np.array([3, 7, 4])
    assert torch.equal(data.foreground(frames, (8, 4, 40, 60)), data.foreground(frames)[:, :, 4:60, 8:40])


def test_boxes_hold_all_that_the_masks_show(data, lossless):
    for alpha, (left, top, right, bottom) in zip(data.foreground(np.arange(10))[:, 3], data.boxes.astype(int)):
        assert alpha[top:bottom, left:right].sum() == alpha.sum()
        assert all(side.any() for side in (alpha[top], alpha[bottom - 1], alpha[:, left], alpha[:, right - 1]))
    empty = lossless("empty.mkv", np.zeros((2, 16, 16), np.uint8), "gray")
    nobody = footage.Footage(lossless("f.mkv", np.zeros((2, 16, 16, 3), np.uint8)), empty, skeleton.Pose.unknown(2), 2)
    assert np.isnan(nobody.boxes).all()


def test_a_shift_moves_pose_and_box_and_picture_alike(lossless):
    """A dot painted at a joint is found at the moved joint, and within the moved box."""
    shift, pose = footage.Shift(1.1, 0.05, -0.1, 0.2), skeleton.Pose.unknown()
    pose.body[0] = (40.5, 30.5, 1)
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[:, 29:32, 39:42] = 255
    frames = lossless("frames.mkv", np.full((1, 64, 64, 3), 255, np.uint8))
    data = footage.Footage(frames, lossless("masks.mkv", mask, "gray"), skeleton.Pose.stack([pose]), 1)
    moved = shift.foreground(data, np.array([0]), (0, 0, 64, 64))[0, 3]
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    found = [((moved * axis).sum() / moved.sum()).item() for axis in (x, y)]
    assert shift.pose(pose, 64).body[0, :2] == pytest.approx(found, abs=0.05)
    left, top, right, bottom = shift.boxes(data.boxes, 64)[0]
    assert not moved[(x + 0.5 < left) | (x - 0.5 > right) | (y + 0.5 < top) | (y - 0.5 > bottom)].any()
    assert right - left < 3 * 1.1 * 1.2 + 2.01


@pytest.mark.parametrize("box", [(0, 0, 64, 64), (16, 8, 48, 64), (32, 0, 64, 32), (0, 32, 32, 64)])
@pytest.mark.parametrize("shift", [(1.0, 0.0, 0.0), (1.05, 0.03, -0.02), (0.95, -0.4, 0.3), (1.3, 0.0, 0.49),
                                   (0.8, 1.5, 0.0), (1.05, 0.03, -0.02, 0.15), (0.9, 0.0, 0.1, -2.5)])
def test_a_shifted_window_is_a_cut_out_of_the_shifted_square(data, shift, box):
    """Of PyTorch's own, which samples the full square about its middle; what comes in from outside is empty."""
    scale, x, y, angle = (*shift, 0.0)[:4]
    square = data.foreground(np.array([2, 9]))
    there = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(np.vstack([np.column_stack([there, (2 * x, 2 * y)]), (0, 0, 1)]))[:2]
    back = torch.from_numpy(back.astype(np.float32)).expand(2, 2, 3)
    expected = F.grid_sample(square, F.affine_grid(back, square.shape, align_corners=False), align_corners=False)
    left, top, right, bottom = box
    found = footage.Shift(*shift).foreground(data, np.array([2, 9]), box)
    assert torch.allclose(found, expected[:, :, top:bottom, left:right], atol=1e-4)


def test_no_shift_changes_nothing(data):
    still = footage.Shift.draw(0.0, 0.0, np.random.default_rng(0))
    frames = np.array([1, 5])
    assert torch.equal(still.foreground(data, frames, (0, 0, 64, 64)), data.foreground(frames))
    assert still.pose(data.poses, 64).body == pytest.approx(data.poses.body)
