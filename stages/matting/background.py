"""The empty background of a still camera, from frames with a person before it: typical gradients of those frames in
which both pixels are free, put together to the colours where evidence is thick (Weiss 2001).

Three things spoil it near the person. Their blur and what a mask misses: so for every pixel, and every pair of
neighbours, those frames are taken in which the person is far, if there are enough of them, else those in which they are
less far. Their shadow: its edge moves, so of a pair's frames only those are taken in which brightness is the most even
around it, both pixels lit or both in shadow. Light that changes: gradients do not know it. The more frames are far, the
more a colour holds; between such colours gradients fill in. Colours come from a pixel's brightest frames, however few
they are, and lose their weight, by iteratively reweighted least squares (Holland and Welsch 1977), where they are
darker than gradients say: there it was never lit.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from stages.matting import poisson
from stages.matting.temporal_median import near_median

RADII = 1, 2, 4, 8  # how far the person is, in units of the least radius
ENOUGH, LEAST = 0.1, 3  # share of the frames that are enough at one radius, and how many at least
AROUND = 0.6        # least radii, sigma of what counts as around a pair
EVEN, STEP = 0.02, 1.0  # quantile of a pair's unevenness that is even; and so many 8-bit steps in a sigma more
POWER = 8           # of the share of frames at the largest radius: a colour's weight beside a gradient's, which is 1,
LOOSE = 1e-7, 1e-5  # and the least one, of a camera that stood still and of one that moved
BRIGHTEST, WITHIN = 0.02, 2  # share of a pixel's frames that are its brightest at most, and 8-bit steps around them
LIT, MANY = 0.01, 16         # weight of their colour, and the frames from which it has all of that
DARKER = 16, 8, 4, 4, 4      # 8-bit steps below what the surroundings say at which it keeps a quarter, by round
THICK = 0.9         # such a share from which a colour stays as it is
_FINE = 32          # of brightness, in an 8-bit step
_ROWS = 32          # at a time, so that memory stays small whatever the frames' size


def clearance(covered: np.ndarray, viewed: np.ndarray, radius: float) -> np.ndarray:
    """How far each pixel of a frame is from what is covered (H, W) bool, (H, W) uint8: more than how many of RADII x
    `radius` pixels; 0 is not free, nor is what was not `viewed` (H, W) bool."""
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return (np.searchsorted(np.multiply(RADII, max(radius, 1)), distance) * viewed).astype(np.uint8)


def empty(pictures: np.ndarray, clear: np.ndarray, radius: float, still: bool) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8 and their clearances (T, H, W) at that least radius -> the background (H, W, 3) uint8,
    0 where it was never free, and where it was, (H, W) bool. `still`: the camera stood still; else things before the
    background move in it, and nothing tells their edges from a shadow's."""
    seen = clear.any(0)
    colour, share = np.zeros(pictures.shape[1:], np.float32), np.zeros(seen.shape, np.float32)
    for rows in _blocks(len(seen)):
        colour[rows], share[rows] = _typical(pictures[:, rows], clear[:, rows])
    thin = seen & (share < THICK)
    if thin.any():
        part = _around(thin)
        weight = share[part] ** POWER
        sigma = AROUND * max(radius, 1) if still else None
        colour[part] = _joined(pictures[:, *part], clear[:, *part], sigma, colour[part], weight, seen[part])
    return np.where(seen[..., None], np.rint(colour).clip(0, 255), 0).astype(np.uint8), seen


def _typical(values: np.ndarray, clear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (T, h, w, 3) -> the typical ones of the frames at the largest radius that enough of them have, (h, w, 3)
    float32; and the share of frames at the largest of all, (h, w), 0 where that is not enough."""
    enough, taken = max(LEAST, round(ENOUGH * len(values))), clear > 0
    for radius in range(2, len(RADII) + 1):
        far = clear >= radius
        plenty = far.sum(0) >= enough
        taken = np.where(plenty, far, taken)
    return near_median(values, taken), np.where(plenty, far.mean(0), 0)


def _joined(pictures: np.ndarray, clear: np.ndarray, sigma: float | None, colour: np.ndarray, weight: np.ndarray,
            seen: np.ndarray) -> np.ndarray:
    """The colours (H, W, 3) that fit the typical gradients, and the given ones as far as these have weight (H, W);
    without a sigma of what is around a pair, of all frames however uneven. With one, the colours given are those of the
    brightest frames; one that is darker than its surroundings say is a shadow's, and loses its weight."""
    bright = None if sigma is None else np.stack([_brightness(*one, sigma) for one in zip(pictures, clear)])
    gradients, links = [], []
    for axis in (1, 0):
        height, width = colour.shape[0] - (axis == 0), colour.shape[1] - (axis == 1)
        gradient, linked = np.zeros((height, width, 3), np.float32), np.zeros((height, width), bool)
        for rows in _blocks(height):
            here = np.s_[:, rows, :width]
            there = np.s_[:, rows, 1:] if axis else np.s_[:, rows.start + 1 : rows.stop + 1]
            both = np.minimum(clear[there], clear[here])
            linked[rows] = both.any(0)
            if sigma is not None:
                both = _even(bright[there] - bright[here], both, STEP / sigma)
            gradient[rows], _ = _typical(pictures[there].astype(np.int16) - pictures[here], both)
        gradients.append(gradient)
        links.append(linked)
    solve = lambda values, weight: poisson.integrate(values, *gradients, *links, weight + LOOSE[bright is None] * seen)
    if bright is None:
        return solve(colour, weight)
    lit, count = _lit(pictures, clear, bright)
    colour, trust = np.where(count[..., None] > 0, lit, colour), 1.0
    weight = np.maximum(weight, LIT * np.minimum(count / MANY, 1))
    for darker in DARKER:
        found = solve(colour, weight * trust)
        trust = 1 / (1 + (np.minimum((colour - found).mean(-1), 0) / darker) ** 2) ** 2
    return found


def _lit(pictures: np.ndarray, clear: np.ndarray, bright: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean colours (H, W, 3) float32 of the frames in which it is brightest around each free pixel, and of how many
    frames (H, W); 0 where it was free in too few."""
    colour, count = np.zeros(pictures.shape[1:], np.float32), np.zeros(clear.shape[1:], np.float32)
    for rows in _blocks(len(count)):
        free = clear[:, rows] > 0
        shown = np.where(free, bright[:, rows], np.int16(-1))
        place = np.maximum(LEAST - 1, (BRIGHTEST * free.sum(0)).astype(int))
        top = np.take_along_axis(np.sort(shown, 0)[::-1], place[None], 0)
        near = free & (shown >= top - WITHIN * _FINE) & (shown <= top + 2 * WITHIN * _FINE) & (free.sum(0) >= LEAST)
        count[rows] = near.sum(0)
        colour[rows] = np.sum(pictures[:, rows], 0, np.float32, where=near[..., None])
    return colour / np.maximum(count, 1)[..., None], count


def _brightness(picture: np.ndarray, clear: np.ndarray, sigma: float) -> np.ndarray:
    """Mean grey of what is free around every pixel of a frame, (H, W) int16 in parts of an 8-bit step."""
    free = (clear > 0).astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) * free
    total, weight = (cv2.GaussianBlur(part, (0, 0), sigma) for part in (grey, free))
    return np.rint(_FINE * total / np.maximum(weight, 1e-3)).astype(np.int16)


def _even(change: np.ndarray, clear: np.ndarray, step: float) -> np.ndarray:
    """Clearances (T, h, w) of pairs, 0 in frames in which their brightness changes (T, h, w) more than it must."""
    change = np.where(clear > 0, np.abs(change), np.int16(2**14))
    ordered = np.ascontiguousarray(np.moveaxis(change, 0, -1))
    ordered.sort(axis=-1)
    place = (EVEN * (clear > 0).sum(0)).astype(int)[..., None]
    least = np.take_along_axis(ordered, place, -1)[..., 0]
    return np.where(change <= least + np.int16(np.ceil(_FINE * step)), clear, 0)


def _around(thin: np.ndarray) -> tuple[slice, slice]:
    """The box of what is thin, with a pixel around it to hold it by."""
    spans = (np.flatnonzero(thin.any(axis))[[0, -1]] for axis in (1, 0))  # rows, columns
    return tuple(slice(max(0, low - 1), high + 2) for low, high in spans)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(top, min(top + _ROWS, count)) for top in range(0, count, _ROWS))
