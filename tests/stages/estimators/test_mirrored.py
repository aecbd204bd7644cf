"""Poses of an image and its mirror image: sides are exchanged, and errors to one side cancel."""

import numpy as np
import pytest

from stages.estimators import pose_estimator
from stages.estimators.mirrored import MirroredEstimator, mean_detection, mirrored_detection
from stages.estimators.pose_estimator import PoseDetection
from stages.pose.skeleton import L_WRIST, R_SHOULDER, R_WRIST, Pose
from stages.tracking.boxes import Person
from tests.conftest import waving_pose

WIDTH = 100
PERSON = Person((20, 10, 50, 90))
BRIGHT_LEFT = np.repeat([[255] * 50 + [0] * 50], 90, 0)[..., None].repeat(3, 2).astype(np.uint8)


def detection(**changes) -> PoseDetection:
    mask = np.zeros((90, WIDTH), np.float32)
    mask[:, 20:50] = 1
    return PoseDetection(Pose(**vars(waving_pose(0.4, WIDTH)) | {"depth": np.arange(18, dtype=np.float32)} | changes), mask)


def test_mirrored_twice_is_the_same_and_once_exchanges_the_sides():
    one = detection()
    other = mirrored_detection(one, WIDTH)
    assert other.pose.body[R_WRIST] == pytest.approx(one.pose.body[L_WRIST] * [-1, 1, 1] + [WIDTH, 0, 0])
    assert other.pose.depth[R_WRIST] == one.pose.depth[L_WRIST] and other.silhouette[0, 60] == 1 > other.silhouette[0, 30]
    again = mirrored_detection(other, WIDTH)
    for name, values in one.pose.columns().items():
        assert getattr(again.pose, name) == pytest.approx(values, abs=1e-4), name
    assert np.array_equal(again.silhouette, one.silhouette)


class Biased:
    """Finds the person where they are, two pixels too far to the right."""

    provides_silhouettes = True

    def estimate(self, images, people):
        found = []
        for image, person in zip(images, people):
            mirrored = image[0, 0, 0] == 0
            assert person == (Person((50, 10, 80, 90)) if mirrored else PERSON)
            true = mirrored_detection(detection(), WIDTH) if mirrored else detection()
            found.append(PoseDetection(true.pose.map(lambda points: points + np.float32([2, 0, 0])), true.silhouette))
        return found


def test_an_error_to_one_side_cancels():
    found, = MirroredEstimator(Biased).estimate([BRIGHT_LEFT], [PERSON])
    for name, values in detection().pose.columns().items():
        assert getattr(found.pose, name) == pytest.approx(values, abs=1e-4), name
    assert np.array_equal(found.silhouette, detection().silhouette)


def test_what_only_one_of_them_finds_is_kept():
    blind = detection(depth=np.full(18, np.nan, np.float32))
    blind.pose.body[R_SHOULDER] = np.nan, np.nan, 0
    both = mean_detection(detection(), blind)
    assert both.pose.body == pytest.approx(detection().pose.body) and both.pose.depth.tolist() == list(range(18))
    unknown = mean_detection(blind, blind).pose
    assert np.isnan(unknown.body[R_SHOULDER, :2]).all() and unknown.body[R_SHOULDER, 2] == 0 and np.isnan(unknown.depth).all()
    assert mean_detection(None, blind) is blind and mean_detection(blind, None) is blind and mean_detection(None, None) is None


def test_params_choose_it(config, monkeypatch):
    adapter = type("adapter", (), {"PoseEstimator": lambda model, device: Biased()})
    monkeypatch.setattr(pose_estimator, "adapter", lambda chosen: adapter)
    for mirrored, kind in ((True, MirroredEstimator), (False, Biased)):
        chosen = config.presets["demo"].pose_extraction.model_copy(update={"mirrored": mirrored})
        assert isinstance(pose_estimator.build_pose_estimator(chosen), kind)
