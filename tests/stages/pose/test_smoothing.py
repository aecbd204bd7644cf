"""Smoothing: compared with dense algebra, on sine waves and rendered people, with inserted swaps and jumps."""

from dataclasses import replace

import numpy as np
import pytest

from stages.pose import smoothing
from stages.pose.skeleton import L_ANKLE, L_WRIST, R_ANKLE, R_KNEE, Pose, person_height
from stages.samples import motion, people, scene
from stages.samples.body import Body
from stages.samples.truth import to_pose


def track(x, score=1.0) -> np.ndarray:
    """One point (T, 1, 3) that moves along x."""
    x = np.asarray(x, float)
    return np.stack([x, 0 * x + 7, np.broadcast_to(score, x.shape)], -1)[:, None].astype(np.float32)


def smooth(points, strength=1.0, fps=25.0):
    return smoothing.smooth(points, np.zeros(points.shape[:2], bool), strength, fps)


@pytest.fixture(scope="module")
def moving() -> Pose:
    """The true poses of a person who kicks, dances and waves for 12 s at 25 frames/s; nothing is rendered."""
    who = people.person("stranger_7")
    camera = scene.Camera.from_room(who.room, 256)
    performed = motion.perform(("kick", "dance", "wave"), 3, 12.0)
    pose = Pose.stack([to_pose(camera.project(posed.points), 256) for posed in Body(who).pose(performed)])
    return pose.map(lambda points: np.concatenate([points[..., :2], 0 * points[..., 2:] + 0.9], -1))


def test_smoothing_solves_its_least_squares_problem():
    rng = np.random.default_rng(0)
    x, score = rng.normal(size=40), rng.uniform(0.1, 1, 40)
    difference = np.diff(np.eye(40), 3, axis=0)
    stiff = (2 * np.sin(np.pi * smoothing.CUT_OFF / 2 / 25)) ** -6  # at strength 2
    dense = np.linalg.solve(np.diag(score) + stiff * difference.T @ difference, score * x)
    assert np.allclose(smooth(track(x, score), 2.0)[:, 0, 0], dense, atol=1e-4)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0, 240.0])
@pytest.mark.parametrize("hertz, kept, tolerance", [(1, 1.0, 0.01), (3, 0.97, 0.03), (6, 0.5, 0.02)])
def test_frequencies(fps, hertz, kept, tolerance):
    wave = np.sin(2 * np.pi * hertz * np.arange(4 * fps) / fps)
    inner = smooth(track(wave), fps=fps)[int(fps) : -int(fps), 0, 0]
    assert np.abs(inner - kept * wave[int(fps) : -int(fps)]).max() < tolerance


def test_parabolas_are_kept_and_points_with_high_scores_weigh_more():
    t = np.arange(30.0)
    flight = 3 + 2 * t - 0.1 * t**2
    assert np.allclose(smooth(track(flight), 50.0)[:, 0, 0], flight, atol=1e-3)
    torn = track(np.where(t % 2, 1.0, -1.0), np.where(t % 2, 0.9, 0.1))
    assert np.allclose(smooth(torn, 50.0)[5:-5, 0, 0], 0.8, atol=0.05)


def test_points_beyond_a_gap_have_no_influence():
    rng = np.random.default_rng(1)
    points = track(rng.normal(size=50))
    points[20:30] = [np.nan, np.nan, 0]
    moved = points.copy()
    moved[30:, :, 0] += 100
    assert np.array_equal(smooth(points)[:20], smooth(moved)[:20])
    assert np.isnan(smooth(points)[20:30, :, :2]).all() and np.isfinite(smooth(points)[30:]).all()
    for few in range(1, 5):
        assert np.isfinite(smooth(points[:few])).all()


@pytest.mark.parametrize("fps, length, away", [
    (25.0, 1, 20), (25.0, 3, 20), (25.0, 5, 20), (60.0, 12, 20), (25.0, 2, 8), (10.0, 1, 20)])
def test_a_jump_away_and_back_is_an_outlier(fps, length, away):
    rng = np.random.default_rng(2)
    points = track(40 * np.sin(np.arange(60) / fps) + rng.normal(0, 0.3, 60))
    points[30 : 30 + length, 0, 1] += away
    assert np.flatnonzero(smoothing.outliers(points, 100.0, fps)).tolist() == list(range(30, 30 + length))


@pytest.mark.parametrize("fps, x", [
    (25.0, 20 * np.sin(2 * np.pi * 5 * np.arange(60) / 25)),   # as fast as hands shake
    (25.0, 40 * np.exp(-((np.arange(60) - 30) / 2.5) ** 2)),   # a kick
    (25.0, np.where(np.arange(60) < 30, 0, 30)),               # gone and not back
    (25.0, np.digitize(np.arange(60), [30, 35]) * 30),         # and further on
    (25.0, np.where(abs(np.arange(60) - 30) < 5, 30, 0)),      # back after 0.4 s
    (5.0, np.where(np.arange(60) == 30, 30, 0)),               # between three frames all can happen at 5 frames/s
])
def test_fast_motion_is_not_an_outlier(fps, x):
    points = track(x + np.random.default_rng(3).normal(0, 0.3, 60))
    assert not smoothing.outliers(points, 100.0, fps).any()


def test_motion_of_rendered_people_has_no_outliers_or_swaps(moving):
    size = smoothing.body_size(moving.body)
    assert not any(smoothing.outliers(points, size, 25.0).any() for points in moving.point_sets().values())
    same = smoothing.without_swapped_sides(moving, 25.0)
    assert all(np.array_equal(a, b) for a, b in zip(same.point_sets().values(), moving.point_sets().values()))


@pytest.mark.parametrize("length", [1, 2, 4, 8])
def test_swapped_sides_are_corrected(moving, length):
    noise = np.random.default_rng(4)
    pose = moving.map(lambda p: p + [1, 1, 0] * noise.normal(0, 0.5, p.shape))
    frames = np.zeros(len(pose), bool)
    for start in (40, 110, 200):
        frames[start : start + length] = True
    order = np.array([0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14, 15, 16, 17])
    body, feet = pose.body.copy(), pose.feet.copy()
    body[frames], feet[frames] = body[frames][:, order], feet[frames][:, [2, 3, 0, 1]]
    left = np.where(frames[:, None, None], pose.right_hand, pose.left_hand)
    right = np.where(frames[:, None, None], pose.left_hand, pose.right_hand)
    depth = np.where(np.arange(18) < 5, -1, 1) * np.ones((len(pose), 1))  # of the right arm and of the others
    swapped = np.where(frames[:, None], depth[:, order], depth)
    mended = smoothing.without_swapped_sides(Pose(body, left, right, feet, pose.face, swapped), 25.0)
    assert (mended.depth != depth).any(1).sum() < (swapped != depth).any(1).sum() / 2
    for name in ("body", "feet", "left_hand", "right_hand"):
        wrong = np.linalg.norm(getattr(mended, name) - getattr(pose, name), axis=-1)
        assert (wrong > 0.05 * person_height(pose.body).max()).mean() < 0.01, name
    assert np.linalg.norm((body - pose.body)[frames], axis=-1).max() > 20  # there was something to mend


def test_legs_that_really_cross_are_not_swapped(moving):
    x = 60 * np.sin(np.arange(75) / 6)
    body = np.repeat(moving.body[:1], 75, 0)
    for joint, side in ((L_ANKLE, 1), (R_ANKLE, -1)):
        body[:, joint, 0] = 100 + side * x
    still = moving[:1]
    pose = Pose(body, *(np.repeat(points, 75, 0) for name, points in still.point_sets().items() if name != "body"))
    assert np.array_equal(smoothing.without_swapped_sides(pose, 25.0).body, body)


def test_noise_is_removed_and_fast_motion_kept(moving):
    rng = np.random.default_rng(5)
    true, tall = moving.body[..., :2], person_height(moving.body).max()
    noisy = moving.body + np.float32([1, 1, 0]) * rng.normal(0, 0.01 * tall, moving.body.shape).astype(np.float32)
    found = smooth(noisy)
    off = [np.linalg.norm(points[..., :2] - true, axis=-1) for points in (noisy, found)]
    jitter = [np.linalg.norm(np.diff(points[..., :2] - true, 2, axis=0), axis=-1).mean() for points in (noisy, found)]
    speed = np.linalg.norm(np.gradient(true, axis=0), axis=-1)
    fast = speed > np.percentile(speed[:, [L_WRIST, R_ANKLE, R_KNEE]], 95)
    assert jitter[1] < 0.4 * jitter[0]
    assert off[1].mean() < 0.85 * off[0].mean()
    assert off[1][fast].mean() < 0.95 * off[0][fast].mean()


def test_an_arm_alone_may_be_swapped(moving):
    body = moving.body.copy()
    arms, other = [2, 3, 4], [5, 6, 7]
    body[50:54, arms], body[50:54, other] = moving.body[50:54, other], moving.body[50:54, arms]
    mended = smoothing.without_swapped_sides(replace(moving, body=body), 25.0)
    assert np.array_equal(mended.body, moving.body)
