"""How close two pictures are: PSNR and SSIM of RGB pictures (height, width, 3) uint8, and the boxes they are
taken in. SSIM is that of Wang et al. 2004: Gaussian window 11, sigma 1.5, whole windows only, mean over channels.
"""

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from stages.vision.skeleton import Pose

WINDOW = 11     # pixels, of SSIM
SMALLEST = 16   # pixels, side of a box: SSIM's window must fit
BEST = 100.0    # dB, what equal pictures score, so that means stay finite
MARGIN = 0.1    # around a pose, share of its height: joints lie inside of the body


def psnr(picture: np.ndarray, reference: np.ndarray, seen: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB, of 8-bit pictures; of the pixels `seen` (height, width) bool where it is
    given, NaN where there is none."""
    if seen is not None and not seen.all():
        if not seen.any():
            return float("nan")
        picture, reference = picture[seen], reference[seen]  # (n, 3)
    error = np.mean((picture.astype(np.float32) - reference) ** 2, dtype=np.float64)
    return float(min(BEST, 10 * np.log10(255**2 / error))) if error > 0 else BEST


def ssim(picture: np.ndarray, reference: np.ndarray, seen: np.ndarray | None = None) -> float:
    """Structural similarity, at most 1. Of the windows that `seen` (height, width) bool holds whole, where it is
    given; NaN where there is none."""
    mean, local = structural_similarity(
        picture, reference, channel_axis=2, data_range=255, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )
    if seen is None or seen.all():
        return float(mean)
    whole = cv2.erode(seen.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8), borderValue=0) > 0
    return float(local[whole].mean(dtype=np.float64)) if whole.any() else float("nan")


def person_box(pose: Pose, size: int) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom (pixels) of what is known of one pose and a margin, within a size x size frame;
    None where nothing of the pose lies in it."""
    points = np.concatenate([pose.body, pose.left_hand, pose.right_hand, pose.feet, pose.face])  # (69, 3)
    points = points[points[:, 2] > 0, :2]
    if not len(points):
        return None
    low, high = points.min(0), points.max(0)
    margin = MARGIN * (high - low)[1]
    low, high = np.floor(low - margin), np.ceil(high + margin)
    if (high <= 0).any() or (low >= size).any():
        return None
    short = np.maximum(0, SMALLEST - (np.minimum(high, size) - np.maximum(low, 0)))
    low = np.clip(low - short, 0, size - SMALLEST).astype(int)
    high = np.clip(high + short, low + SMALLEST, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def nearest_poses(body: np.ndarray, bodies: np.ndarray) -> np.ndarray:
    """For each pose (T, 18, 3) the index of the nearest among (N, 18, 3), by the mean distance of the joints that
    both know; -1 where none shares half of the joints."""
    out = np.full(len(body), -1)
    for t, pose in enumerate(body):
        both = (pose[:, 2] > 0) & (bodies[..., 2] > 0)                                     # (N, 18)
        apart = np.where(both, np.linalg.norm(bodies[..., :2] - pose[:, :2], axis=-1), 0)  # (N, 18)
        shared = both.sum(1)
        mean = np.where(shared >= 9, apart.sum(1) / np.maximum(shared, 1), np.inf)
        if len(mean) and np.isfinite(mean.min()):
            out[t] = mean.argmin()
    return out
