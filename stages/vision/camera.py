"""Does the camera stand still? Points of the background are followed from one frame to others."""

import cv2
import numpy as np

_POINTS = 300   # followed at most
_LEVELS = (0, 2, 4)  # halvings tried: coarse pictures show far motion, but also the person everywhere
_LOST = 0.25  # share of the points that must be found again for a measurement


def displacements(pictures: list[np.ndarray], masks: list[np.ndarray]) -> np.ndarray:
    """How far the background has moved since the middle one of the pictures, in pixels: (n,), the median over its
    points; infinite where the background is not found again, NaN where it has no texture to follow.

    pictures    RGB (H, W, 3) uint8;  masks    (H, W) bool, true where the person is, generously
    """
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    middle = len(grey) // 2
    room = np.where(masks[middle], 0, 255).astype(np.uint8)
    points = cv2.goodFeaturesToTrack(grey[middle], _POINTS, 0.01, 5, mask=room)
    if points is None or len(points) < 8:
        return np.full(len(grey), np.nan)
    return np.array([_moved(grey[middle], other, points, mask) for other, mask in zip(grey, masks)])


def _moved(first: np.ndarray, second: np.ndarray, points: np.ndarray, mask: np.ndarray) -> float:
    """Median distance between the points in the first picture and where they are in the second."""
    at = np.clip(points[:, 0].astype(int), 0, np.array(mask.shape[::-1]) - 1)
    points = points[~mask[at[:, 1], at[:, 0]]]  # not hidden behind the person in the second picture
    if len(points) < 8:
        return np.nan
    attempts = (_followed(first, second, points, levels) for levels in _LEVELS)
    there, same = max(attempts, key=lambda attempt: attempt[1].sum())
    if same.sum() < _LOST * len(points):
        return np.inf
    return float(np.median(np.linalg.norm((there - points)[same, 0], axis=1)))


def _followed(first: np.ndarray, second: np.ndarray, points: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the points have gone, and which of them come back to where they were when followed backwards."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None, winSize=(21, 21), maxLevel=levels)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, winSize=(21, 21), maxLevel=levels)
    return there, (np.abs(points - back).max((1, 2)) < 0.5) & (found[:, 0] > 0) & (returned[:, 0] > 0)
