"""Foreground over background (paper section 2.3, Eq. 12)."""

import cv2
import numpy as np


def compose(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """M * F + (1 - M) * B. foreground (H, W, 4) and background (H, W, 3), uint8; returns (H, W, 3) uint8."""
    return over(premultiplied(foreground), background)


def extracted(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Eq. 12 solved for M * F: of a picture (H, W, 3) of somebody before a known background, with their alpha (H, W), all
    uint8, the RGB times alpha, and alpha, (H, W, 4) uint8. Over the background it is the picture again, bit for bit,
    but where no colour in [0, 255] under this alpha would be: a shadow, or a wrong alpha."""
    rest = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
    colour = cv2.subtract(picture, cv2.multiply(background, rest, scale=1 / 255))  # not below 0
    return cv2.merge([cv2.min(colour, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)), alpha])


def premultiplied(foreground: np.ndarray) -> np.ndarray:
    """RGB and alpha, uint8 -> RGB times alpha, and alpha, (H, W, 4) float in [0, 255]: what may be resampled."""
    alpha = np.ascontiguousarray(foreground[..., 3])
    factor = cv2.merge([alpha, alpha, alpha, np.full_like(alpha, 255)])
    return cv2.multiply(foreground, factor, scale=1 / 255, dtype=cv2.CV_32F)


def over(premultiplied: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Such a foreground over a background (H, W, 3) uint8; rounded and clipped once, at the end."""
    rest = cv2.cvtColor(255 - cv2.extractChannel(premultiplied, 3), cv2.COLOR_GRAY2RGB)
    covered = cv2.multiply(background, rest, scale=1 / 255, dtype=cv2.CV_32F)
    return cv2.add(cv2.cvtColor(premultiplied, cv2.COLOR_RGBA2RGB), covered, dtype=cv2.CV_8U)


def straight(premultiplied: np.ndarray) -> np.ndarray:
    """RGB times alpha, and alpha, (H, W, 4) float in [0, 1] -> RGB and alpha, uint8."""
    factor = 255 / np.maximum(premultiplied[..., 3], 1 / 255)
    factor = cv2.merge([factor, factor, factor, np.full_like(factor, 255)])
    return cv2.multiply(premultiplied, factor, dtype=cv2.CV_8U)
