"""The nearest of some known poses to each of other poses, by the mean distance of the joints that are known in both.

Two stages need it. Pose coverage compares poses that are aligned at the middle of the hips: the larger the distance,
the more the generator has to extrapolate. Retrieval, the baseline that copies frames, compares poses where they are.
"""

import numpy as np

from stages.pose.skeleton import L_HIP, NECK, R_HIP, Pose

CHUNK = 64                    # number of poses that are compared with all known poses at once; limits memory
MIN_ALIGNED, MIN_PLACED = 6, 9  # smallest number of joints that are known in both poses


def distance_to_nearest(driving: Pose, known: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Compares each of T driving poses with K known poses of the target, aligned at the middle of the hips.

    Returns, for the nearest known pose, the mean distance over the common joints, divided by the length of the target's
    torso, (T,) float; and its index, (T,) int. NaN and -1 if no known pose has MIN_ALIGNED common joints."""
    points = _centred(known.body)  # (K, 18, 2)
    torsos = np.linalg.norm(points[:, NECK], axis=-1)
    torso = np.nanmedian(torsos) if np.isfinite(torsos).any() else np.nan  # pixels
    distance, nearest = _nearest(_centred(driving.body), points, MIN_ALIGNED)
    return distance / torso, nearest


def nearest_poses(driving: Pose, known: Pose) -> np.ndarray:
    """The index (T,) of the known pose that is nearest to each of T driving poses, at the same place in the frame; -1 if
    no known pose has MIN_PLACED common joints."""
    return _nearest(_known_points(driving.body), _known_points(known.body), MIN_PLACED)[1]


def _nearest(poses: np.ndarray, known: np.ndarray, min_joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance (T,) in pixels, and index (T,), of the nearest of `known` (K, 18, 2) to each pose (T, 18, 2); NaN
    and -1 if none has `min_joints` common joints. Unknown joints are NaN."""
    distance, nearest = np.full(len(poses), np.nan), np.full(len(poses), -1)
    for start in range(0, len(poses) if len(known) else 0, CHUNK):
        chunk = poses[start : start + CHUNK]
        distances = np.linalg.norm(chunk[:, None] - known, axis=-1)  # (t, K, 18)
        common = np.isfinite(distances)
        count = common.sum(-1)
        mean = np.where(count >= min_joints, np.where(common, distances, 0).sum(-1) / np.maximum(count, 1), np.inf)
        rows = mean.argmin(1)
        least = mean[np.arange(len(chunk)), rows]
        comparable = np.isfinite(least)
        distance[start : start + CHUNK][comparable] = least[comparable]
        nearest[start : start + CHUNK][comparable] = rows[comparable]
    return distance, nearest


def _centred(body: np.ndarray) -> np.ndarray:
    """Joints relative to the middle of the hips, (T, 18, 2). Unknown joints are NaN; if a hip is unknown, all are."""
    points = _known_points(body)
    return points - points[:, [R_HIP, L_HIP]].mean(1, keepdims=True)


def _known_points(body: np.ndarray) -> np.ndarray:
    """x and y of joints (T, 18, 3), NaN where they are unknown."""
    return np.where(body[..., 2:] > 0, body[..., :2], np.nan)
