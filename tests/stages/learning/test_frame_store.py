import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages import InputError, layout
from stages.learning import frame_store
from stages.media import png
from stages.media.pose_table import read_poses
from stages.pose import skeleton


@pytest.fixture(scope="module")
def data(subject):
    poses, _, _ = read_poses(subject["poses"])
    return frame_store.FrameStore(*three(subject), poses, 10)


def three(subject) -> list[Path]:
    return [subject[name] for name in ("frames", "masks", "background")]


def test_foreground_is_the_person_s_own_colour_in_mixed_pixels_too(lossless, tmp_path):
    """Of which the frame shows as much background as the mask leaves."""
    rng = np.random.default_rng(0)
    colour, plate = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    mask = rng.choice(np.uint8([0, 30, 128, 220, 255]), (32, 32))
    alpha = mask[..., None] / 255
    frame = np.rint(alpha * colour + (1 - alpha) * plate).astype(np.uint8)
    png.write(tmp_path / "background.png", plate)
    data = frame_store.FrameStore(lossless("frames.mkv", frame[None]), lossless("masks.mkv", mask[None], "gray"),
                           tmp_path / "background.png", skeleton.Pose.unknown(1), 1)
    found = data.foreground(np.array([0]))[0].permute(1, 2, 0).numpy()
    assert np.abs(found[..., :3] - alpha * colour / 255).max() < 1.01 / 255
    assert found[..., 3:] == pytest.approx(alpha)


def test_a_background_of_another_size_is_an_error(subject, tmp_path):
    png.write(tmp_path / "background.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="background.png: 32 x 32 pixels, but .* 64 x 64"):
        frame_store.FrameStore(subject["frames"], subject["masks"], tmp_path / "background.png", skeleton.Pose.unknown(9), 9)


def test_frames_lie_in_the_project_not_in_the_system_s_temporary_folder(subject, tmp_path, monkeypatch):
    """Which may be memory; and nothing of them is left, not even by a process that is killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    data = frame_store.FrameStore(*three(subject), read_poses(subject["poses"])[0], 10)
    assert data.foreground(np.array([3])).any() and list(layout.CHECKPOINTS.iterdir()) == []


def test_too_few_frames_are_an_error(subject):
    poses, _, _ = read_poses(subject["poses"])
    with pytest.raises(InputError, match="fewer frames than the clock's 99"):
        frame_store.FrameStore(*three(subject), poses, 99)


def test_a_window_of_the_foreground_is_a_cut_out_of_it(data):
    frames = np.array([3, 7, 4])
    assert torch.equal(data.foreground(frames, (8, 4, 40, 60)), data.foreground(frames)[:, :, 4:60, 8:40])


def test_boxes_hold_all_that_the_masks_show(data, subject, lossless):
    for alpha, (left, top, right, bottom) in zip(data.foreground(np.arange(10))[:, 3], data.boxes.astype(int)):
        assert alpha[top:bottom, left:right].sum() == alpha.sum()
        assert all(side.any() for side in (alpha[top], alpha[bottom - 1], alpha[:, left], alpha[:, right - 1]))
    empty = lossless("empty.mkv", np.zeros((2, 64, 64), np.uint8), "gray")
    nobody = frame_store.FrameStore(subject["frames"], empty, subject["background"], skeleton.Pose.unknown(2), 2)
    assert np.isnan(nobody.boxes).all()


def test_a_shift_moves_pose_and_box_and_picture_alike(lossless, subject):
    """A dot painted at a joint is found at the moved joint, and within the moved box."""
    shift, pose = frame_store.AffineAugment(1.1, 0.05, -0.1, 0.2), skeleton.Pose.unknown()
    pose.body[0] = (40.5, 30.5, 1)
    mask = np.zeros((1, 64, 64), np.uint8)
    mask[:, 29:32, 39:42] = 255
    frames, background = lossless("frames.mkv", np.full((1, 64, 64, 3), 255, np.uint8)), subject["background"]
    data = frame_store.FrameStore(frames, lossless("masks.mkv", mask, "gray"), background, skeleton.Pose.stack([pose]), 1)
    moved = shift.foreground(data, np.array([0]), (0, 0, 64, 64))[0, 3]
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    found = [((moved * axis).sum() / moved.sum()).item() for axis in (x, y)]
    assert shift.pose(pose, 64).body[0, :2] == pytest.approx(found, abs=0.05)
    left, top, right, bottom = shift.boxes(data.boxes, 64)[0]
    assert not moved[(x + 0.5 < left) | (x - 0.5 > right) | (y + 0.5 < top) | (y - 0.5 > bottom)].any()
    assert right - left < 6 * 1.1 * 1.2


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
    expected = F.grid_sample(
        square, F.affine_grid(back, square.shape, align_corners=False), mode="bicubic", align_corners=False)
    expected[:, 3].clamp_(0, 1)
    expected[:, :3] = expected[:, :3].clamp_min(0).minimum(expected[:, 3:])
    left, top, right, bottom = box
    found = frame_store.AffineAugment(*shift).foreground(data, np.array([2, 9]), box)
    assert torch.allclose(found, expected[:, :, top:bottom, left:right], atol=1e-4)


def test_no_shift_changes_nothing(data):
    still = frame_store.AffineAugment.draw(0.0, 0.0, 1.0, 64, np.random.default_rng(0))
    frames = np.array([1, 5])
    assert torch.equal(still.foreground(data, frames, (0, 0, 64, 64)), data.foreground(frames))
    assert still.pose(data.poses, 64).body == pytest.approx(data.poses.body)


def test_most_shifts_leave_every_pixel_as_it_was_filmed(data):
    """They move it to another one; the others are sampled anew, and what comes in from outside is empty."""
    random, frames, box = np.random.default_rng(3), np.array([1, 5]), (8, 0, 56, 64)
    shifts = [frame_store.AffineAugment.draw(0.3, 0.2, 0.25, 64, random) for _ in range(400)]
    moved = [shift for shift in shifts if (shift.scale, shift.angle) == (1, 0)]
    assert 0.7 < len(moved) / len(shifts) < 0.8
    square = torch.nn.functional.pad(data.foreground(frames), (64,) * 4)
    for shift in moved[:20]:
        x, y = round(64 * shift.x), round(64 * shift.y)
        assert torch.equal(shift.foreground(data, frames, box), square[:, :, 64 - y : 128 - y, 72 - x : 120 - x])
    each = frame_store.AffineAugment.each([moved[0], next(shift for shift in shifts if shift.angle)], [1, 2])
    found = each.foreground(data, np.array([1, 5, 2]), box)
    for i, frame in enumerate((1, 5, 2)):
        assert torch.equal(found[i : i + 1], each[i].foreground(data, np.array([frame]), box))
