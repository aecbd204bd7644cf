"""Optical flow and temporal consistency: warping, occlusion, the warp error, and the temporal consistency metric TCM
(after Yao et al. 2017).

Pictures are (height, width, 3) uint8; flow is (height, width, 2) float32, pixels from frame t to t + 1, always that of
the reference video. If the evaluated video shows the motion in another place or size than the reference, the flow is
transferred (`FlowPair.transferred`).
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

if TYPE_CHECKING:
    import torch

STATIC = 1e-8  # mean squared difference of intensities in [0, 1]: below, the reference is static
_CONSISTENCY = (0.01, 0.5)  # forward-backward error: share of the squared flow, and pixels squared (Sundaram 2010)


class FlowModel(Protocol):
    """An optical flow model, usable from several threads."""

    name: str  # as written to the scores

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The flow from the first to the second picture."""

    def both(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The flow from the first to the second picture, and back."""


def choose_flow(name: str, device: "torch.device") -> FlowModel:
    """`dis` on the CPU, or `raft`, a network on the device. Raises InputError if its trained weights are missing."""
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
    """Warps the picture of t + 1 back to t: out(x) = picture(x + flow(x)), bilinear."""
    return cv2.remap(picture, _grid(*flow.shape[:2]) + flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def unoccluded(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels of t that are not occluded at t + 1, (height, width) bool: forward and backward flow are consistent, and
    the flow does not leave the picture."""
    height, width = forward.shape[:2]
    back = warp(backward, forward)
    share, least = _CONSISTENCY
    consistent = _squared(forward + back) <= share * (_squared(forward) + _squared(back)) + least
    return consistent & _inside(_grid(height, width) + forward, (height, width))


def warp_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray, mask: np.ndarray) -> float:
    """Mean squared difference over the mask between a frame and the next one warped back, intensities in [0, 1]. 0 if
    the mask is empty."""
    warped, count = warp(second.astype(np.float32), flow), np.count_nonzero(mask)
    total = cv2.norm(warped, first.astype(np.float32), cv2.NORM_L2SQR, mask.astype(np.uint8))
    return float(total / (255**2 * 3 * max(count, 1)))


@dataclass(frozen=True)
class SimilarityTransform:
    """Maps a point k of one picture to k * scale + offset in another, without rotation. In pixels; the origin is the
    outer corner of the top left pixel."""

    scale: float
    offset: np.ndarray  # (2,)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Pixel indices (..., 2), where whole numbers are pixel centres -> pixel indices."""
        return ((points + 0.5) * self.scale + self.offset - 0.5).astype(np.float32)

    def back(self, points: np.ndarray) -> np.ndarray:
        return ((points + 0.5 - self.offset) / self.scale - 0.5).astype(np.float32)


@dataclass(frozen=True)
class FlowPair:
    """The motion of a reference video from one frame to the next: the flow, where it is valid, and its warp error."""

    flow: np.ndarray  # (height, width, 2)
    mask: np.ndarray  # (height, width) bool
    error: float      # warp error of the reference itself

    @classmethod
    def measure(cls, flow: FlowModel, reference: tuple, usable: np.ndarray | None = None) -> "FlowPair":
        """Measures the flow of two consecutive frames, valid in the mask `usable` (height, width) bool if given."""
        forward, backward = flow.both(*reference)
        mask = unoccluded(forward, backward) if usable is None else unoccluded(forward, backward) & usable
        return cls(forward, mask, warp_error(*reference, forward, mask))

    @classmethod
    def transferred(cls, flow: FlowModel, reference: tuple, placed: tuple[SimilarityTransform, SimilarityTransform],
                    person: np.ndarray, usable: np.ndarray | None = None) -> "FlowPair":
        """The flow in another picture, in which the person of the reference has another place and size.

        placed  the transforms reference -> picture for both frames
        person  (height, width) bool, mask of the person in the picture
        A pixel of the person at x in frame t, placed at y, moves from x to x + F(x), and therefore from y to where the
        second transform maps x + F(x). The surroundings belong to the picture and its still camera: there the flow is
        transferred by the first transform alone. Pixels that are visible in only one of the two pictures are not
        valid in either."""
        first, second = placed
        own = cls.measure(flow, reference, usable)
        grid, ends = _grid(*own.mask.shape), _grid(*own.mask.shape) + own.flow
        mask = own.mask & _inside(first(grid), person.shape) & _inside(second(ends), person.shape)
        places = _grid(*person.shape)
        origins = first.back(places)  # (height, width, 2) of the reference
        flows = cv2.remap(own.flow, origins, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        moved = np.where(person[..., None], second(origins + flows) - places, first.scale * flows).astype(np.float32)
        valid = cv2.remap(mask.astype(np.uint8), origins, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) > 0
        return cls(moved, valid & _inside(places + moved, person.shape), warp_error(*reference, own.flow, mask))


def temporal_consistency(motion: FlowPair, pair: tuple) -> tuple[float, float]:
    """TCM of two consecutive frames for the reference's motion, and their warp error.

    TCM = exp(-| error / reference error - 1 |): 1 if the video changes along the reference's flow as much as the
    reference does. NaN if the reference is static."""
    own = warp_error(*pair, motion.flow, motion.mask)
    if motion.error < STATIC:
        return float("nan"), own
    return float(np.exp(-abs(own / motion.error - 1))), own


@cache
def _grid(height: int, width: int) -> np.ndarray:
    """The coordinates x, y of every pixel, (height, width, 2)."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def _inside(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Which points (..., 2), x and y, lie in a picture of `shape` (height, width)."""
    x, y = np.moveaxis(points, -1, 0)
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _squared(flow: np.ndarray) -> np.ndarray:
    """Squared length of the flow, (height, width)."""
    return flow[..., 0] ** 2 + flow[..., 1] ** 2
