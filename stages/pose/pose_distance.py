"""The distance from each driving pose to the nearest pose in the target's video. The larger it is, the more the
generator has to extrapolate.

Poses are aligned at the middle of the hips, so the distance does not depend on the person's position in the frame.
"""

import numpy as np

from stages.pose.skeleton import L_HIP, NECK, R_HIP, Pose

CHUNK = 64      # number of driving poses that are compared with all known poses at once; limits memory
MIN_JOINTS = 6  # smallest number of joints that are known in both poses


def distance_to_nearest(driving: Pose, known: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Compares each of T driving poses with K known poses of the target.

    Returns, for the nearest known pose, the mean distance over the common joints, divided by the length of the target's
    torso, (T,) float; and its index, (T,) int. NaN and -1 if no known pose has MIN_JOINTS common joints."""
    driving_points, known_points = _centred(driving.body), _centred(known.body)  # (T, 18, 2), (K, 18, 2)
    torsos = np.linalg.norm(known_points[:, NECK], axis=-1)
    torso = np.nanmedian(torsos) if np.isfinite(torsos).any() else np.nan        # pixels
    distance, nearest = np.full(len(driving_points), np.nan), np.full(len(driving_points), -1)
    for start in range(0, len(driving_points) if len(known_points) else 0, CHUNK):
        chunk = driving_points[start : start + CHUNK]
        apart = np.linalg.norm(chunk[:, None] - known_points, axis=-1)        # (t, K, 18)
        common = np.isfinite(apart)
        count = common.sum(-1)
        mean = np.where(count >= MIN_JOINTS, np.where(common, apart, 0).sum(-1) / np.maximum(count, 1), np.inf)
        rows = mean.argmin(1)
        least = mean[np.arange(len(chunk)), rows]
        comparable = np.isfinite(least)
        distance[start : start + CHUNK][comparable] = least[comparable] / torso
        nearest[start : start + CHUNK][comparable] = rows[comparable]
    return distance, nearest


def _centred(body: np.ndarray) -> np.ndarray:
    """Joints relative to the middle of the hips, (T, 18, 2). Unknown joints are NaN; if a hip is unknown, all are."""
    points = np.where(body[..., 2:] > 0, body[..., :2], np.nan)
    return points - points[:, [R_HIP, L_HIP]].mean(1, keepdims=True)
