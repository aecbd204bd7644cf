"""The pose coverage stage on made-up poses: what counts as filmed, which moments are shown."""

import numpy as np
import pytest

from stages import InputError, pose_coverage
from stages.media import parquet, png
from stages.params import PoseCoverage
from tests.stages import toy


@pytest.fixture
def cover(tmp_path):
    """Runs the stage on everything of a toy transfer; its table, what it says of itself, and the picture."""
    toy.write_all(tmp_path)

    def run(entry=toy.IMITATION, key="ann_from_bob", change=lambda pose: pose, near=0.15, frames=3):
        files = toy.paths("pose_coverage", key, entry, tmp_path)
        driving = toy.poses()
        toy.write_poses(files["driving"], change(driving), {"fps": toy.FPS})
        pose_coverage.run(**files, params=PoseCoverage(near=near, frames=frames), entry=entry)
        columns, about = parquet.read(files["coverage"], parquet.COVERAGE)
        return columns, about, png.read(files["farthest"])

    return run


def raised(pose):
    """Frames 12 to 15 with both arms somewhere else."""
    body = pose.body.copy()
    body[12:16, [3, 4, 6, 7], 1] -= 40
    return type(pose)(body, pose.left_hand, pose.right_hand, pose.feet, pose.face)


def test_what_was_filmed_is_near_and_only_the_training_part_counts(cover):
    columns, about, _ = cover()
    trained = columns["frame"] < toy.FRAMES - 15
    assert (columns["distance"][trained] < 1e-6).all() and (columns["nearest"][trained] == columns["frame"][trained]).all()
    assert (columns["nearest"] < toy.FRAMES - 15).all() and (columns["distance"][~trained] > 0).any()
    assert about == {"near": 0.15, "share": pytest.approx((columns["distance"] <= 0.15).mean())}


def test_the_farthest_moments_are_named_and_shown(cover, capsys):
    columns, about, sheet = cover(change=raised)
    assert set(np.argsort(columns["distance"])[-4:]) == {12, 13, 14, 15} and about["share"] < 1
    told = capsys.readouterr().out
    assert "frames are as ann was filmed" in told and "s (" in told
    tile = (sheet.shape[0] + 3) // 3
    assert sheet.shape[1] + 3 == tile * round((sheet.shape[1] + 3) / tile)


def test_poses_without_hips_are_refused(cover):
    def hidden(pose):
        body = pose.body.copy()
        body[:, [8, 11]] = np.nan, np.nan, 0
        return type(pose)(body, pose.left_hand, pose.right_hand, pose.feet, pose.face)

    with pytest.raises(InputError, match="no pose of bob shows enough of the body"):
        cover(change=hidden)


@pytest.mark.parametrize("found, count, wanted", [
    ([0.9, 0.8, 0.5, 0.6, 0.1, 0.3], 3, [0, 3, 5]),  # who films 0 has filmed 1 as well, who films 3 has 2
    ([0.9, 0.8, 0.5, 0.6, 0.1, 0.3], 1, [0]),
    ([0.1, np.nan, 0.3, 0.1, 0.1, np.nan], 8, [2]),   # what counts as filmed need not be
    ([0.1, np.nan, 0.12, 0.1, 0.1, np.nan], 8, [2]),  # but the farthest one is always shown
    ([np.nan] * 6, 8, []),
])
def test_what_is_to_be_filmed_is_shown_once_the_worst_first(found, count, wanted):
    """Two frames with the arms up, two with them down, one as it is, one with them aside."""
    poses = toy.poses()[[0] * 6]
    body = poses.body.copy()
    for frame, across, down in ((0, 0, -40), (1, 1, -39), (2, 0, 40), (3, 1, 41), (5, 60, 0)):
        body[frame, [3, 4, 6, 7], :2] += across, down
    poses = type(poses)(body, poses.left_hand, poses.right_hand, poses.feet, poses.face)
    assert pose_coverage.to_film(np.array(found), poses, 0.15, count).tolist() == wanted
