"""The empty background that a still camera shows (the plate), with the noise of every pixel.

The temporal median of what the person does not cover and its median absolute deviation, both from a sample of frames.
Where the person always stands, what lies around stands in, and its spread counts as noise: near the rim the plate is
nearly as good as seen, further in it says nothing.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.matting.temporal_median import uncovered_median

_ROWS = 64          # at a time, so that memory stays small whatever the frames' size
_GAUSSIAN = 1.4826  # standard deviations of normal noise in a median absolute deviation
_LEAST = 3          # frames in which a pixel was seen: fewer do not tell its noise
_SCALES = (2, 5, 12, 30, 80)  # pixels of 256, sigma of what counts as around, the nearest that holds anything
_FALL = 0.03        # weight of each scale beside the finer one
_GUESS = (6.0, 2.0)  # 8-bit steps of noise of a colour taken from around, and its growth with every pixel of distance


@dataclass(frozen=True)
class Plate:
    colour: np.ndarray  # (H, W, 3) float32, RGB in 8-bit steps
    noise: np.ndarray   # (H, W, 3) float32, standard deviation in 8-bit steps


def of(pictures: np.ndarray, covered: np.ndarray) -> Plate:
    """Frames (T, H, W, 3) uint8 and where the person covers them (T, H, W) bool -> their plate."""
    colour, noise = np.zeros((2, *pictures.shape[1:]), np.float32)
    for top in range(0, len(colour), _ROWS):
        rows = np.s_[top : top + _ROWS]
        shown, hidden = pictures[:, rows], covered[:, rows]
        median, _ = uncovered_median(shown, hidden)
        deviation, _ = uncovered_median(np.maximum(shown, median) - np.minimum(shown, median), hidden)
        colour[rows], noise[rows] = median, _GAUSSIAN * deviation
    return _completed(colour, noise, (~covered).sum(0) >= _LEAST)


def _completed(colour: np.ndarray, noise: np.ndarray, seen: np.ndarray) -> Plate:
    """Unseen pixels with the mean colour of the seen ones around them and its spread."""
    weight, size = seen.astype(np.float32)[..., None], len(seen) / 256
    parts = np.concatenate([weight, weight * colour, weight * colour**2], -1)  # (H, W, 7)
    around = sum(_FALL**i * _blurred(parts, scale * size) for i, scale in enumerate(_SCALES))
    mean, square = (part / (around[..., :1] + 1e-12) for part in np.split(around[..., 1:], 2, -1))
    distance = cv2.distanceTransform((~seen).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    distance = np.minimum(distance, len(seen)) / size  # where nothing was seen at all it is endless
    spread = np.sqrt(np.maximum(square - mean**2, 0) + (_GUESS[0] + _GUESS[1] * distance) ** 2)
    return Plate(np.where(weight > 0, colour, mean), np.where(weight > 0, noise, spread))


def _blurred(parts: np.ndarray, sigma: float) -> np.ndarray:
    planes = (cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
              for plane in np.moveaxis(parts, -1, 0))
    return np.stack(list(planes), -1)
