"""Estimates the background without the person from frames of a still camera (paper section 2.3).

A pixel is free in a frame if the person does not cover it; its clearance is its distance from the person in steps. The
background combines two estimates over time by weighted least squares (poisson.py): the colour of each pixel, and the
gradient of each pair of neighbouring pixels, from the frames in which both are free (Weiss 2001). The weight of a
colour increases with the share of frames in which the person is far from the pixel. Where it is small, gradients
determine the result.

This handles three disturbances near the person:
- Motion blur, and parts of the person that the mask misses: each estimate uses the frames with the largest clearance
  that enough frames have.
- The person's shadow: a gradient uses only the frames in which the brightness around its two pixels differs least, so
  that both are lit or both are in shadow. Across an edge of the background that is steeper than those of soft shadows,
  it uses the frames in which the difference is nearest to that of the brightest frames, because a shadow on one side
  may reduce it. A colour is the mean over the brightest frames. If it is still darker than its surroundings and the
  gradients predict, the pixel was always in shadow, and iteratively reweighted least squares (Holland and Welsch 1977)
  reduce its weight.
- Changes of the light: gradients hardly depend on them.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from stages.matting import poisson
from stages.matting.temporal_median import temporal_mode

RADII = 1, 2, 4, 8  # distances from the person that separate the clearances, in units of the smallest radius
ENOUGH, LEAST = 0.1, 3  # share and number of frames that a clearance needs at least to be used
AROUND = 0.6        # sigma of the Gaussian window of a pixel's mean brightness, in units of the smallest radius
EVEN, STEP = 0.02, 1.0  # a pair's brightness difference may exceed this quantile over time by STEP / sigma 8-bit steps
STEEP = 0.12        # an edge of the background: a pair's relative brightness difference exceeds STEEP / sigma
POWER = 8           # a colour's weight is the share of frames at the largest radius to this power; a gradient's is 1
LOOSE = 1e-7, 1e-5  # smallest weight of a colour, for a still and for a moving camera
BRIGHTEST, WITHIN = 0.02, 2  # the brightest frames of a pixel: near this upper quantile, tolerance in 8-bit steps
LIT, MANY = 0.01, 16         # smallest weight of their mean colour, and the number of frames at which it is reached
DARKER = 16, 8, 4, 4, 4      # by iteration: a colour that is this many 8-bit steps too dark has a quarter of its weight
THICK = 0.9         # share of frames at the largest radius from which the colour is used unchanged
_FINE = 32          # units of brightness in an 8-bit step
_ROWS = 32          # rows that are processed at a time; limits memory


def clearance(covered: np.ndarray, viewed: np.ndarray, radius: float) -> np.ndarray:
    """The clearance of each pixel (H, W) uint8: the number of distances RADII * `radius` (pixels) that its distance
    from the covered area (H, W) bool exceeds. 0 means covered, too near, or outside the mask `viewed` (H, W) bool of
    pixels inside the camera's view."""
    distance = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return (np.searchsorted(np.multiply(RADII, max(radius, 1)), distance) * viewed).astype(np.uint8)


def estimate_background(pictures: np.ndarray, clear: np.ndarray, radius: float, still: bool) -> tuple[np.ndarray, np.ndarray]:
    """Estimates the background from frames (T, H, W, 3) uint8 and their clearances (T, H, W).

    radius: the smallest radius of `clearance`, pixels. still: whether the camera does not move. If it moves, shadows
    are not handled, because edges that move by parallax cannot be distinguished from edges of a shadow.
    Returns the background (H, W, 3) uint8, and which pixels were free at least once (H, W) bool; the others are 0."""
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
    """The temporal mode (h, w, 3) float32 of values (T, h, w, 3) over the frames with the largest clearance that enough
    frames have; and the share of frames at the largest radius (h, w), 0 if these are too few."""
    enough, taken = max(LEAST, round(ENOUGH * len(values))), clear > 0
    for radius in range(2, len(RADII) + 1):
        far = clear >= radius
        plenty = far.sum(0) >= enough
        taken = np.where(plenty, far, taken)
    return temporal_mode(values, taken), np.where(plenty, far.mean(0), 0)


def _joined(pictures: np.ndarray, clear: np.ndarray, sigma: float | None, colour: np.ndarray, weight: np.ndarray,
            seen: np.ndarray) -> np.ndarray:
    """The colours (H, W, 3) that fit both the gradients and the given colours with their weight (H, W), by least
    squares. sigma: pixels, of the window for brightness (AROUND); None if shadows are not handled. Otherwise the mean
    colours of the brightest frames replace the given ones, and those that are too dark get less weight."""
    bright = edges = None
    if sigma is not None:
        bright = np.stack([_brightness(*one, sigma) for one in zip(pictures, clear)])
        lit, count = _lit(pictures, clear, bright)
        typical, colour = colour, np.where(count[..., None] > 0, lit, colour)
        edges = _edges(*(_brightness(np.rint(one).astype(np.uint8), seen, sigma) for one in (colour, typical)),
                       STEEP / sigma)
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
                both = _even(bright[there] - bright[here] - edges[axis][rows], both, STEP / sigma)
            gradient[rows], _ = _typical(pictures[there].astype(np.int16) - pictures[here], both)
        gradients.append(gradient)
        links.append(linked)
    solve = lambda values, weight: poisson.integrate(values, *gradients, *links, weight + LOOSE[bright is None] * seen)
    if bright is None:
        return solve(colour, weight)
    weight, trust = np.maximum(weight, LIT * np.minimum(count / MANY, 1)), 1.0
    for darker in DARKER:
        found = solve(colour, weight * trust)
        trust = 1 / (1 + (np.minimum((colour - found).mean(-1), 0) / darker) ** 2) ** 2
    return found


def _edges(bright: np.ndarray, typical: np.ndarray, steep: float) -> list[np.ndarray]:
    """The edges of the background: the differences of brightness (H, W) between vertical neighbours (H - 1, W) and
    between horizontal ones (H, W - 1), int16. Those below the share `steep` of the darker pixel's brightness are 0.
    Edges that the `typical` brightness (H, W) does not have are 0 too: they belong to an object that is there in few
    frames."""
    edges = []
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        found, usual = (_garrote(one[there] - one[here], steep * np.minimum(one[there], one[here]))
                        for one in (bright, typical))
        edges.append(np.rint(np.where(found * usual > 0, found, 0)).astype(np.int16))
    return edges


def _garrote(values: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The non-negative garrote (Breiman 1995): 0 up to the magnitude `least`, continuous, and nearly unchanged far
    beyond it."""
    beyond = np.abs(values) > least
    return np.where(beyond, values - least**2 / np.where(beyond, values, 1), 0)


def _lit(pictures: np.ndarray, clear: np.ndarray, bright: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean colour of each pixel (H, W, 3) float32 over the free frames in which its surroundings are brightest, and
    the number of these frames (H, W). Both are 0 if the pixel is free in too few frames."""
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
    """The mean brightness of the free pixels around every pixel of a frame, (H, W) int16 in 1 / _FINE of an 8-bit
    step."""
    free = (clear > 0).astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) * free
    total, weight = (cv2.GaussianBlur(part, (0, 0), sigma) for part in (grey, free))
    return np.rint(_FINE * total / np.maximum(weight, 1e-3)).astype(np.int16)


def _even(change: np.ndarray, clear: np.ndarray, step: float) -> np.ndarray:
    """The clearances (T, h, w) of pairs of pixels, set to 0 in the frames in which the brightness around the two pixels
    differs more than in the frames with the smallest difference. change (T, h, w): the difference of brightness, minus
    that of an edge of the background."""
    change = np.where(clear > 0, np.abs(change), np.int16(2**14))
    ordered = np.ascontiguousarray(np.moveaxis(change, 0, -1))
    ordered.sort(axis=-1)
    place = (EVEN * (clear > 0).sum(0)).astype(int)[..., None]
    least = np.take_along_axis(ordered, place, -1)[..., 0]
    return np.where(change <= least + np.int16(np.ceil(_FINE * step)), clear, 0)


def _around(thin: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the bounding box of `thin`, with a border of one pixel as the boundary condition."""
    spans = (np.flatnonzero(thin.any(axis))[[0, -1]] for axis in (1, 0))  # rows, columns
    return tuple(slice(max(0, low - 1), high + 2) for low, high in spans)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(top, min(top + _ROWS, count)) for top in range(0, count, _ROWS))
