"""How near driving poses are to those that the target was filmed in: what the generator has to make up.

Appearance hangs on the pose relative to the body, not on where in the frame the person stands; so poses are compared
with the middle of their hips laid over each other.
"""

import numpy as np

from stages.pose.skeleton import L_HIP, NECK, R_HIP, Pose

AT_ONCE = 64   # driving poses, compared with all others: memory
FEWEST = 6     # joints that both must show


def distance_to_nearest(driving: Pose, known: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Of each driving pose (T) to the nearest known one (K): the mean over the joints that both show, in lengths of the
    target's torso, (T,) float; NaN where none can be compared. And which that is, (T,) int; -1 where none is."""
    points, others = _centred(driving.body), _centred(known.body)              # (T, 18, 2), (K, 18, 2)
    spans = np.linalg.norm(others[:, NECK], axis=-1)
    torso = np.nanmedian(spans) if np.isfinite(spans).any() else np.nan        # pixels
    found, which = np.full(len(points), np.nan), np.full(len(points), -1)
    for start in range(0, len(points) if len(others) else 0, AT_ONCE):
        part = points[start : start + AT_ONCE]
        apart = np.linalg.norm(part[:, None] - others, axis=-1)                # (t, K, 18)
        both = np.isfinite(apart)
        count = both.sum(-1)
        mean = np.where(count >= FEWEST, np.where(both, apart, 0).sum(-1) / np.maximum(count, 1), np.inf)
        rows = mean.argmin(1)
        least = mean[np.arange(len(part)), rows]
        some = np.isfinite(least)
        found[start : start + AT_ONCE][some] = least[some] / torso
        which[start : start + AT_ONCE][some] = rows[some]
    return found, which


def _centred(body: np.ndarray) -> np.ndarray:
    """Joints relative to the middle of the hips, (T, 18, 2); unknown ones, and all of a pose without hips, are NaN."""
    points = np.where(body[..., 2:] > 0, body[..., :2], np.nan)
    return points - points[:, [R_HIP, L_HIP]].mean(1, keepdims=True)
