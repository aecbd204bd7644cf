"""The shadow that a person casts on the background, as a translucent dark layer (not in the paper)."""

import cv2
import numpy as np

DARKEST = 0.6   # largest alpha of a shadow
NOISE = 0.03    # alpha below which it is noise
BLUR = 0.01     # standard deviation of the blur, share of the picture's side
EDGE = 5        # pixels: this close to the person, the background may be mixed with them
LARGE = 320     # pixels: shadows of larger pictures are computed at a half (or less) of the resolution, as they are blurred


def shadow(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """How much darker the picture (H, W, 3) is than the background (H, W, 3) where the person's alpha (H, W) is 0: a layer
    (H, W, 4) float32, RGB times alpha, and alpha, in [0, 1]; all inputs uint8. It is blurred and continued behind the person.

    Light that is reflected into a shadow has a colour. Alpha is therefore that of the channel that is darkened most, and the
    layer's colour is the light that is left in the others. A channel in which the background is dark, so that its ratio is
    uncertain, counts less."""
    free = (cv2.dilate(alpha, np.ones((EDGE, EDGE), np.uint8)) == 0).astype(np.float32)[..., None]
    planes = free * picture, free * background, background.astype(np.float32), free
    layer = _layer(*(np.atleast_3d(_reduced(plane)) for plane in planes))
    return layer if layer.shape[:2] == alpha.shape else cv2.resize(layer, alpha.shape[::-1])


def _layer(picture: np.ndarray, known: np.ndarray, background: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`shadow` of a picture and a background whose pixels are 0 where the person is, of the whole background, all
    (H, W, 3), and of the share of each pixel (H, W, 1) that is free; float32."""
    deviation = BLUR * len(picture)
    blurred = lambda values, factor=1: cv2.GaussianBlur(values, (0, 0), factor * deviation)
    seen, empty, smooth = blurred(picture), blurred(known), blurred(background)
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


def _reduced(values: np.ndarray) -> np.ndarray:
    """Means over squares of pixels, of LARGE x LARGE pixels or fewer, (h, w) or (h, w, C)."""
    factor = 1
    while len(values) > LARGE * factor:
        factor *= 2
    height, width = values.shape[:2]
    return values if factor == 1 else cv2.resize(values, (width // factor, height // factor), interpolation=cv2.INTER_AREA)


def _largest(channels: np.ndarray) -> np.ndarray:
    """The largest of the channels (H, W, C), (H, W, 1). Faster than NumPy's maximum over the last axis."""
    return np.maximum.reduce(cv2.split(channels))[..., None]
