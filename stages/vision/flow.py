"""Optical flow and what it says about steadiness: warping, occlusion, the raw warp error, and the temporal
consistency metric TCM (after Yao et al. 2017). Pictures are (height, width, 3) uint8; flow is (height, width, 2),
pixels from frame t to t + 1, always that of the reference video.
"""

import cv2
import numpy as np

NAME = "OpenCV DIS (medium)"
STATIC = 1e-8  # mean squared difference of intensities in [0, 1]: below, nothing changes, so nothing can flicker


def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense flow by inverse search (Kroeger et al. 2016)."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)


def warp(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The picture of t + 1 drawn back to t: out(x) = picture(x + flow(x)), bilinear."""
    height, width = flow.shape[:2]
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)  # (h, w, 2)
    return cv2.remap(picture, grid + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def visible(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels of t that are not occluded at t + 1: the flow there and back again cancels (Sundaram et al. 2010), and
    does not leave the picture. (height, width) bool."""
    height, width = forward.shape[:2]
    back = warp(backward, forward)
    loop = ((forward + back) ** 2).sum(-1)
    size = (forward**2).sum(-1) + (back**2).sum(-1)
    x = np.arange(width) + forward[..., 0]
    y = np.arange(height)[:, None] + forward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (loop <= 0.01 * size + 0.5) & inside


def warp_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared difference, over the mask, between a frame and its successor warped back; intensities in [0, 1]."""
    difference = (warp(second, flow).astype(np.float32) - first) / 255
    return float((difference[mask] ** 2).mean(dtype=np.float64)) if mask.any() else 0.0


def steadiness(pair: tuple, reference: tuple, seen: np.ndarray | None = None) -> tuple[float, float, float]:
    """TCM of two consecutive frames against those of the reference video, and the two raw warp errors; of the pixels
    `seen` (height, width) bool where it is given.

    TCM = exp(-| error / reference error - 1 |): 1 where the video changes as much along the reference's flow as the
    reference does. NaN where the reference is static."""
    forward, backward = dis(*reference), dis(*reference[::-1])
    mask = visible(forward, backward) if seen is None else visible(forward, backward) & seen
    own, given = warp_error(*pair, forward, mask), warp_error(*reference, forward, mask)
    if given < STATIC:
        return float("nan"), own, given
    return float(np.exp(-abs(own / given - 1))), own, given
