"""Masks against the rendered alpha."""

import numpy as np
import pytest

from stages import InputError, mask_segmentation
from stages.media import tables, video
from stages.vision.skeleton import Pose


@pytest.fixture
def segment(tmp_path, lossless, config):
    def segment(pictures, pose: Pose):
        count = len(pose)
        tables.write(tmp_path / "poses.parquet", tables.POSES, pose.columns() | {
            "frame": np.arange(count), "detected": [True] * count, "interpolated": [False] * count,
            "people": [1] * count})
        masks = tmp_path / "masks.mkv"
        mask_segmentation.run(lossless("frames.mkv", pictures), tmp_path / "poses.parquet", masks,
                              config.presets["demo"].mask_segmentation)
        return np.stack(list(video.frames(masks, "gray")))
    return segment


def overlap(masks, alpha):
    a, b = masks > 127, alpha > 127
    return (a & b).sum((1, 2)) / (a | b).sum((1, 2))


def test_masks_cover_the_person_and_not_their_shadow(stranger, segment):
    masks = segment(stranger.pictures[::3], stranger.pose[::3])
    alpha = stranger.alpha[::3]
    assert overlap(masks, alpha).mean() > 0.94
    assert np.abs(masks / 255.0 - alpha / 255.0).sum() / (alpha / 255.0).sum() < 0.08
    rows = np.nonzero(alpha.max(0) > 127)[0].max()
    assert masks[:, min(rows + 6, 255) :].max() == 0  # the floor before the feet


def test_without_a_pose_the_person_is_looked_for_and_an_empty_room_gives_an_empty_mask(stranger, segment):
    masks = segment([stranger.pictures[0], stranger.plate], Pose.unknown(2))
    assert overlap(masks[:1], stranger.alpha[:1]) > 0.9
    assert not masks[1].any()


def test_frames_and_poses_must_be_of_one_video(stranger, segment):
    with pytest.raises(InputError, match="2 poses"):
        segment(stranger.pictures[:3], stranger.pose[:2])
