"""The pose coverage stage on made-up poses: which poses count as covered, and which are to be filmed."""

import numpy as np
import pytest

from stages import InputError, pose_coverage
from stages.media import parquet, png
from stages.params import PoseCoverage
from tests.stages import toy


@pytest.fixture
def cover(tmp_path):
    """Runs the stage on a toy transfer; returns the table's columns, its metadata and the picture."""
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
    """The arms are raised in frames 12 to 15."""
    body = pose.body.copy()
    body[12:16, [3, 4, 6, 7], 1] -= 40
    return type(pose)(body, pose.left_hand, pose.right_hand, pose.feet, pose.face)


def test_distances_are_those_to_training_poses(cover):
    columns, about, _ = cover()
    trained = columns["frame"] < toy.FRAMES - 15
    assert (columns["distance"][trained] < 1e-6).all() and (columns["nearest"][trained] == columns["frame"][trained]).all()
    assert (columns["nearest"] < toy.FRAMES - 15).all() and (columns["distance"][~trained] > 0).any()
    assert about == {"near": 0.15, "share": pytest.approx((columns["distance"] <= 0.15).mean())}


def test_the_farthest_frames_are_printed_and_shown(cover, capsys):
    columns, about, sheet = cover(change=raised)
    assert set(np.argsort(columns["distance"])[-4:]) == {12, 13, 14, 15} and about["share"] < 1
    output = capsys.readouterr().out
    assert "frames are near a training pose of ann" in output and "s (" in output
    tile = (sheet.shape[0] + 3) // 3
    assert sheet.shape[1] + 3 == tile * round((sheet.shape[1] + 3) / tile)


def test_poses_without_hips_are_rejected(cover):
    def hidden(pose):
        body = pose.body.copy()
        body[:, [8, 11]] = np.nan, np.nan, 0
        return type(pose)(body, pose.left_hand, pose.right_hand, pose.feet, pose.face)

    with pytest.raises(InputError, match="no pose of bob shows enough of the body"):
        cover(change=hidden)


@pytest.mark.parametrize("distances, count, expected", [
    ([0.9, 0.8, 0.5, 0.6, 0.1, 0.3], 3, [0, 3, 5]),  # pose 0 covers 1, pose 3 covers 2
    ([0.9, 0.8, 0.5, 0.6, 0.1, 0.3], 1, [0]),
    ([0.1, np.nan, 0.3, 0.1, 0.1, np.nan], 8, [2]),   # poses within `near` are left out
    ([0.1, np.nan, 0.12, 0.1, 0.1, np.nan], 8, [2]),  # but the farthest one is always chosen
    ([np.nan] * 6, 8, []),
])
def test_similar_poses_are_chosen_once_the_farthest_first(distances, count, expected):
    """Two frames with raised arms, two with lowered ones, one unchanged, one with the arms to the side."""
    poses = toy.poses()[[0] * 6]
    body = poses.body.copy()
    for frame, across, down in ((0, 0, -40), (1, 1, -39), (2, 0, 40), (3, 1, 41), (5, 60, 0)):
        body[frame, [3, 4, 6, 7], :2] += across, down
    poses = type(poses)(body, poses.left_hand, poses.right_hand, poses.feet, poses.face)
    assert pose_coverage.poses_to_film(np.array(distances), poses, 0.15, count).tolist() == expected
