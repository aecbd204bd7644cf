"""The shadow that a person casts on the background, as a translucent black layer (not in the paper)."""

import cv2
import numpy as np

DARKEST = 0.6   # largest alpha of a shadow
NOISE = 0.03    # alpha below which it is noise
BLUR = 0.01     # standard deviation of the blur, share of the picture's side
EDGE = 5        # pixels: this close to the person, the background may be mixed with them


def shadow(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """How much darker the picture (H, W, 3) is than the background (H, W, 3) where the person's alpha (H, W) is 0: the alpha
    of a black layer, (H, W) float32 in [0, DARKEST]; all inputs uint8. It is blurred and continued behind the person."""
    free = (cv2.dilate(alpha, np.ones((EDGE, EDGE), np.uint8)) == 0).astype(np.float32)
    deviation = BLUR * len(picture)
    seen, empty = (cv2.GaussianBlur(free * cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), (0, 0), deviation)
                   for one in (picture, background))
    darker = np.clip(1 - (seen + 1) / (empty + 1), 0, DARKEST)
    darker *= np.clip(darker / NOISE - 1, 0, 1)
    near, wide = (cv2.GaussianBlur(free, (0, 0), factor * deviation) for factor in (1, 4))
    behind = cv2.GaussianBlur(free * darker, (0, 0), 4 * deviation) / np.maximum(wide, 1e-6)
    share = np.clip(2 * near, 0, 1)
    return share * darker + (1 - share) * behind
