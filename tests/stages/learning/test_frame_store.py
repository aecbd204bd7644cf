import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import InputError, layout
from stages.learning.frame_store import FrameStore
from stages.media import png
from stages.media.pose_table import read_poses
from stages.pose import skeleton


def three(subject) -> list[Path]:
    return [subject[name] for name in ("frames", "masks", "background")]


def test_the_background_is_subtracted_from_mixed_pixels(lossless, tmp_path):
    """In a pixel with alpha a, the frame shows the background with weight 1 - a."""
    rng = np.random.default_rng(0)
    colour, plate = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    mask = rng.choice(np.uint8([0, 30, 128, 220, 255]), (32, 32))
    alpha = mask[..., None] / 255
    frame = np.rint(alpha * colour + (1 - alpha) * plate).astype(np.uint8)
    png.write(tmp_path / "background.png", plate)
    data = FrameStore(lossless("frames.mkv", frame[None]), lossless("masks.mkv", mask[None], "gray"),
                           tmp_path / "background.png", skeleton.Pose.unknown(1), 1)
    found = data.foregrounds(np.array([0]))[0].permute(1, 2, 0).numpy()
    assert np.abs(found[..., :3] - alpha * colour / 255).max() < 1.01 / 255
    assert found[..., 3:] == pytest.approx(alpha)


def test_a_background_of_another_size_is_an_error(subject, tmp_path):
    png.write(tmp_path / "background.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="background.png: 32 x 32 pixels, but .* 64 x 64"):
        FrameStore(subject["frames"], subject["masks"], tmp_path / "background.png", skeleton.Pose.unknown(9), 9)


def test_frames_are_stored_in_the_project_not_in_the_temporary_folder(subject, tmp_path, monkeypatch):
    """The temporary folder may be in memory. Nothing is left over, even if the process is killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    data = FrameStore(*three(subject), read_poses(subject["poses"])[0], 10)
    assert data.foregrounds(np.array([3])).any() and list(layout.CHECKPOINTS.iterdir()) == []


def test_too_few_frames_are_an_error(subject):
    poses, _, _ = read_poses(subject["poses"])
    with pytest.raises(InputError, match="fewer frames than the timeline's 99"):
        FrameStore(*three(subject), poses, 99)


def test_a_box_crops_the_foreground(data):
    frames = np.array([3, 7, 4])
    assert torch.equal(data.foregrounds(frames, (8, 4, 40, 60)), data.foregrounds(frames)[:, :, 4:60, 8:40])


def test_boxes_enclose_the_masks(data, subject, lossless):
    for alpha, (left, top, right, bottom) in zip(data.foregrounds(np.arange(10))[:, 3], data.boxes.astype(int)):
        assert alpha[top:bottom, left:right].sum() == alpha.sum()
        assert all(side.any() for side in (alpha[top], alpha[bottom - 1], alpha[:, left], alpha[:, right - 1]))
    empty = lossless("empty.mkv", np.zeros((2, 64, 64), np.uint8), "gray")
    nobody = FrameStore(subject["frames"], empty, subject["background"], skeleton.Pose.unknown(2), 2)
    assert np.isnan(nobody.boxes).all()


def test_shadows_are_part_of_the_foreground_if_wanted(lossless, tmp_path):
    wall = np.full((64, 64, 3), 160, np.uint8)
    png.write(tmp_path / "background.png", wall)
    frame, mask = wall.copy(), np.zeros((64, 64), np.uint8)
    frame[20:50, 20:30], mask[20:50, 20:30] = 40, 255
    frame[20:50, 34:50] = 112  # 30 % darker
    files = lossless("frames.mkv", frame[None]), lossless("masks.mkv", mask[None], "gray"), tmp_path / "background.png"
    without, with_shadow = (FrameStore(*files, skeleton.Pose.unknown(1), 1, shadows=on) for on in (False, True))
    plain, [found] = without.foregrounds([0])[0], with_shadow.foregrounds([0])
    assert torch.equal(found[:3], plain[:3]) and (found[3, 30:40, 38:46] - 0.3).abs().max() < 0.03
    assert not plain[3, :, 32:].any() and (found[3, 20:50, 20:30] == 1).all()
    assert with_shadow.boxes[0, 2] > 46 and without.boxes[0].tolist() == [20, 20, 30, 50]
