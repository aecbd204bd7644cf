"""The empty background of a still camera, from frames with a person before it: typical gradients of those frames in
which both pixels are free, put together to the colours where evidence is thick (Weiss 2001).

Near the person lie their shadow, their blur and what a mask misses. So for every pixel, and every pair of neighbours,
those frames are taken in which the person is far, if there are enough of them, else those in which they are less far;
and frames in which it is darker than at other times are taken last, as a shadow only makes darker. The more frames are
far, the more a colour holds. Between such colours gradients fill in: most frames have none along an outline that moves,
and frames of different light leave no seam.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from stages.vision import poisson
from stages.vision.median import nearest_mode

RADII = 1, 2, 4, 8  # how far the person is, in units of the least radius
ENOUGH, LEAST = 0.05, 3  # share of the frames that are enough at one radius, and how many at least
LIT = 0.75          # quantile of a pixel's colours near which it is lit
DARKER = 6.0        # 8-bit steps of grey below it: in shadow
POWER = 4           # of the share of frames at the largest radius: a colour's weight beside a gradient's, which is 1,
LOOSE = 1e-5        # and the least one
THICK = 0.9         # such a share from which a colour stays as it is
GREY = np.float32([0.299, 0.587, 0.114])
_ROWS = 32          # at a time, so that memory stays small whatever the frames' size


def clearance(covered: np.ndarray, viewed: np.ndarray, radius: float) -> np.ndarray:
    """How far each pixel of a frame is from what is covered (H, W) bool, (H, W) uint8: more than how many of RADII x
    `radius` pixels; 0 is not free, nor is what was not `viewed` (H, W) bool."""
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return (np.searchsorted(np.multiply(RADII, max(radius, 1)), distance) * viewed).astype(np.uint8)


def empty(pictures: np.ndarray, clear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8 and their clearances (T, H, W) -> the background (H, W, 3) uint8, 0 where it was never
    free, and where it was, (H, W) bool."""
    seen = clear.any(0)
    colour, share = np.zeros(pictures.shape[1:], np.float32), np.zeros(seen.shape, np.float32)
    for rows in _blocks(len(seen)):
        colour[rows], share[rows] = _typical(pictures[:, rows], clear[:, rows], LIT)
    thin = seen & (share < THICK)
    if thin.any():
        part = _around(thin)
        lit = np.stack([_lit(*one, colour[part]) for one in zip(pictures[:, *part], clear[:, *part])])
        colour[part] = _joined(pictures[:, *part], lit, colour[part], seen[part] * (share[part] ** POWER + LOOSE))
    return np.where(seen[..., None], np.rint(colour).clip(0, 255), 0).astype(np.uint8), seen


def _typical(values: np.ndarray, clear: np.ndarray, quantile: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Values (T, h, w, 3) -> the typical ones of the frames at the largest radius that enough of them have, (h, w, 3)
    float32; and the share of frames at the largest of all, (h, w), 0 where that is not enough."""
    enough, taken = max(LEAST, round(ENOUGH * len(values))), clear > 0
    for radius in range(2, len(RADII) + 1):
        far = clear >= radius
        plenty = far.sum(0) >= enough
        taken = np.where(plenty, far, taken)
    return nearest_mode(values, taken, quantile), np.where(plenty, far.mean(0), 0)


def _lit(picture: np.ndarray, clear: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """A frame's clearance, at most the least one where it is in shadow."""
    return np.where(picture @ GREY < colour @ GREY - DARKER, np.minimum(clear, 1), clear)


def _joined(pictures: np.ndarray, clear: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The colours (H, W, 3) that fit the typical gradients, and the given ones as far as these have weight (H, W)."""
    across, down = np.zeros_like(colour[:, 1:]), np.zeros_like(colour[1:])
    linked_across, linked_down = np.zeros(across.shape[:2], bool), np.zeros(down.shape[:2], bool)
    for rows in _blocks(len(colour)):
        picture, both = pictures[:, rows].astype(np.int16), np.minimum(clear[:, rows, 1:], clear[:, rows, :-1])
        across[rows], linked_across[rows] = _typical(np.diff(picture, axis=2), both)[0], both.any(0)
    for rows in _blocks(len(down)):
        below = slice(rows.start + 1, rows.stop + 1)
        difference = pictures[:, below].astype(np.int16) - pictures[:, rows]
        both = np.minimum(clear[:, below], clear[:, rows])
        down[rows], linked_down[rows] = _typical(difference, both)[0], both.any(0)
    return poisson.integrate(colour, across, down, linked_across, linked_down, weight)


def _around(thin: np.ndarray) -> tuple[slice, slice]:
    """The box of what is thin, with a pixel around it to hold it by."""
    spans = (np.flatnonzero(thin.any(axis))[[0, -1]] for axis in (1, 0))  # rows, columns
    return tuple(slice(max(0, low - 1), high + 2) for low, high in spans)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(top, min(top + _ROWS, count)) for top in range(0, count, _ROWS))
