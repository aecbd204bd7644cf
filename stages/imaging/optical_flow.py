"""Optical flow and what it says about steadiness: warping, occlusion, the raw warp error, and the temporal
consistency metric TCM (after Yao et al. 2017). Pictures are (height, width, 3) uint8; flow is (height, width, 2)
float32, pixels from frame t to t + 1, always that of the reference video. Where the reference shows the motion in
another place and size than the video that is judged, its flow is carried there (`Motion.carried`).
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

STATIC = 1e-8  # mean squared difference of intensities in [0, 1]: below, nothing changes, so nothing can flicker
_LOOP = (0.01, 0.5)  # of the squared flow, and pixels squared, by which going there and back may miss (Sundaram 2010)


class FlowModel(Protocol):
    """A flow model; threads may share one."""

    name: str  # as the scores tell it

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first picture to the second."""

    def both(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The flow from the first to the second, and from the second to the first."""


def choose_flow(name: str, device: "torch.device") -> FlowModel:
    """`dis`, on the CPU, or `raft`, a network on the device; InputError where its trained weights are missing."""
    if name == "dis":
        return DisFlow()
    from stages.nets.raft import Raft

    return Raft(device)


class DisFlow:
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


def unoccluded(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels of t that are not occluded at t + 1: the flow there and back again cancels, and does not leave the
    picture. (height, width) bool."""
    height, width = forward.shape[:2]
    back = warp(backward, forward)
    share, least = _LOOP
    loop = _squared(forward + back) <= share * (_squared(forward) + _squared(back)) + least
    return loop & _inside(_grid(height, width) + forward, (height, width))


def warp_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared difference, over the mask, between a frame and its successor warped back; intensities in [0, 1].
    0 where the mask is empty."""
    warped, count = warp(second.astype(np.float32), flow), np.count_nonzero(mask)
    total = cv2.norm(warped, first.astype(np.float32), cv2.NORM_L2SQR, mask.astype(np.uint8))
    return float(total / (255**2 * 3 * max(count, 1)))


@dataclass(frozen=True)
class SimilarityTransform:
    """Where the point k of one picture lies in another: k * scale + offset, pixels, origin at the outer corner of the
    top left pixel."""

    scale: float
    offset: np.ndarray  # (2,)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Pixel indices, which count from pixel centres, (..., 2) -> pixel indices."""
        return ((points + 0.5) * self.scale + self.offset - 0.5).astype(np.float32)

    def back(self, points: np.ndarray) -> np.ndarray:
        return ((points + 0.5 - self.offset) / self.scale - 0.5).astype(np.float32)


@dataclass(frozen=True)
class FlowPair:
    """What a reference video does from one frame to the next: the flow, where it holds, and how much the video changes
    along it."""

    flow: np.ndarray  # (height, width, 2)
    mask: np.ndarray  # (height, width) bool
    error: float      # warp error of the reference itself

    @classmethod
    def measure(cls, flow: FlowModel, reference: tuple, seen: np.ndarray | None = None) -> "FlowPair":
        """Of two consecutive frames; of the pixels `seen` (height, width) bool where it is given."""
        forward, backward = flow.both(*reference)
        mask = unoccluded(forward, backward) if seen is None else unoccluded(forward, backward) & seen
        return cls(forward, mask, warp_error(*reference, forward, mask))

    @classmethod
    def transferred(cls, flow: FlowModel, reference: tuple, placed: tuple[SimilarityTransform, SimilarityTransform], person: np.ndarray,
                seen: np.ndarray | None = None) -> "FlowPair":
        """The same in a picture in which the person of the reference stands elsewhere and is of another size, as
        `placed` says for both frames. person: (height, width) bool of that picture.

        The person's pixel x of frame t, which is placed at y, goes from x to x + F(x), and so from y to where the
        second similarity places x + F(x). What is around the person is the picture's own, seen by a camera that stands
        still whatever the similarity does: there the flow is carried by the first one alone. What the other picture
        does not show does not count in either."""
        here, there = placed
        own = cls.measure(flow, reference, seen)
        grid, ends = _grid(*own.mask.shape), _grid(*own.mask.shape) + own.flow
        mask = own.mask & _inside(here(grid), person.shape) & _inside(there(ends), person.shape)
        places = _grid(*person.shape)
        origins = here.back(places)  # (height, width, 2) of the reference
        flows = cv2.remap(own.flow, origins, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        moved = np.where(person[..., None], there(origins + flows) - places, here.scale * flows).astype(np.float32)
        holds = cv2.remap(mask.astype(np.uint8), origins, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
        return cls(moved, holds & _inside(places + moved, person.shape), warp_error(*reference, own.flow, mask))


def temporal_consistency(motion: FlowPair, pair: tuple) -> tuple[float, float]:
    """TCM of two consecutive frames against the reference's motion, and their raw warp error.

    TCM = exp(-| error / reference error - 1 |): 1 where the video changes as much along the reference's flow as the
    reference does. NaN where the reference is static."""
    own = warp_error(*pair, motion.flow, motion.mask)
    if motion.error < STATIC:
        return float("nan"), own
    return float(np.exp(-abs(own / motion.error - 1))), own


@cache
def _grid(height: int, width: int) -> np.ndarray:
    """Every pixel's own x and y, (height, width, 2)."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def _inside(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which pixel indices (..., 2), x and y, lie in a picture (height, width)."""
    x, y = np.moveaxis(points, -1, 0)
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _squared(flow: np.ndarray) -> np.ndarray:
    """Of its length, (height, width)."""
    return flow[..., 0] ** 2 + flow[..., 1] ** 2
