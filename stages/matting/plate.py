"""The plate: the background without the person for a still camera, with the noise of every pixel.

The colour is the temporal median of the uncovered pixels; the noise is computed from their median absolute deviation,
both over a sample of frames. Pixels that are always covered get the mean colour of their surroundings, and its standard
deviation as noise, which increases with the distance from the observed pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.matting.temporal_median import uncovered_median

_ROWS = 64          # rows that are processed at a time; limits memory
_GAUSSIAN = 1.4826  # standard deviation divided by median absolute deviation, for a normal distribution
_LEAST = 3          # smallest number of uncovered frames from which colour and noise of a pixel are measured
_SCALES = (2, 5, 12, 30, 80)  # pixels of 256, sigmas of the Gaussian windows for the surroundings
_FALL = 0.03        # weight of each scale relative to the next finer one
_GUESS = (6.0, 2.0)  # additional noise of covered pixels, 8-bit steps: constant, and per pixel (of 256) of distance


@dataclass(frozen=True)
class Plate:
    """The background without the person, and its noise."""

    colour: np.ndarray  # (H, W, 3) float32, RGB in 8-bit steps
    noise: np.ndarray   # (H, W, 3) float32, standard deviation in 8-bit steps


def estimate_plate(pictures: np.ndarray, covered: np.ndarray) -> Plate:
    """The plate from frames (T, H, W, 3) uint8 and the masks of the person in them, `covered` (T, H, W) bool."""
    colour, noise = np.zeros((2, *pictures.shape[1:]), np.float32)
    for top in range(0, len(colour), _ROWS):
        rows = np.s_[top : top + _ROWS]
        shown, hidden = pictures[:, rows], covered[:, rows]
        median, _ = uncovered_median(shown, hidden)
        deviation, _ = uncovered_median(np.maximum(shown, median) - np.minimum(shown, median), hidden)
        colour[rows], noise[rows] = median, _GAUSSIAN * deviation
    return _completed(colour, noise, (~covered).sum(0) >= _LEAST)


def _completed(colour: np.ndarray, noise: np.ndarray, seen: np.ndarray) -> Plate:
    """The plate with the colour of pixels outside `seen` (H, W) bool replaced by the mean of the seen pixels around
    them, and their noise by its standard deviation."""
    weight, size = seen.astype(np.float32)[..., None], len(seen) / 256
    parts = np.concatenate([weight, weight * colour, weight * colour**2], -1)  # (H, W, 7)
    around = sum(_FALL**i * _blurred(parts, scale * size) for i, scale in enumerate(_SCALES))
    mean, square = (part / (around[..., :1] + 1e-12) for part in np.split(around[..., 1:], 2, -1))
    distance = cv2.distanceTransform((~seen).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    distance = np.minimum(distance, len(seen)) / size  # bounded, as it is infinite if nothing was seen
    spread = np.sqrt(np.maximum(square - mean**2, 0) + (_GUESS[0] + _GUESS[1] * distance) ** 2)
    return Plate(np.where(weight > 0, colour, mean), np.where(weight > 0, noise, spread))


def _blurred(parts: np.ndarray, sigma: float) -> np.ndarray:
    planes = (cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
              for plane in np.moveaxis(parts, -1, 0))
    return np.stack(list(planes), -1)
