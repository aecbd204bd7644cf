"""How well a mask's outline follows the true one, as in Perazzi et al. 2016 (DAVIS).

An outline is the set of a mask's pixels with a neighbour, of eight, that is not the mask's.
"""

import cv2
import numpy as np


def outline(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> its outline, (H, W) bool; the picture's border is none."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return mask & (inner == 0)


def boundary_f(found: np.ndarray, true: np.ndarray, radius: float) -> float:
    """The harmonic mean of the shares of each outline that lie within `radius` pixels of the other; 1 where neither
    mask has one, 0 where only one has."""
    found, true = outline(found), outline(true)
    if not found.any() or not true.any():
        return float(found.any() == true.any())
    precision = float((_distance(true)[found] <= radius).mean())
    recall = float((_distance(found)[true] <= radius).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _distance(mask: np.ndarray) -> np.ndarray:
    """Of every pixel to the nearest of the mask."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
