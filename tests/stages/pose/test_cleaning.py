"""Poses of several takes, depths and hands are cleaned as they should be."""

import numpy as np
import pytest

from stages.pose import cleaning, smoothing
from stages.pose.skeleton import Pose
from tests.stages import toy


def test_takes_are_smoothed_apart():
    """Two takes with the person at different positions; a joint is unknown around the boundary."""
    one, other = toy.poses(40), toy.poses(30).map(lambda points: points + np.float32([30, 0, 0]))
    for pose, rows in ((one, slice(38, 40)), (other, slice(0, 2))):
        pose.body[rows, 4] = np.nan, np.nan, 0
    both = Pose.concatenate([one, other])
    found, filled = cleaning.clean_poses(both, np.repeat([0, 1], [40, 30]), 25.0, 1.0, 10)
    alone = [cleaning.clean_poses(pose, np.zeros(len(pose), int), 25.0, 1.0, 10) for pose in (one, other)]
    for name, points in found.columns().items():
        assert np.array_equal(points, np.concatenate([pose.columns()[name] for pose, _ in alone]), equal_nan=True)
    assert not filled[38:42].any() and np.isnan(found.body[38:42, 4, 0]).all()
    _, joined = cleaning.clean_poses(both, np.zeros(70, int), 25.0, 1.0, 10)
    assert joined[38:42].all()


def test_depths_are_smoothed_and_filled_with_their_joints():
    pose, noise = toy.poses(60), np.random.default_rng(0).normal(0, 0.1, (60, 18)).astype(np.float32)
    pose.depth[:], pose.depth[:, 2] = 0.4 + noise, np.nan
    pose.body[20:24, 4] = np.nan, np.nan, 0
    found, _ = cleaning.clean_poses(pose, np.zeros(60, int), 25.0, 1.0, 10)
    assert np.isnan(found.depth[:, 2]).all() and np.isfinite(found.depth[:, 4]).all()
    assert found.depth[:, 3].mean() == pytest.approx(0.4 + noise[:, 3].mean(), abs=0.01)
    assert np.diff(found.depth[:, 3]).std() < 0.5 * np.diff(noise[:, 3]).std()
    as_found, _ = cleaning.clean_poses(pose, np.zeros(60, int), 25.0, 0.0, 1)
    assert np.array_equal(as_found.depth[:20, 4], pose.depth[:20, 4]) and np.isnan(as_found.depth[20:24, 4]).all()


def test_a_hand_that_is_not_at_its_wrist_is_unknown():
    pose = toy.poses(10)
    size = smoothing.body_size(pose.body)
    pose.left_hand[3, :, 0] += 0.06 * size
    pose.right_hand[5, :, 0] += 0.03 * size
    found = cleaning.without_detached_hands(pose)
    assert not found.left_hand[3, :, 2].any() and np.isnan(found.left_hand[3, :, :2]).all()
    assert np.array_equal(found.right_hand, pose.right_hand) and np.array_equal(found.body, pose.body)
    assert np.array_equal(np.delete(found.left_hand, 3, 0), np.delete(pose.left_hand, 3, 0))


def test_a_take_without_a_person_stays_empty():
    both = Pose.concatenate([toy.poses(20), Pose.unknown(20)])
    found, filled = cleaning.clean_poses(both, np.repeat([0, 1], 20), 25.0, 1.0, 10)
    assert np.isfinite(found.body[:20]).all() and np.isnan(found.body[20:, :, 0]).all() and not filled.any()
