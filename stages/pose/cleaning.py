"""Cleans the poses of a video: swapped sides, outliers, noise, short gaps, and hands that are not at their wrist."""

from dataclasses import replace

import numpy as np

from stages.pose import gaps, smoothing
from stages.pose.skeleton import L_WRIST, R_WRIST, Pose

HAND_DISTANCE = 0.05  # between the wrists of hand and body, body sizes


def clean_poses(pose: Pose, take: np.ndarray, fps: float, strength: float, max_gap: int) -> tuple[Pose, np.ndarray]:
    """Removes swapped sides, outliers and noise, and fills gaps of at most `max_gap` frames, in each take by itself.

    take      (T,) take number of each frame
    strength  of the smoothing; 0 leaves the detected points unchanged
    Returns the pose and the frames (T,) bool in which a body joint was filled."""
    poses, filled = zip(*(clean_take(pose[take == one], fps, strength, max_gap) for one in np.unique(take)))
    return Pose.concatenate(poses), np.concatenate(filled)


def clean_take(pose: Pose, fps: float, strength: float, max_gap: int) -> tuple[Pose, np.ndarray]:
    if strength and (pose.body[..., 2] > 0).any():
        pose = smoothing.without_swapped_sides(pose, fps)
        size = smoothing.body_size(pose.body)
        pose = pose.map(lambda points: without(points, smoothing.outliers(points, size, fps)))
    columns, filled = {}, {}
    for name, points in (pose.point_sets() | {"depth": depth_points(pose)}).items():
        columns[name], filled[name] = gaps.fill(points, max_gap)
        if strength:
            columns[name] = smoothing.smooth(columns[name], filled[name], strength, fps)
    columns["depth"] = columns["depth"][..., 0]
    return Pose(**columns), filled["body"].any(1)


def without_detached_hands(pose: Pose) -> Pose:
    """T poses in which hands are unknown whose wrist is not that of the body."""
    farthest, hands = HAND_DISTANCE * smoothing.body_size(pose.body), {}
    for name, wrist in (("left_hand", L_WRIST), ("right_hand", R_WRIST)):
        hand = getattr(pose, name)
        distance = np.linalg.norm(hand[:, 0, :2] - pose.body[:, wrist, :2], axis=-1)  # (T,), NaN if one is unknown
        hands[name] = without(hand, np.broadcast_to(distance[:, None] > farthest, hand.shape[:2]))
    return replace(pose, **hands)


def depth_points(pose: Pose) -> np.ndarray:
    """The depths of T poses as points (T, 18, 3), so that they are cleaned in the same way: depth, 0 and the score of
    the joint; NaN with score 0 if the joint or its depth is unknown."""
    points = np.stack([pose.depth, np.zeros_like(pose.depth), pose.body[..., 2]], -1)
    return without(points, ~np.isfinite(pose.depth) | (pose.body[..., 2] == 0))


def without(points: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Points (T, n, 3) with those in `removed` (T, n) bool made unknown."""
    return np.where(removed[..., None], np.float32([np.nan, np.nan, 0]), points)
