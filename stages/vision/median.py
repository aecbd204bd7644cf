"""The temporal median of what is not covered: the background of a still camera."""

import numpy as np

_ROWS = 32  # at a time, so that memory stays small whatever the frames' size


def uncovered_median(pictures: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8 and where they are covered (T, H, W) bool -> the exact median over each pixel's
    uncovered frames (H, W, 3) uint8, 0 where there is none, and which pixels were seen at all (H, W) bool."""
    median = np.zeros(pictures.shape[1:], np.uint8)
    for top in range(0, pictures.shape[1], _ROWS):
        rows = np.s_[top : top + _ROWS]
        hidden = covered[:, rows]
        values = np.where(hidden[..., None], np.uint16(256), pictures[:, rows])  # covered ones sort last
        values = np.ascontiguousarray(np.moveaxis(values, 0, -1))  # (rows, W, 3, T)
        values.sort(axis=-1)
        count = (~hidden).sum(0)[..., None, None]  # (rows, W, 1, 1)
        places = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(pictures) - 1)
        lower, upper = (np.take_along_axis(values, place, -1)[..., 0] for place in places)
        median[rows] = np.where(count[..., 0] > 0, (lower + upper) // 2, 0)
    return median, ~covered.all(0)
