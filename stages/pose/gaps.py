"""Fills short gaps in tracked points by linear interpolation over time."""

import numpy as np


def fill(points: np.ndarray, max_gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Fills gaps of at most `max_gap` frames between two known points. The score of a filled point is half of the lower
    score of the two.

    points  (T, n, 3) x and y in pixels, score; unknown points are NaN with score 0
    Returns the points (T, n, 3), and which of them were filled (T, n) bool."""
    filled, known = points.copy(), points[..., 2] > 0
    for j in range(points.shape[1]):
        frames = np.flatnonzero(known[:, j])
        for a, b in zip(frames[:-1], frames[1:]):
            if 1 < b - a <= max_gap + 1:
                weight = (np.arange(a + 1, b) - a)[:, None] / (b - a)
                filled[a + 1 : b, j, :2] = (1 - weight) * points[a, j, :2] + weight * points[b, j, :2]
                filled[a + 1 : b, j, 2] = min(points[a, j, 2], points[b, j, 2]) / 2
    return filled, (filled[..., 2] > 0) & ~known
