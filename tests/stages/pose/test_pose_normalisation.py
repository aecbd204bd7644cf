"""Pose normalisation of stick figures seen by a pinhole camera. The ground truth is the same motion, performed by a
person of another size."""

import numpy as np
import pytest

from stages.pose import pose_normalisation
from stages.pose.skeleton import L_ANKLE, NECK, NOSE, R_ANKLE

FPS, SIDE, FOCAL, CAMERA_HEIGHT = 25.0, 256, 280.0, 1.2


def stick(stature, act, depth, x=0.0):
    """(18, 3) joints of a person `stature` metres from nose to ankle, `depth` metres away, in pixels."""
    s = stature / 1.5
    bend = act.get("squat", 0.0)
    hip = np.array([0, 0.8 - 0.35 * bend, 0]) * s
    lift = np.array([0, act.get("jump", 0.0), 0]) * s
    body = np.zeros((18, 3))
    body[NOSE], body[NECK] = hip + [0, 0.7 * s, 0], hip + [0, 0.5 * s, 0]
    for side, joints in ((-1, (2, 3, 4, 8, 9, 10, 14, 16)), (1, (5, 6, 7, 11, 12, 13, 15, 17))):
        shoulder, elbow, wrist, hip_joint, knee, ankle, eye, ear = joints
        body[shoulder] = body[NECK] + np.array([0.2 * side, -0.02, 0]) * s
        body[elbow] = body[shoulder] + np.array([0.05 * side, -0.28, 0]) * s
        body[wrist] = body[elbow] + np.array([0, -0.25, 0]) * s
        body[hip_joint] = hip + np.array([0.1 * side, 0, 0]) * s
        angle = act.get("kick", 0.0) * (side > 0)
        reach = np.array([np.sin(angle), -np.cos(angle), 0]) * s
        foot = body[hip_joint] + 0.8 * reach if angle else np.array([0.1 * side * s, 0, 0])
        out = np.array([np.sqrt(max(0, 0.16 - ((body[hip_joint] - foot)[1] / s / 2) ** 2)) * side, 0, 0]) * s
        body[ankle], body[knee] = foot, (foot + body[hip_joint]) / 2 + (0 if angle else out)
        body[eye], body[ear] = body[NOSE] + [0.03 * side * s, 0.03 * s, 0], body[NOSE] + [0.07 * side * s, 0, 0]
    body = body + lift
    u = FOCAL * (body[:, 0] + x) / depth + SIDE / 2
    v = FOCAL * (CAMERA_HEIGHT - body[:, 1]) / depth + SIDE / 2
    return np.column_stack([u, v, np.ones(18)])


def acts(frames, kind):
    """The motion in each frame."""
    wave = 0.5 - 0.5 * np.cos(np.arange(frames) / frames * 2 * np.pi * 4)
    hop = np.clip(np.sin(np.arange(frames) / 6), 0, None) ** 2
    return {
        "stand": [{} for _ in range(frames)],
        "squat": [{"squat": w} for w in wave],
        "kick": [{"kick": 1.3 * w} for w in wave],
        "jump": [{"jump": 0.4 * h} for h in hop],
    }[kind]


def video(stature, does, depths, xs=None, noise=0.0, seed=0):
    xs = np.zeros(len(does)) if xs is None else xs
    body = np.stack([stick(stature, act, depth, x) for act, depth, x in zip(does, depths, xs)])
    body[..., :2] += np.random.default_rng(seed).normal(0, noise, body[..., :2].shape)
    return body


def measured(body, take=None):
    return pose_normalisation.measure_stance(body, np.zeros(len(body), int) if take is None else take, FPS, SIDE / 2)


def transformed(target, source, frames=7):
    scale, offset = pose_normalisation.normalise(measured(target), measured(source), frames)
    return source[..., :2] * scale[:, None, None] + offset[:, None]


def errors(result, truth):
    """Median ankle and height errors, as shares of the frame's height."""
    ankles = [R_ANKLE, L_ANKLE]
    foot = np.linalg.norm(result[:, ankles] - truth[:, ankles, :2], axis=-1)
    height = np.abs(result[:, NOSE, 1] - result[:, ankles, 1].mean(1)) - np.abs(
        truth[:, NOSE, 1] - truth[:, ankles, 1].mean(1))
    return np.median(foot) / SIDE, np.median(np.abs(height)) / SIDE


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("source_does", ["stand", "squat", "kick", "jump"])
@pytest.mark.parametrize("target_does", ["stand", "squat", "jump"])
def test_one_depth(target_does, source_does, noise):
    depth = np.full(150, 4.0)
    target = video(1.3, acts(150, target_does), depth, noise=noise)
    source = video(1.6, acts(150, source_does), np.full(150, 3.5), noise=noise, seed=1)
    truth = video(1.3, acts(150, source_does), depth)
    foot, height = errors(transformed(target, source), truth)
    assert foot < 0.015 and height < 0.015


@pytest.mark.parametrize("does", ["stand", "squat", "jump"])
def test_both_walk_in_depth(does):
    walk = 4.5 + 1.5 * np.sin(np.arange(300) / 300 * 2 * np.pi)
    target, source = video(1.3, acts(300, "stand"), walk[::-1]), video(1.6, acts(300, does), walk)
    foot, height = errors(transformed(target, source), video(1.3, acts(300, does), walk))
    assert foot < 0.02 and height < 0.02


def test_a_target_at_one_depth_does_not_follow_in_depth():
    walk = 4.5 + 1.5 * np.sin(np.arange(300) / 300 * 4 * np.pi)
    target = video(1.3, acts(300, "stand"), np.full(300, 4.0))
    foot, height = errors(transformed(target, video(1.6, acts(300, "stand"), walk)), target)
    assert foot < 0.02 and height < 0.02


def test_sideways_steps_survive():
    xs = 0.5 * np.sin(np.arange(200) / 200 * 6 * np.pi)
    depth = np.full(200, 4.0)
    target = video(1.5, acts(200, "stand"), depth)
    foot, _ = errors(transformed(target, video(1.5, acts(200, "stand"), depth, xs)),
                     video(1.5, acts(200, "stand"), depth, xs))
    assert foot < 0.005


def test_bad_frames_reuse_the_last_transform():
    depth = 4.5 + np.sin(np.arange(200) / 200 * 4 * np.pi)
    source = video(1.6, acts(200, "stand"), depth)
    source[100:110, [R_ANKLE, L_ANKLE]] = [np.nan, np.nan, 0]
    source[:5] = [np.nan, np.nan, 0]
    target = measured(video(1.3, acts(200, "stand"), depth))
    scale, offset = pose_normalisation.normalise(target, measured(source), 7)
    assert np.isfinite(scale).all() and np.isfinite(offset).all()
    assert (scale[100:110] == scale[99]).all() and (offset[100:110] == offset[99]).all()
    assert (scale[:5] == scale[5]).all()


def test_takes_do_not_influence_each_other():
    """The source stands far away in the first take and close in the second. The second starts without visible feet."""
    depth = np.repeat([6.0, 3.5], [60, 40])
    source, take = video(1.6, acts(100, "stand"), depth), np.repeat([0, 1], [60, 40])
    source[60:64, [R_ANKLE, L_ANKLE]] = [np.nan, np.nan, 0]
    target = measured(video(1.3, acts(300, "stand"), 4.5 + np.sin(np.arange(300) / 300 * 2 * np.pi)))
    scale, offset = pose_normalisation.normalise(target, measured(source, take), 7)
    assert scale[:60] == pytest.approx(scale[0]) and scale[60:] == pytest.approx(scale[99])
    assert offset[:60] == pytest.approx(np.tile(offset[0], (60, 1)))
    assert offset[60:] == pytest.approx(np.tile(offset[99], (40, 1)))
    joined, _ = pose_normalisation.normalise(target, measured(source), 7)
    assert abs(joined - scale).max() > 0.05


def test_a_take_of_weight_0_gets_the_last_transform_of_the_previous_take():
    values, take = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]), np.array([0, 0, 1, 2, 2])
    result = pose_normalisation.weighted_median(values, np.array([0, 1, 0, 0, 1.0]), take, 3)
    assert result.ravel().tolist() == [2, 2, 2, 5, 5]


def test_a_person_away_from_the_middle_keeps_the_position():
    """The source stands in the middle, the target a metre to the side."""
    depth, aside = np.full(100, 4.0), np.full(100, 0.9)
    target, source = video(1.5, acts(100, "stand"), depth, aside), video(1.5, acts(100, "stand"), depth)
    foot, _ = errors(transformed(target, source), target)
    assert foot < 0.005


def test_a_source_without_feet_is_rejected():
    source = video(1.6, acts(50, "stand"), np.full(50, 4.0))
    source[:, [R_ANKLE, L_ANKLE]] = [np.nan, np.nan, 0]
    with pytest.raises(ValueError, match="ankles"):
        measured(source)


@pytest.mark.parametrize("frames", [1, 3, 7])
def test_weighted_median_with_equal_weights_is_the_median(frames):
    values = np.random.default_rng(0).normal(size=(40, 3))
    half = frames // 2
    result = pose_normalisation.weighted_median(values, np.ones(40), np.zeros(40), frames)
    for t in range(half, 40 - half):
        assert np.array_equal(result[t], np.median(values[t - half: t + half + 1], axis=0))


def test_weighted_median_ignores_rows_of_weight_0():
    values = np.array([[1.0], [100.0], [2.0], [3.0]])
    result = pose_normalisation.weighted_median(values, np.array([1, 0, 1, 1.0]), np.zeros(4), 3)
    assert result[1] == result[0] and (result < 10).all()
