"""Keypoints of the background, tracked from one picture to another with pyramidal Lucas-Kanade, independently of the
lighting. Pictures are reduced RGB (h, w, 3) uint8, or grey ones from `normalised_grey`."""

import cv2
import numpy as np

MAX_POINTS = 300   # keypoints in a picture
MIN_POINTS = 40    # keypoints off the people, and ...
MIN_SPREAD = 0.15  # ... the share of the picture that they span, so that the keypoints on people are not needed
BLACK = 24         # brightness that a black frame does not reach


def normalised_grey(picture: np.ndarray) -> np.ndarray:
    """Grey with local brightness and contrast normalised, so that lighting does not matter, (h, w) uint8."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1)
    mean = cv2.blur(grey, (31, 31))
    deviation = np.sqrt(np.maximum(cv2.blur(grey * grey, (31, 31)) - mean * mean, 0))
    return (128 + 48 * (grey - mean) / (deviation + 6)).clip(0, 255).astype(np.uint8)


def is_black(picture: np.ndarray) -> bool:
    """Whether the picture is black except for a few lights."""
    return float(np.quantile(picture[::4, ::4].max(-1), 0.98)) < BLACK


def corners(grey: np.ndarray) -> np.ndarray:
    """Corners to track, spread over the picture, (n, 2) float32."""
    points = cv2.goodFeaturesToTrack(grey, MAX_POINTS, 0.01, max(grey.shape) / 36)
    return np.zeros((0, 2), np.float32) if points is None else points[:, 0]


def track_points(first: np.ndarray, second: np.ndarray, points: np.ndarray, levels: int
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Tracks points (n, 2) from the first to the second grey picture.

    Returns the new positions (n, 2) and which of them are valid (n,) bool: tracked back, they return to the start."""
    window = {"winSize": (21, 21), "maxLevel": levels}
    tracked, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None, **window)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, tracked, None, **window)
    return tracked, (np.abs(points - back).max(1) < 0.5) & (found[:, 0] > 0) & (returned[:, 0] > 0)


def sample_mask(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mask's values at points (n, 2). Points outside take the value at the border."""
    x, y = np.clip(np.rint(points).astype(int), 0, np.array(mask.shape[::-1]) - 1).T
    return mask[y, x]


def well_spread(points: np.ndarray, area: int) -> bool:
    """Whether points (n, 2) are enough, and spread enough over a picture of `area` pixels, to estimate the camera's
    motion."""
    return len(points) >= MIN_POINTS and hull_area(points) > MIN_SPREAD * area


def hull_area(points: np.ndarray) -> float:
    """Area of the convex hull of points (n, 2), in pixels."""
    return cv2.contourArea(cv2.convexHull(points)) if len(points) > 2 else 0.0
