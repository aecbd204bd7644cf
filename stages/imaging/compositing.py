"""Compositing of a foreground over a background, and its inverse (paper section 2.3, Eq. 12)."""

import cv2
import numpy as np


def compose(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """M * F + (1 - M) * B: foreground RGBA (H, W, 4) and background (H, W, 3), uint8 -> (H, W, 3) uint8."""
    return over(premultiplied(foreground), background)


def extract_foreground(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Eq. 12 solved for M * F: the premultiplied foreground of a picture with a known background.

    picture (H, W, 3), alpha (H, W) and background (H, W, 3), uint8 -> RGB times alpha and alpha, (H, W, 4) uint8.
    Composited over the background it gives exactly the picture again, except where the foreground's colour would lie
    outside [0, alpha]: in shadows, or where alpha is wrong."""
    transparency = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
    colour = cv2.subtract(picture, cv2.multiply(background, transparency, scale=1 / 255))  # clipped at 0
    return cv2.merge([cv2.min(colour, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)), alpha])


def premultiplied(foreground: np.ndarray) -> np.ndarray:
    """RGBA with straight alpha (H, W, 4) uint8 -> premultiplied: RGB times alpha, and alpha, (H, W, 4) float32 in
    [0, 255]. Only premultiplied pictures can be resampled correctly."""
    alpha = np.ascontiguousarray(foreground[..., 3])
    factor = cv2.merge([alpha, alpha, alpha, np.full_like(alpha, 255)])
    return cv2.multiply(foreground, factor, scale=1 / 255, dtype=cv2.CV_32F)


def over(premultiplied: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The composite (H, W, 3) uint8 of a premultiplied foreground (H, W, 4) in [0, 255] over a background (H, W, 3)
    uint8. It is rounded and clipped only once, at the end."""
    transparency = cv2.cvtColor(255 - cv2.extractChannel(premultiplied, 3), cv2.COLOR_GRAY2RGB)
    covered = cv2.multiply(background, transparency, scale=1 / 255, dtype=cv2.CV_32F)
    return cv2.add(cv2.cvtColor(premultiplied, cv2.COLOR_RGBA2RGB), covered, dtype=cv2.CV_8U)


def straight(premultiplied: np.ndarray) -> np.ndarray:
    """Premultiplied RGBA (H, W, 4) float in [0, 1] -> RGBA with straight alpha (H, W, 4) uint8."""
    factor = 255 / np.maximum(premultiplied[..., 3], 1 / 255)
    factor = cv2.merge([factor, factor, factor, np.full_like(factor, 255)])
    return cv2.multiply(premultiplied, factor, dtype=cv2.CV_8U)
