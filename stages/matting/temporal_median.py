"""Temporal medians and modes of the uncovered pixels of a video."""

import numpy as np

NEAR = 4    # 8-bit steps, radius of the mean shift window: twice the noise of a typical camera
_ROUNDS = 2  # iterations of mean shift
_ROWS = 32  # rows that are processed at a time; limits memory


def uncovered_median(pictures: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact median over the frames in which a pixel is not covered.

    pictures (T, H, W, 3) uint8 and covered (T, H, W) bool -> the median (H, W, 3) uint8, 0 where a pixel is always
    covered, and which pixels were uncovered at least once (H, W) bool."""
    median = np.zeros(pictures.shape[1:], np.uint8)
    for top in range(0, pictures.shape[1], _ROWS):
        rows = np.s_[top : top + _ROWS]
        ordered, count = _ordered(pictures[:, rows], ~covered[:, rows])
        places = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(pictures) - 1)
        lower, upper = (np.take_along_axis(ordered, place, -1)[..., 0] for place in places)
        median[rows] = np.where(count[..., 0] > 0, (lower + upper) // 2, 0)
    return median, ~covered.all(0)


def temporal_mode(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The mode over time by mean shift (Cheng 1995), started at the median. It is as robust as a median but not rounded
    to whole 8-bit steps, which matters for the small gradients of smooth surfaces.

    values (T, h, w, C) of at most 10 bits and free (T, h, w) bool, which of them count -> (h, w, C) float32, 0 where
    none counts."""
    ordered, count = _ordered(values, free)
    mode = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), -1).astype(np.float32)
    for _ in range(_ROUNDS):
        near = np.abs(ordered - mode) <= NEAR
        total = np.sum(ordered, axis=-1, keepdims=True, where=near, dtype=np.float32)
        mode = total / np.maximum(np.count_nonzero(near, axis=-1, keepdims=True), 1)
    return np.where(count[..., 0] > 0, mode[..., 0], 0)


def _ordered(values: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values sorted over time, int16 (h, w, C, T), where values that are not `free` come last; and the number of
    free values (h, w, 1, 1)."""
    ordered = np.where(free[..., None], values, np.int16(2**13))
    ordered = np.ascontiguousarray(np.moveaxis(ordered, 0, -1))
    ordered.sort(axis=-1)
    return ordered, free.sum(0)[..., None, None]
