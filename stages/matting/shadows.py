"""The shadow that a person casts on the background, as a translucent dark layer (not in the paper)."""

import cv2
import numpy as np

DARKEST = 0.6   # largest alpha of a shadow
NOISE = 0.03    # alpha below which it is noise
BLUR = 0.01     # standard deviation of the blur, share of the picture's side
EDGE = 5        # pixels: this close to the person, the background may be mixed with them


def shadow(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """How much darker the picture (H, W, 3) is than the background (H, W, 3) where the person's alpha (H, W) is 0: a layer
    (H, W, 4) float32, RGB times alpha, and alpha, in [0, 1]; all inputs uint8. It is blurred and continued behind the person.

    Light that is reflected into a shadow has a colour. Alpha is therefore that of the channel that is darkened most, and the
    layer's colour is the light that is left in the others. A channel in which the background is dark, so that its ratio is
    uncertain, counts less."""
    free = (cv2.dilate(alpha, np.ones((EDGE, EDGE), np.uint8)) == 0).astype(np.float32)[..., None]
    deviation = BLUR * len(picture)
    blurred = lambda values, factor=1: cv2.GaussianBlur(values, (0, 0), factor * deviation)
    seen, empty = (blurred(free * one) for one in (picture, background))
    smooth = blurred(background.astype(np.float32))
    bright = smooth / np.maximum(_largest(smooth), 1)  # relative to the brightest channel
    darkness = np.clip(1 - (seen + 1) / (empty + 1), 0, DARKEST)  # (H, W, 3)
    darkness *= np.clip(_largest(bright * darkness) / NOISE - 1, 0, 1)
    near, wide = (blurred(free, factor)[..., None] for factor in (1, 4))
    behind = blurred(free * darkness, 4) / np.maximum(wide, 1e-6)
    share = np.clip(2 * near, 0, 1)
    darkness = share * darkness + (1 - share) * behind
    most = _largest(bright * darkness)
    colour = np.maximum(most - darkness, 0) * smooth / 255
    return np.concatenate([colour, most], -1).astype(np.float32)


def _largest(channels: np.ndarray) -> np.ndarray:
    """The largest of the channels (H, W, C), (H, W, 1). Faster than NumPy's maximum over the last axis."""
    return np.maximum.reduce(cv2.split(channels))[..., None]
