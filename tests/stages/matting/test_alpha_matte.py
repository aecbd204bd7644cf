"""Mask refinement: the guided filter compared with its definition, holes and islands."""

import cv2
import numpy as np

from stages.matting import alpha_matte
from stages.pose.skeleton import Pose


def upright(size=128) -> Pose:
    """A pose with only torso and legs, in the middle of a square of 128 pixels."""
    pose = Pose.unknown()
    known = {0: (64, 18), 1: (64, 32), 2: (54, 32), 5: (74, 32), 8: (58, 70), 11: (70, 70), 9: (57, 92), 10: (56, 114),
             12: (71, 92), 13: (72, 114)}
    for joint, place in known.items():
        pose.body[joint] = (*(np.array(place) * size / 128), 0.9)
    return pose


def figure(size=128):
    """A picture of that person, brown on grey, and the true mask."""
    mask = np.zeros((size, size), np.float32)
    cv2.rectangle(mask, (48, 28), (80, 74), 1, -1)
    cv2.circle(mask, (64, 18), 10, 1, -1)
    for a, b in (((57, 70), (56, 116)), ((71, 70), (72, 116))):
        cv2.line(mask, a, b, 1, 9)
    noise = np.random.default_rng(0).normal(0, 4, (size, size, 3))
    picture = np.where(mask[..., None] > 0, (120, 70, 40), (140, 150, 160)) + noise
    return np.clip(picture, 0, 255).astype(np.uint8), mask


def overlap(alpha, truth):
    a, b = alpha > 0.5, truth > 0.5
    return (a & b).sum() / (a | b).sum()


def test_guided_filter_agrees_with_its_definition():
    rng = np.random.default_rng(0)
    guide, alpha, radius, epsilon = rng.random((12, 14, 3), np.float32), rng.random((12, 14), np.float32), 2, 1e-2
    padded_guide = np.pad(guide, ((4, 4), (4, 4), (0, 0)), "symmetric")
    padded_alpha = np.pad(alpha, 4, "symmetric")
    slopes, offsets = np.empty((16, 18, 3)), np.empty((16, 18))
    for y in range(16):
        for x in range(18):
            colours = padded_guide[y : y + 5, x : x + 5].reshape(-1, 3).astype(float)
            values = padded_alpha[y : y + 5, x : x + 5].ravel().astype(float)
            covariance = np.cov(colours.T, bias=True) + epsilon * np.eye(3)
            shared = ((colours - colours.mean(0)) * (values - values.mean())[:, None]).mean(0)
            slopes[y, x] = np.linalg.solve(covariance, shared)
            offsets[y, x] = values.mean() - slopes[y, x] @ colours.mean(0)
    expected = np.array([[slopes[y : y + 5, x : x + 5].mean((0, 1)) @ guide[y, x] + offsets[y : y + 5, x : x + 5].mean()
                          for x in range(14)] for y in range(12)])
    inner = np.s_[2:-2, 2:-2]  # further out the two continue the slopes beyond the edge in their own way
    assert np.abs(alpha_matte.guided_filter(guide, alpha, radius, epsilon) - expected)[inner].max() < 1e-4


def test_edges_are_aligned_with_the_image():
    picture, truth = figure()
    rough = cv2.GaussianBlur(cv2.warpAffine(truth, np.float32([[1, 0, 2], [0, 1, 1]]), truth.shape), (0, 0), 2)
    refined = alpha_matte.refine(picture, rough, 4, upright())
    assert overlap(refined, truth) > max(0.95, overlap(rough, truth) + 0.04)


def test_holes_in_the_torso_are_closed_and_islands_removed():
    picture, truth = figure()
    rough = truth.copy()
    rough[45:60, 58:70] = 0  # a hole in the torso
    rough[90:110, 8:24] = 1  # someone else's bag
    refined = alpha_matte.refine(picture, rough, 2, upright())
    assert refined[48:57, 61:67].min() > 0.95
    assert refined[:, :30].max() == 0
    assert overlap(refined, truth) > 0.95


def test_without_a_pose_only_the_edges_move():
    picture, truth = figure()
    assert overlap(alpha_matte.refine(picture, truth, 2, Pose.unknown()), truth) > 0.97
    assert not alpha_matte.refine(picture, np.zeros_like(truth), 2, Pose.unknown()).any()


def test_fingers_of_the_pose_are_drawn_in():
    pose, alpha = upright(), np.zeros((128, 128), np.float32)
    alpha[28:74, 48:80] = 1
    assert alpha_matte.with_hands(alpha, pose) is alpha
    for joint in range(21):
        pose.left_hand[joint] = (90 + joint % 4 * 4, 60 + joint // 4 * 3, 0.9)
    hinted = alpha_matte.with_hands(alpha, pose)
    for x, y, _ in pose.left_hand[1:]:
        assert 0.15 < hinted[int(y), int(x)] <= 0.4
    assert np.array_equal(hinted[:, :84], alpha[:, :84]) and not hinted[:50].max(0)[84:].any()
