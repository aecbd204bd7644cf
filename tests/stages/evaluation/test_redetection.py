"""Redetection in frames of a person whose pose is known."""

import cv2
import numpy as np
import pytest

from stages.estimators import pose_estimator
from stages.estimators.pose_estimator import PoseDetection
from stages.evaluation import redetection
from stages.evaluation.identity import Identity
from stages.evaluation.redetection import Redetection
from stages.pose.skeleton import Pose
from tests.stages.evaluation.test_identity import small


@pytest.fixture
def chosen(config):
    return config.presets["demo"].pose_extraction


def measured(chosen, pictures, driving, identity="switched off") -> dict[str, np.ndarray]:
    scorer = Redetection(chosen, driving, identity)
    for t, picture in enumerate(pictures):
        scorer.add(picture, driving[t])
    return {name: np.array(column) for name, column in scorer.columns().items()}


def shifted(pose: Pose, dx: float, dy: float) -> Pose:
    return pose.map(lambda points: (points + (dx, dy, 0)).astype(np.float32))


def test_true_poses_are_redetected_and_shifted_ones_are_not(stranger, chosen):
    """The error of a true pose is small; that of a shifted pose is its shift."""
    right = measured(chosen, stranger.pictures, stranger.pose)
    assert right["detected"].all() and right["pose_error"].mean() < 0.025 and right["pck_05"].mean() > 0.93
    tall = redetection.upright_height(stranger.pose.body)
    shifted_scores = measured(chosen, stranger.pictures, shifted(stranger.pose, 0.1 * tall, 0))
    assert shifted_scores["detected"].all() and shifted_scores["pose_error"].mean() == pytest.approx(0.1, abs=0.02)
    assert shifted_scores["pck_05"].mean() < 0.1


def test_an_empty_background_and_blurred_frames_show_no_person(stranger, chosen):
    blurred = [cv2.GaussianBlur(picture, (0, 0), 25) for picture in stranger.pictures[:4]]
    found = measured(chosen, [stranger.plate] * 4 + blurred, stranger.pose[np.array([0, 1, 2, 3] * 2)])
    assert not found["detected"].any() and not found["pck_05"].any() and np.isnan(found["pose_error"]).all()


def body(**changes) -> np.ndarray:
    """A body of joints 10 pixels apart, all known; `j3=(1, 2, 0)` changes joint 3."""
    points = np.column_stack([np.arange(18) * 10.0, np.zeros(18), np.ones(18)])
    for name, point in changes.items():
        points[int(name[1:])] = point
    return points


UNKNOWN = (np.nan, np.nan, 0)


@pytest.mark.parametrize("found, driving, expected", [
    (body(), body(), (0, 1, 1)),
    (body(j3=(30, 12, 1)), body(), (12 / 100 / 18, 17 / 18, 1)),                # one joint is 12 pixels off
    (body(j3=(30, 5, 1), j4=(37, 4, 1)), body(), (10 / 100 / 18, 1, 1)),        # 5 % counts as correct
    (body(j3=UNKNOWN, j4=(40, 17, 1)), body(j5=UNKNOWN), (17 / 100 / 16, 15 / 16, 1)),
    (np.tile(UNKNOWN, (18, 1)), body(), (np.nan, 0, 0)),                        # no person is found
    (body(), np.tile(UNKNOWN, (18, 1)), (np.nan, np.nan, np.nan)),              # no driving pose
    (np.vstack([body()[:9], np.tile(UNKNOWN, (9, 1))]), np.vstack([np.tile(UNKNOWN, (9, 1)), body()[9:]]),
     (np.nan, np.nan, 1)),                                                      # no joint in common
])
def test_scores_follow_their_definitions(found, driving, expected):
    assert redetection.compare_joints(found, driving, 100.0) == pytest.approx(expected, nan_ok=True)


def test_without_a_height_there_is_no_error():
    assert redetection.compare_joints(body(), body(), np.nan) == pytest.approx((np.nan, np.nan, 1), nan_ok=True)
    crouching = Pose.unknown(3)
    assert np.isnan(redetection.upright_height(crouching.body))


def test_the_height_is_that_of_the_upright_person(stranger):
    poses = stranger.pose.map(np.copy)
    tall = redetection.upright_height(poses.body)
    poses.body[: len(poses) // 2, :, 1] *= 0.5  # crouching
    assert redetection.upright_height(poses.body) == pytest.approx(tall, rel=0.02)


class Scripted:
    """An estimator that returns given poses, and records the sizes of its batches."""

    provides_silhouettes = False

    def __init__(self, poses):
        self.poses, self.batches, self.people = iter(poses), [], []

    def estimate(self, pictures, people):
        self.batches.append(len(pictures))
        self.people += people
        return [one and PoseDetection(one) for one in (next(self.poses) for _ in pictures)]


def test_frames_are_processed_in_batches_and_in_order(stranger, chosen, monkeypatch):
    driving = stranger.pose[:7]
    low = driving[3].map(np.copy)
    low.body[:9, 2] = 0.1  # below min_score
    script = Scripted([driving[0], None, shifted(driving[2], 3, 4), low, *(driving[t] for t in (4, 5, 6))])
    monkeypatch.setattr(pose_estimator, "build_pose_estimator", lambda block: script)
    found = measured(chosen.model_copy(update={"batch": 3}), stranger.pictures[:7], driving)
    tall = redetection.upright_height(driving.body)
    assert script.batches == [3, 3, 1]
    assert found["pose_error"] == pytest.approx([0, np.nan, 5 / tall, 0, 0, 0, 0], nan_ok=True, abs=1e-6)
    assert found["detected"].tolist() == found["pck_05"].tolist() == [1, 0, 1, 1, 1, 1, 1]
    for person, pose in zip(script.people, stranger.pose):  # where the driving pose is
        left, top, right, bottom = person.box
        x, y = pose.body[:, :2].T
        assert left <= x.min() and x.max() <= right and top <= y.min() and y.max() <= bottom


def test_identity_is_of_the_face_that_is_found(stranger, chosen, monkeypatch):
    """Frames whose driving pose shows no face, or in which no face is found, have no score."""
    driving, seen = stranger.pose[:4].map(np.copy), stranger.pose[:4].map(np.copy)
    driving.face[1, 0, 2] = 0.2
    seen.face[2] = UNKNOWN
    own = Identity(list(zip(stranger.pictures, stranger.pose.face))[8:12], small)
    monkeypatch.setattr(pose_estimator, "build_pose_estimator", lambda block: Scripted(seen[t] for t in range(4)))
    found = measured(chosen, stranger.pictures[:4], driving, own)["identity"]
    expected = [own(stranger.pictures[t], seen.face[t]) for t in range(4)]
    assert found == pytest.approx([expected[0], np.nan, np.nan, expected[3]], nan_ok=True)
    scorer = Redetection(chosen, driving, "its weights are missing")
    assert scorer.reasons["identity"] == "its weights are missing" and not any(scorer.columns().values())
