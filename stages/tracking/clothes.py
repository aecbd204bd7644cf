"""The colours of a person's clothes. The tracker uses them to tell people apart and to re-identify those who come back.

Trunk and legs are two colour histograms in CIELAB. The bins are finer near grey, where most clothes are, and coarse in
lightness; the histograms are blurred. They therefore change little if the person turns, or if shadow or light changes.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

BINS = (8, 16, 16)           # of lightness, green-red and blue-yellow
BLUR = (1.0, 0.8, 0.8)       # sigma in bins
GREY, VIVID = 5.0, 80.0      # the colour axes are linear up to GREY and logarithmic up to VIVID
TRUNK, LEGS = (-0.55, -0.05), (0.10, 0.62)  # rows: offset from the centre of the box, in half heights of the box
HALF_WIDTH = 0.16            # half the width of both regions, in half heights; narrower than a person in profile
SIDE = 24                    # pixels, side of a resampled region
MAX_OBSERVATIONS = 40        # weight of the running mean


@dataclass(frozen=True)
class Clothes:
    """Colour histograms of one person's clothes: of one detection or the mean of several."""

    histograms: np.ndarray  # (2, *BINS): trunk and legs; each sums to 1
    observations: int = 1   # detections in the mean; 0 if the only one was occluded

    @classmethod
    def from_box(cls, picture: np.ndarray, box: tuple[float, float, float, float]) -> "Clothes":
        """The clothes of the person in `box`, in pixels of `picture`: RGB (H, W, 3) uint8."""
        left, top, right, bottom = box
        x, y, half = (left + right) / 2, (top + bottom) / 2, (bottom - top) / 2
        return cls(np.stack([_histogram(_region(picture, x, y, half, rows)) for rows in (TRUNK, LEGS)]))

    def similarity(self, other: "Clothes") -> float:
        """Bhattacharyya coefficient, mean of both regions: 1 for the same colours, 0 for none in common."""
        return float(np.sqrt(self.histograms * other.histograms).sum() / 2)

    def similarity_in(self, picture: np.ndarray, box: tuple[float, float, float, float]) -> float:
        """Similarity to the clothes of the person in `box`, in [0, 1]."""
        return self.similarity(Clothes.from_box(picture, box))

    def updated(self, other: "Clothes") -> "Clothes":
        """The running mean after one more detection."""
        weight = 1 / min(self.observations + 1, MAX_OBSERVATIONS)
        return Clothes((1 - weight) * self.histograms + weight * other.histograms, self.observations + 1)

    def merged(self, other: "Clothes") -> "Clothes":
        """The mean over the detections of both."""
        weight = other.observations / max(1, self.observations + other.observations)
        return Clothes((1 - weight) * self.histograms + weight * other.histograms,
                       self.observations + other.observations)


def _region(picture: np.ndarray, x: float, y: float, half: float, rows: tuple[float, float]) -> np.ndarray:
    """A region of the box, resampled to (SIDE, SIDE, 3). Outside the picture its border is repeated."""
    width, height = 2 * HALF_WIDTH * half / SIDE, (rows[1] - rows[0]) * half / SIDE
    matrix = np.float64([[width, 0, x + width / 2 - HALF_WIDTH * half - 0.5],
                         [0, height, y + height / 2 + rows[0] * half - 0.5]])
    return cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)


def _histogram(region: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(region.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)  # (SIDE * SIDE, 3)
    lab[:, 1:] = np.arcsinh(lab[:, 1:] / GREY)
    vivid = np.arcsinh(VIVID / GREY)
    limits = np.array([(0, 100), (-vivid, vivid), (-vivid, vivid)], np.float32)
    counts, _ = np.histogramdd(np.clip(lab, *limits.T), BINS, limits)
    blurred = gaussian_filter(counts, BLUR, mode="nearest")
    return blurred / blurred.sum()
