"""Foreground over background (paper section 2.3, Eq. 12)."""

import numpy as np


def compose(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """M * F + (1 - M) * B. foreground (H, W, 4) and background (H, W, 3), uint8; returns (H, W, 3) uint8."""
    alpha = foreground[..., 3:].astype(np.float32) / 255
    return (alpha * foreground[..., :3] + (1 - alpha) * background + 0.5).astype(np.uint8)


def straight(premultiplied: np.ndarray) -> np.ndarray:
    """RGB times alpha, and alpha, (H, W, 4) float in [0, 1] -> RGB and alpha, uint8."""
    alpha = premultiplied[..., 3:]
    colour = premultiplied[..., :3] / np.maximum(alpha, 1 / 255)
    return (np.concatenate([colour, alpha], -1).clip(0, 1) * 255 + 0.5).astype(np.uint8)
