"""What somebody wears, as colours: by this people are told apart, and known again when they come back.

The trunk and the legs are two histograms of colour in CIELAB, finer near grey, where most clothes are, coarse in
lightness and blurred, so that a turn, a shadow or other light changes them little.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

BINS = (8, 16, 16)           # of lightness, green-red and blue-yellow
BLUR = (1.0, 0.8, 0.8)       # bins
GREY, VIVID = 5.0, 80.0      # the colours' axes are linear up to the one, logarithmic up to the other
TRUNK, LEGS = (-0.55, -0.05), (0.10, 0.62)  # rows in half heights of the box from its middle, which is at the hips
BREADTH = 0.16               # columns, likewise: less than anybody seen from the side
SIDE = 24                    # pixels a side that a region is sampled with
KEPT = 40                    # looks that the mean remembers


@dataclass(frozen=True)
class Clothes:
    colours: np.ndarray  # (2, *BINS): trunk and legs, each of sum 1
    looks: int = 1       # that it is the mean of; 0 where the only one was unclear

    @classmethod
    def of(cls, picture: np.ndarray, box: tuple[float, float, float, float]) -> "Clothes":
        """Of whoever is in the box, in pixels of the picture: RGB (H, W, 3) uint8."""
        left, top, right, bottom = box
        x, y, half = (left + right) / 2, (top + bottom) / 2, (bottom - top) / 2
        return cls(np.stack([_histogram(_sampled(picture, x, y, half, rows)) for rows in (TRUNK, LEGS)]))

    def likeness(self, other: "Clothes") -> float:
        """Bhattacharyya's coefficient, the mean of both regions: 1 the same colours, 0 none in common."""
        return float(np.sqrt(self.colours * other.colours).sum() / 2)

    def agrees(self, picture: np.ndarray, box: tuple[float, float, float, float]) -> float:
        """How much what is in the box looks like them, in [0, 1]."""
        return self.likeness(Clothes.of(picture, box))

    def with_look(self, other: "Clothes") -> "Clothes":
        """The mean after one more look."""
        share = 1 / min(self.looks + 1, KEPT)
        return Clothes((1 - share) * self.colours + share * other.colours, self.looks + 1)

    def joined(self, other: "Clothes") -> "Clothes":
        """The mean of two series of looks."""
        share = other.looks / max(1, self.looks + other.looks)
        return Clothes((1 - share) * self.colours + share * other.colours, self.looks + other.looks)


def _sampled(picture: np.ndarray, x: float, y: float, half: float, rows: tuple[float, float]) -> np.ndarray:
    """A region of the box as (SIDE, SIDE, 3); what lies outside of the picture repeats its border."""
    width, height = 2 * BREADTH * half / SIDE, (rows[1] - rows[0]) * half / SIDE
    place = np.float64([[width, 0, x + width / 2 - BREADTH * half - 0.5],
                        [0, height, y + height / 2 + rows[0] * half - 0.5]])
    return cv2.warpAffine(picture, place, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REPLICATE)


def _histogram(region: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(region.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).reshape(-1, 3)  # (SIDE * SIDE, 3)
    lab[:, 1:] = np.arcsinh(lab[:, 1:] / GREY)
    vivid = np.arcsinh(VIVID / GREY)
    limits = np.array([(0, 100), (-vivid, vivid), (-vivid, vivid)], np.float32)
    counts, _ = np.histogramdd(np.clip(lab, *limits.T), BINS, limits)
    blurred = gaussian_filter(counts, BLUR, mode="nearest")
    return blurred / blurred.sum()
