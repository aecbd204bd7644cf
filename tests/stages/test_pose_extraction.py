"""Poses against the rendered truth, and people who are missing, two, or replaced by others."""

import numpy as np
import pytest

from stages import InputError, pose_extraction
from stages.estimators import graph
from stages.estimators.person import Person
from stages.estimators.pose import to_pose
from stages.media import tables
from stages.vision import skeleton
from stages.vision.skeleton import read_poses


@pytest.fixture
def extract(tmp_path, lossless, config):
    """Runs the stage on pictures; gives the poses and the other columns."""
    def extract(pictures, **changes):
        clock, poses = tmp_path / "clock.parquet", tmp_path / "poses.parquet"
        tables.write(clock, tables.CLOCK, {"frame": np.arange(len(pictures)), "seconds": np.arange(len(pictures)) / 25,
                                           "split": [None] * len(pictures)}, {"fps": 25.0, "file": "wave.mp4"})
        block = config.presets["demo"].pose_extraction.model_copy(update=changes)
        pose_extraction.run(lossless("frames.mkv", pictures), clock, poses, block)
        pose, columns, _ = read_poses(poses)
        return pose, columns
    return extract


def test_joints_and_face_lie_where_they_truly_are(stranger, extract):
    pose, columns = extract(stranger.pictures)
    height = np.median(skeleton.person_height(stranger.pose.body))
    error = np.linalg.norm(pose.body[..., :2] - stranger.pose.body[..., :2], axis=-1) / height
    assert (error < 0.05)[stranger.visible["body"]].mean() > 0.97
    face = np.linalg.norm(pose.face[..., :2] - stranger.pose.face[..., :2], axis=-1)
    assert np.nanmedian(face) < 0.01 * height
    feet = np.linalg.norm(pose.feet[..., :2] - stranger.pose.feet[..., :2], axis=-1)
    assert np.nanmedian(feet) < 0.04 * height
    assert columns["detected"].all() and (columns["people"] == 1).all()


def test_a_person_who_is_gone_for_long_is_unknown_and_marked(stranger, extract, capsys):
    pictures = stranger.pictures[:4] + [stranger.plate] * 12 + stranger.pictures[4:8]
    pose, columns = extract(pictures, max_gap_seconds=0.2)
    assert columns["detected"].tolist() == [True] * 4 + [False] * 12 + [True] * 4
    assert np.isnan(pose.body[5:15, :, :2]).all() and not pose.body[5:15, :, 2].any()
    assert "in 8 of 20 frames" in capsys.readouterr().out


def test_more_than_half_missing_is_warned_of(stranger, extract, capsys):
    extract(stranger.pictures[:4] + [stranger.plate] * 8)
    assert "WARNING: nobody is found in 8 frames" in capsys.readouterr().out


def test_short_gaps_are_interpolated_and_marked(stranger, extract):
    pictures = list(stranger.pictures[:12])
    pictures[5] = pictures[6] = stranger.plate
    pose, columns = extract(pictures)
    assert columns["detected"].tolist() == [i not in (5, 6) for i in range(12)]
    assert columns["interpolated"][[5, 6]].all()
    ends = pose.body[[4, 7], :14, :2]
    assert np.allclose(pose.body[5, :14, :2], (2 * ends[0] + ends[1]) / 3, atol=1e-3)


def test_nobody_at_all(stranger, extract):
    with pytest.raises(InputError, match="wave.mp4: no person in any of 4 frames"):
        extract([stranger.plate] * 4)


def test_of_two_people_the_main_one_is_followed_throughout():
    """Looks see the main person every third frame; an estimator that drifts off to somebody else is called back."""
    def estimate(_, person):
        drifted = Person(person.x + 30, person.y, person.radius, 0.0, 1.0)
        return (person.x, drifted)

    main = Person(100.0, 100.0, 50.0, 0.0, 1.0)
    found = list(pose_extraction.follow([None] * 9, [main] * 3, 3, estimate))
    assert found == [100, 130, 160] * 3


def test_what_nobody_confirms_is_let_go():
    def estimate(_, person):
        return person, person

    main = Person(100.0, 100.0, 50.0, 0.0, 1.0)
    looks = [main] + [None] * 9
    found = list(pose_extraction.follow([None] * 10, looks, 1, estimate))
    assert [pose is not None for pose in found] == [True] * (1 + pose_extraction.LOST_AFTER) + [False] * 4


def landmarks(facing: float) -> tuple[dict, np.ndarray]:
    """BlazePose's landmarks of a column of points; `facing`: how much nearer the nose is than the ears."""
    body = np.column_stack([np.arange(33.0), np.arange(33.0) * 2, np.zeros(33)])
    body[0, 2] = -facing
    return {"body": body}, np.full(33, 0.9)


def test_landmarks_become_openpose_joints():
    pose = to_pose(*landmarks(5), None)
    names = {0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25, 13: 27, 16: 8, 17: 7}
    assert all(pose.body[joint, 0] == landmark for joint, landmark in names.items())
    assert pose.body[skeleton.NECK, 0] == 11.5
    assert pose.feet[:, 0].tolist() == [30, 32, 29, 31]
    assert (pose.face[:, 2] < 0.5).all() and not pose.left_hand[:, 2].any()


def test_seen_from_behind_there_is_no_face():
    pose = to_pose(*landmarks(-5), None)
    assert not pose.face[:, 2].any() and np.isnan(pose.body[skeleton.NOSE, 0])
    assert pose.body[skeleton.R_EAR, 2] > 0


def test_a_model_that_is_not_there_is_named(stranger, extract, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "HOME", tmp_path)
    with pytest.raises(InputError, match="complexity 2 needs .*heavy.*set complexity: 1"):
        extract(stranger.pictures[:2], complexity=2)
