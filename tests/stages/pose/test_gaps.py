"""Short gaps are filled by linear interpolation; long gaps and the ends are not."""

import numpy as np

from stages.pose.gaps import fill


def test_gaps():
    t = np.arange(12.0)
    points = np.stack([3 * t, 50 - t, np.full(12, 0.8)], -1)[:, None].astype(np.float32)  # (T, 1, 3)
    points = np.repeat(points, 2, 1)
    holes = {0: [0, 3, 4, 11], 1: [5, 6, 7]}
    truth = points.copy()
    for joint, frames in holes.items():
        points[frames, joint] = [np.nan, np.nan, 0]
    filled, which = fill(points, 2)
    assert np.flatnonzero(which[:, 0]).tolist() == [3, 4] and not which[:, 1].any()
    assert np.allclose(filled[1:11, 0, :2], truth[1:11, 0, :2])
    assert np.allclose(filled[3:5, 0, 2], 0.4)
    assert np.isnan(filled[[0, 11], 0, :2]).all() and np.isnan(filled[5:8, 1, :2]).all()
