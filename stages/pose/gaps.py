"""Short gaps in a sequence of points, filled by a straight line in time."""

import numpy as np


def fill(points: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (T, n, 3) of x, y, score; unknown ones are NaN with score 0. Gaps of at most `longest` frames between
    two known points are filled, with half the lesser score of the two.

    Returns the points and which were filled (T, n)."""
    filled, known = points.copy(), points[..., 2] > 0
    for j in range(points.shape[1]):
        frames = np.flatnonzero(known[:, j])
        for a, b in zip(frames[:-1], frames[1:]):
            if 1 < b - a <= longest + 1:
                share = (np.arange(a + 1, b) - a)[:, None] / (b - a)
                filled[a + 1 : b, j, :2] = (1 - share) * points[a, j, :2] + share * points[b, j, :2]
                filled[a + 1 : b, j, 2] = min(points[a, j, 2], points[b, j, 2]) / 2
    return filled, (filled[..., 2] > 0) & ~known
