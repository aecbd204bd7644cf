"""Hands and face added to a known body: the real MediaPipe networks on a rendered person."""

from dataclasses import replace

import numpy as np
import pytest

from stages.estimators import pose_estimator, whole_body
from stages.estimators.pose_estimator import PoseDetection
from stages.pose import skeleton
from stages.pose.skeleton import Pose
from stages.tracking.boxes import Person
from tests.conftest import small

ANYWHERE = Person((0.0, 0.0, 256.0, 256.0))


class KnownBodies:
    """An estimator that returns the given bodies."""

    provides_silhouettes = False

    def __init__(self, *bodies):
        self.bodies = bodies

    def estimate(self, pictures, people):
        assert len(pictures) == len(people) == len(self.bodies)
        return [PoseDetection(replace(Pose.unknown(), body=body)) if person else None
                for body, person in zip(self.bodies, people)]


def detailed(picture, body) -> Pose:
    return whole_body.WholeBodyEstimator(KnownBodies(body)).estimate([picture], [ANYWHERE])[0].pose


def test_hands_and_face_are_found_at_their_true_positions(stranger):
    chosen = range(0, len(stranger.pictures), 3)
    estimator = whole_body.WholeBodyEstimator(KnownBodies(*(stranger.pose.body[i] for i in chosen)))
    found = estimator.estimate([stranger.pictures[i] for i in chosen], [ANYWHERE] * len(chosen))
    errors, seen = {"hands": [], "face": []}, {"hands": 0, "face": 0}
    for i, detection in zip(chosen, found, strict=True):
        true, height = stranger.pose[i], skeleton.person_height(stranger.pose.body[i])
        for name in ("left_hand", "right_hand", "face"):
            kind = "face" if name == "face" else "hands"
            points, visible = getattr(detection.pose, name), stranger.visible[name][i]
            known = visible & (points[:, 2] > 0)
            seen[kind] += visible.sum()
            errors[kind] += list(np.linalg.norm((points - getattr(true, name))[known, :2], axis=1) / height)
    for kind in errors:
        assert len(errors[kind]) > 0.7 * seen[kind], kind
        assert np.quantile(errors[kind], 0.9) < 0.025, kind


def test_the_body_is_unchanged_except_eyes_and_nose(stranger):
    body = stranger.pose.body[0]
    face = [skeleton.NOSE, skeleton.R_EYE, skeleton.L_EYE]
    found = detailed(stranger.pictures[0], body)
    np.testing.assert_array_equal(np.delete(found.body, face, 0), np.delete(body, face, 0))
    np.testing.assert_array_equal(found.body[face, :2], found.face[[4, 0, 1], :2])


def test_an_unknown_arm_has_no_hand(stranger):
    body = stranger.pose.body[0].copy()
    body[skeleton.L_ELBOW] = [np.nan, np.nan, 0]
    found = detailed(stranger.pictures[0], body)
    assert not found.left_hand[:, 2].any() and found.right_hand[:, 2].all()


def test_from_behind_eyes_and_nose_are_unknown(stranger):
    """The same person with left and right swapped."""
    pairs = [(2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)]
    body = stranger.pose.body[0].copy()
    for right, left in pairs:
        body[[right, left]] = body[[left, right]]
    assert whole_body.seen_from_behind(body) and not whole_body.seen_from_behind(stranger.pose.body[0])
    found = detailed(stranger.pictures[0], body)
    assert not found.face[:, 2].any() and np.isnan(found.body[[skeleton.NOSE, skeleton.R_EYE], 0]).all()
    assert (found.body[[skeleton.R_EAR, skeleton.L_EAR], 2] > 0).all()


def test_upside_down_is_not_from_behind(stranger):
    body = stranger.pose.body[0] * [-1, -1, 1] + [256, 256, 0]
    assert not whole_body.seen_from_behind(body)


def test_a_missing_person_and_an_unknown_body(stranger):
    estimator = whole_body.WholeBodyEstimator(KnownBodies(stranger.pose.body[0], Pose.unknown().body))
    nobody, unknown = estimator.estimate(stranger.pictures[:2], [None, ANYWHERE])
    assert nobody is None
    assert not any(points[:, 2].any() for points in unknown.pose.point_sets().values())


@pytest.mark.parametrize("unknown", [[], [9], [9, 12], [9, 12, 0, 14, 15, 16, 17]])
def test_height_hardly_depends_on_what_is_known(stranger, unknown):
    whole = whole_body.body_height(stranger.pose.body[0])
    body = stranger.pose.body[0].copy()
    body[unknown] = [np.nan, np.nan, 0]
    assert whole_body.body_height(body) == pytest.approx(whole, rel=0.15)
    assert whole == pytest.approx(skeleton.person_height(stranger.pose.body[0]), rel=0.15)


@pytest.mark.parametrize("estimator, wanted, composed", [
    ("torchvision", "mediapipe", True), ("torchvision", "none", False), ("mediapipe", "mediapipe", False)])
def test_params_choose_the_estimator_of_hands_and_face(config, monkeypatch, estimator, wanted, composed):
    plain = KnownBodies()
    adapter = type("adapter", (), {"PoseEstimator": lambda model, device: plain})
    monkeypatch.setattr(pose_estimator, "adapter", lambda chosen: adapter)
    chosen = small(config.presets["demo"].pose_extraction, estimator=estimator, details=wanted, mirrored=False)
    built = pose_estimator.build_pose_estimator(chosen)
    assert isinstance(built, whole_body.WholeBodyEstimator) if composed else built is plain
