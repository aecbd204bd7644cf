"""Points of the background that are followed from one picture to another by pyramidal Lucas-Kanade, whatever the light
does. Pictures are reduced RGB (h, w, 3) uint8 or, made `plain`, grey."""

import cv2
import numpy as np

POINTS = 300    # at most
VOTES = 40      # of them off the people, and the
MIN_SPREAD = 0.15   # share of the picture that they must span, so that they alone decide
DARK = 24       # brightness that a black frame does not reach


def normalised_grey(picture: np.ndarray) -> np.ndarray:
    """Grey with even contrast and brightness everywhere, so that light does not matter, (h, w) uint8."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1)
    mean = cv2.blur(grey, (31, 31))
    deviation = np.sqrt(np.maximum(cv2.blur(grey * grey, (31, 31)) - mean * mean, 0))
    return (128 + 48 * (grey - mean) / (deviation + 6)).clip(0, 255).astype(np.uint8)


def is_black(picture: np.ndarray) -> bool:
    """Whether the picture is black, apart from a few lights."""
    return float(np.quantile(picture[::4, ::4].max(-1), 0.98)) < DARK


def corners(grey: np.ndarray) -> np.ndarray:
    """Points worth following, spread over the picture, (n, 2) float32."""
    points = cv2.goodFeaturesToTrack(grey, POINTS, 0.01, max(grey.shape) / 36)
    return np.zeros((0, 2), np.float32) if points is None else points[:, 0]


def track_points(first: np.ndarray, second: np.ndarray, points: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the points (n, 2) have gone, and which of them come back to where they were when followed backwards."""
    window = {"winSize": (21, 21), "maxLevel": levels}
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None, **window)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **window)
    return there, (np.abs(points - back).max(1) < 0.5) & (found[:, 0] > 0) & (returned[:, 0] > 0)


def sample_mask(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mask at the points (n, 2), those outside at the border."""
    x, y = np.clip(np.rint(points).astype(int), 0, np.array(mask.shape[::-1]) - 1).T
    return mask[y, x]


def well_spread(points: np.ndarray, area: int) -> bool:
    """Whether these points (n, 2) of a picture of that many pixels suffice to tell how the camera moved."""
    return len(points) >= VOTES and hull_area(points) > MIN_SPREAD * area


def hull_area(points: np.ndarray) -> float:
    """The area that points (n, 2) span, pixels."""
    return cv2.contourArea(cv2.convexHull(points)) if len(points) > 2 else 0.0
