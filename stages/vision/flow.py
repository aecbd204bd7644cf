"""Optical flow and what it says about steadiness: warping, occlusion, the raw warp error, and the temporal
consistency metric TCM (after Yao et al. 2017). Pictures are (height, width, 3) uint8; flow is (height, width, 2)
float32, pixels from frame t to t + 1, always that of the reference video.
"""

from functools import cache
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

STATIC = 1e-8  # mean squared difference of intensities in [0, 1]: below, nothing changes, so nothing can flicker
_LOOP = (0.01, 0.5)  # of the squared flow, and pixels squared, by which going there and back may miss (Sundaram 2010)


class Flow(Protocol):
    """A flow model; threads may share one."""

    name: str  # as the scores tell it

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first picture to the second."""

    def both(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The flow from the first to the second, and from the second to the first."""


def choose(name: str, device: "torch.device") -> Flow:
    """`dis`, on the CPU, or `raft`, a network on the device; InputError where its trained weights are missing."""
    if name == "dis":
        return Dis()
    from stages.nets.raft import Raft

    return Raft(device)


class Dis:
    """Dense inverse search (Kroeger et al. 2016)."""

    name = "OpenCV DIS (medium)"

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
        return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)

    def both(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self(first, second), self(second, first)


def warp(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The picture of t + 1 drawn back to t: out(x) = picture(x + flow(x)), bilinear."""
    return cv2.remap(picture, _grid(*flow.shape[:2]) + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def visible(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels of t that are not occluded at t + 1: the flow there and back again cancels, and does not leave the
    picture. (height, width) bool."""
    height, width = forward.shape[:2]
    back = warp(backward, forward)
    share, least = _LOOP
    loop = _squared(forward + back) <= share * (_squared(forward) + _squared(back)) + least
    x, y = np.moveaxis(_grid(height, width) + forward, -1, 0)
    return loop & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def warp_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared difference, over the mask, between a frame and its successor warped back; intensities in [0, 1].
    0 where the mask is empty."""
    warped, count = warp(second.astype(np.float32), flow), np.count_nonzero(mask)
    total = cv2.norm(warped, first.astype(np.float32), cv2.NORM_L2SQR, mask.astype(np.uint8))
    return float(total / (255**2 * 3 * max(count, 1)))


def steadiness(flow: Flow, pair: tuple, reference: tuple, seen: np.ndarray | None = None
               ) -> tuple[float, float, float]:
    """TCM of two consecutive frames against those of the reference video, and the two raw warp errors; of the pixels
    `seen` (height, width) bool where it is given.

    TCM = exp(-| error / reference error - 1 |): 1 where the video changes as much along the reference's flow as the
    reference does. NaN where the reference is static."""
    forward, backward = flow.both(*reference)
    mask = visible(forward, backward) if seen is None else visible(forward, backward) & seen
    own, given = warp_error(*pair, forward, mask), warp_error(*reference, forward, mask)
    if given < STATIC:
        return float("nan"), own, given
    return float(np.exp(-abs(own / given - 1))), own, given


@cache
def _grid(height: int, width: int) -> np.ndarray:
    """Every pixel's own x and y, (height, width, 2)."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def _squared(flow: np.ndarray) -> np.ndarray:
    """Of its length, (height, width)."""
    return flow[..., 0] ** 2 + flow[..., 1] ** 2
