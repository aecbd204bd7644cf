"""Pose distances compared with a loop over SciPy's, and their invariances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from stages.pose.pose_distance import distance_to_nearest, nearest_poses
from stages.pose.skeleton import L_HIP, NECK, R_HIP, Pose


@pytest.fixture
def draw():
    """Poses (count) with all joints known, about 100 pixels large."""
    random = np.random.default_rng(7)

    def poses(count: int) -> Pose:
        pose = Pose.unknown(count)
        pose.body[..., :2] = random.normal(200, 60, (count, 18, 2))
        pose.body[..., 2] = 1
        return pose

    return poses


def centred(body: np.ndarray) -> np.ndarray:
    return body[:, :, :2] - body[:, [R_HIP, L_HIP], :2].mean(1, keepdims=True)


def test_mean_joint_distance_to_the_nearest_pose(draw):
    driving, known = draw(70), draw(9)
    ours, others = centred(driving.body), centred(known.body)
    torso = np.median([np.hypot(*pose[NECK]) for pose in others])
    means = np.array([[np.diag(cdist(a, b)).mean() for b in others] for a in ours])  # (T, K)
    found, which = distance_to_nearest(driving, known)
    np.testing.assert_allclose(found, means.min(1) / torso, rtol=1e-5)
    np.testing.assert_array_equal(which, means.argmin(1))


def test_invariant_to_position_and_picture_size(draw):
    driving, known = draw(5), draw(4)
    found, which = distance_to_nearest(driving, known)
    moved = driving.map(lambda points: points * (2, 2, 1) + (31, -7, 0))
    again, same = distance_to_nearest(moved, known.map(lambda points: points * (2, 2, 1)))
    np.testing.assert_allclose(again, found, rtol=1e-5)
    np.testing.assert_array_equal(same, which)


def test_a_filmed_pose_has_distance_zero(draw):
    known = draw(6)
    found, which = distance_to_nearest(known[[4, 1]], known)
    np.testing.assert_allclose(found, 0, atol=1e-6)
    assert which.tolist() == [4, 1]


@pytest.mark.parametrize("hide, comparable", [
    ([0, 3], True), (range(2, 8), True), (range(0, 8), True), ([R_HIP], False), (range(1, 18), False),
])
def test_unknown_joints_are_ignored_and_too_few_give_nan(draw, hide, comparable):
    driving, known = draw(1), draw(3)
    driving.body[:, list(hide)] = np.nan, np.nan, 0
    [found], [which] = distance_to_nearest(driving, known)
    assert np.isfinite(found) == (which >= 0) == comparable


def test_without_filmed_poses_distances_are_nan(draw):
    found, which = distance_to_nearest(draw(3), draw(0))
    assert np.isnan(found).all() and (which == -1).all()


def test_the_nearest_pose_in_place_is_the_disturbed_original(draw):
    known, order = draw(30), np.random.default_rng(0).permutation(30)
    driving = known[order].map(lambda points: points + (0.5, -0.5, 0))
    driving.body[3, :5] = np.nan, np.nan, 0    # known joints decide
    driving.body[4, :12] = np.nan, np.nan, 0   # too few
    found = nearest_poses(driving, known)
    assert found[4] == -1
    assert np.array_equal(np.delete(found, 4), np.delete(order, 4))


def test_the_nearest_pose_in_place_is_not_moved(draw):
    known = draw(2)
    moved = Pose.concatenate([known, known.map(lambda points: points + (30, 0, 0))])
    assert nearest_poses(known, moved).tolist() == [0, 1]
    assert nearest_poses(known.map(lambda points: points + (28, 0, 0)), moved).tolist() == [2, 3]
