"""Homographies (3, 3) between pictures, in OpenCV's coordinates: whole numbers are pixel centres."""

import cv2
import numpy as np


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Maps points (n, 2) through a homography."""
    return cv2.perspectiveTransform(points[:, None].astype(np.float32), matrix)[:, 0] if len(points) else points


def normalised(matrix: np.ndarray) -> np.ndarray:
    """The same homography with a 1 at the lower right."""
    return matrix / matrix[2, 2]


def scaling(size: tuple[int, int], full: tuple[int, int]) -> np.ndarray:
    """Pixels of a reduced picture -> pixels of the full picture. Both sizes are (width, height)."""
    x, y = np.array(full) / np.array(size)
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])


def frame_corners(size: tuple[int, int]) -> np.ndarray:
    """The outer corners (4, 2) of a picture of size (width, height)."""
    right, bottom = size[0] - 0.5, size[1] - 0.5
    return np.float32([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])


def plausible(matrix: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether a camera that turns and zooms moderately can have this homography: a picture of `shape` (height, width)
    stays a convex quadrilateral of about its size."""
    corner = np.column_stack([frame_corners(shape[::-1]), np.ones(4)]) @ matrix.T
    if (corner[:, 2] * np.sign(matrix[2, 2]) <= 0.1 * abs(matrix[2, 2])).any():
        return False
    quad = (corner[:, :2] / corner[:, 2:]).astype(np.float32)
    area = cv2.contourArea(quad, oriented=True) / (shape[0] * shape[1])
    return cv2.isContourConvex(quad) and 0.2 < area < 5


def view_overlap(matrix: np.ndarray, shape: tuple[int, int]) -> float:
    """Intersection of a projected picture with another one of the same shape, as a share of the larger of the two; 0 if
    the homography is not plausible."""
    frame = frame_corners(shape[::-1])
    if not plausible(matrix, shape):
        return 0.0
    quad = project(matrix, frame)
    shared, _ = cv2.intersectConvexConvex(quad, frame)
    return shared / max(cv2.contourArea(quad), shape[0] * shape[1])


def views_extent(cameras: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The bounding box of all projected views in whole pixels: (left, top), (right, bottom)."""
    quads = np.concatenate([project(camera, frame_corners(size)) for camera in cameras]).astype(np.float64) + 0.5
    return np.floor(quads.min(0) + 1e-3).astype(int), np.ceil(quads.max(0) - 1e-3).astype(int)
