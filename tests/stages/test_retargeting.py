"""The retargeting stage on made-up poses: reconstruction, imitation, and errors."""

import numpy as np
import pytest

from stages import InputError, retargeting
from stages.media.pose_table import read_poses
from stages.params import Retargeting
from stages.pose.skeleton import person_height
from tests.stages import toy


def retarget(root, entry, key):
    files = toy.paths("retargeting", key, entry, root)
    retargeting.run(**files, params=Retargeting(median_frames=7), entry=entry)
    return read_poses(files["driving"])


@pytest.fixture()
def root(tmp_path):
    for key, height in (("ann", 40.0), ("bob", 50.0)):
        toy.write_timeline(tmp_path / "artifacts" / key / "frames.parquet")
        toy.write_poses(tmp_path / "artifacts" / key / "poses.parquet", toy.poses(height=height))
    return tmp_path


def test_reconstruction_is_the_held_out_poses(root):
    pose, columns, about = retarget(root, toy.RECONSTRUCTION, "ann_from_ann")
    assert np.array_equal(columns["frame"], np.arange(30, 40))
    assert np.array_equal(pose.left_hand, toy.poses().left_hand[30:])
    assert about["first"] == 30 and about["reconstruction"] and about["scale"] == 1


def test_imitation_has_the_targets_size_and_ground(root):
    pose, columns, about = retarget(root, toy.IMITATION, "ann_from_bob")
    truth = toy.poses(height=40.0)
    assert np.array_equal(columns["frame"], np.arange(toy.FRAMES)) and not about["reconstruction"]
    assert about["scale"] == pytest.approx(0.8, abs=0.02)
    assert np.abs(person_height(pose.body) - person_height(truth.body)).max() < 1
    assert np.abs(pose.body[:, 10, 1] - truth.body[:, 10, 1]).max() < 1


def test_all_parts_move_by_one_similarity(root):
    before = toy.poses(height=50.0)
    after = retarget(root, toy.IMITATION, "ann_from_bob")[0]
    for t in (0, 20):
        every = [np.concatenate([p.body[t], p.left_hand[t], p.right_hand[t], p.feet[t], p.face[t]]) for p in (before, after)]
        scale = np.ptp(every[1][:, 1]) / np.ptp(every[0][:, 1])
        offset = every[1][:, :2] - every[0][:, :2] * scale
        assert np.ptp(offset, axis=0).max() < 1e-3
        assert np.array_equal(every[0][:, 2], every[1][:, 2])


def test_each_take_of_a_source_has_its_own_ground(root):
    """In the second one the person is higher up in the picture, for less than a jump in the first."""
    source = toy.poses(height=50.0)
    source = source.map(lambda points: points - np.float32([0, 10, 0]) * (np.arange(toy.FRAMES) >= 30)[:, None, None])
    toy.write_poses(root / "artifacts/bob/poses.parquet", source)
    for take, apart in ((np.repeat([0, 1], [30, 10]), True), (None, False)):
        toy.write_timeline(root / "artifacts/bob/frames.parquet", take=take)
        ankle = retarget(root, toy.IMITATION, "ann_from_bob")[0].body[:, 10, 1]
        assert (np.ptp(ankle) < 0.1) == apart


def test_too_short_to_split_is_rejected(root):
    toy.write_timeline(root / "artifacts/ann/frames.parquet", split=False)
    with pytest.raises(InputError, match="1.6 s are too short"):
        retarget(root, toy.RECONSTRUCTION, "ann_from_ann")


def test_a_source_without_feet_is_rejected(root):
    headless = toy.poses()
    headless.body[:, [10, 13]] = np.nan, np.nan, 0
    toy.write_poses(root / "artifacts/bob/poses.parquet", headless)
    with pytest.raises(InputError, match="source.*ankles"):
        retarget(root, toy.IMITATION, "ann_from_bob")


def test_joints_outside_of_the_square_cause_a_warning(root, capsys):
    wide = toy.poses(height=50.0)
    wide.body[20:, [4, 7], 0] += 80
    toy.write_poses(root / "artifacts/bob/poses.parquet", wide)
    about = retarget(root, toy.IMITATION, "ann_from_bob")[2]
    assert about["outside"] > 0.01
    assert "outside of the target's square" in capsys.readouterr().out
