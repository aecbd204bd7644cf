"""Temporal medians and modes of what is not covered."""

import numpy as np

NEAR = 4    # 8-bit steps around a mode that belong to it: twice a camera's noise
_ROUNDS = 2  # of mean shift
_ROWS = 32  # at a time, so that memory stays small whatever the frames' size


def uncovered_median(pictures: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8 and where they are covered (T, H, W) bool -> the exact median over each pixel's
    uncovered frames (H, W, 3) uint8, 0 where there is none, and which pixels were seen at all (H, W) bool."""
    median = np.zeros(pictures.shape[1:], np.uint8)
    for top in range(0, pictures.shape[1], _ROWS):
        rows = np.s_[top : top + _ROWS]
        ordered, count = _ordered(pictures[:, rows], ~covered[:, rows])
        places = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(pictures) - 1)
        lower, upper = (np.take_along_axis(ordered, place, -1)[..., 0] for place in places)
        median[rows] = np.where(count[..., 0] > 0, (lower + upper) // 2, 0)
    return median, ~covered.all(0)


def near_median(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Values (T, h, w, C) of at most 10 bits and which of them count (T, h, w) bool -> their mode by mean shift (Cheng
    1995) from their median, (h, w, C) float32, 0 where there is none. As robust as a median, and finer than whole
    steps: gradients of a smooth wall are fractions of one."""
    ordered, count = _ordered(values, free)
    mode = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), -1).astype(np.float32)
    for _ in range(_ROUNDS):
        near = np.abs(ordered - mode) <= NEAR
        total = np.sum(ordered, axis=-1, keepdims=True, where=near, dtype=np.float32)
        mode = total / np.maximum(np.count_nonzero(near, axis=-1, keepdims=True), 1)
    return np.where(count[..., 0] > 0, mode[..., 0], 0)


def _ordered(values: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values in their order, int16 (h, w, C, T), first those that count; and how many do, (h, w, 1, 1)."""
    ordered = np.where(free[..., None], values, np.int16(2**13))
    ordered = np.ascontiguousarray(np.moveaxis(ordered, 0, -1))
    ordered.sort(axis=-1)
    return ordered, free.sum(0)[..., None, None]
