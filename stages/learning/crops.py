"""Windows: rectangles of the S x S frame around the person, which are all that the networks look at.

They follow from the poses alone, so that training and inference have the same: the networks' normalisation depends on
how much of a window the person fills. Outside of its window a foreground is empty by definition. The windows of one
batch have one size, in whole multiples of the grid that the networks halve; their corners are multiples of the stem, so
that a small picture's pixels stay whole. Boxes are (left, top, right, bottom) in pixels of the frame, NaN where there is
nobody.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from torch import Tensor

from stages.pose.skeleton import Pose

HEADROOM = 2.0  # margins above the pose: the topmost points are eyes and ears, and hair is not a point
STEADY = 6      # frames: windows grow so long before they must


@dataclass(frozen=True)
class Crops:
    """One a picture. Behaves like an array of them: `len`, and indices."""

    corners: np.ndarray  # (B, 2) x and y of the top left pixel
    width: int
    height: int

    @classmethod
    def whole(cls, count: int, size: int) -> "Crops":
        """The full square."""
        return cls(np.zeros((count, 2), int), size, size)

    @classmethod
    def around(cls, boxes: np.ndarray, size: int, patch_size: int, sides: np.ndarray) -> "Crops":
        """With these sides (2,), inside of the square, the boxes (B, 4) in the middle where they can be."""
        low, high = stems(boxes, size, patch_size)
        corners = low - np.floor((sides - (high - low)) / 2 / patch_size) * patch_size
        return cls(corners.clip(0, size - sides).astype(int), *sides.astype(int).tolist())

    def __getitem__(self, index) -> "Crops":
        return Crops(self.corners[index], self.width, self.height)

    def __len__(self) -> int:
        return len(self.corners)

    def boxes(self) -> list[tuple[int, int, int, int]]:
        return [(x, y, x + self.width, y + self.height) for x, y in self.corners.tolist()]


def stems(boxes: np.ndarray, size: int, patch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corners, (B, 2) each, of what of the boxes (B, 4) lies in the square, in whole stems."""
    boxes = np.where(np.isnan(boxes), size / 2, boxes).clip(0, size)
    return np.floor(boxes[:, :2] / patch_size) * patch_size, np.ceil(boxes[:, 2:] / patch_size) * patch_size


def own_sides(boxes: np.ndarray, size: int, grid: int, patch_size: int) -> np.ndarray:
    """Of the smallest window around each box (B, 4): (B, 2), whole cells of the grid, at least one, at most the square."""
    low, high = stems(boxes, size, patch_size)
    return np.clip(np.ceil((high - low) / grid), 1, size // grid).astype(int) * grid


def steady_sides(boxes: np.ndarray, take: np.ndarray, size: int, grid: int, patch_size: int) -> np.ndarray:
    """Of each frame's window, (T, 2): the smallest that holds its box (T, 4), but the largest within STEADY frames of its
    take, of which `take` (T,) has the number, so that it changes seldom."""
    own = own_sides(boxes, size, grid, patch_size)
    return np.concatenate([maximum_filter1d(own[take == one], 2 * STEADY + 1, axis=0, mode="nearest")
                           for one in np.unique(take)])


def pose_boxes(poses: Pose, margin: float) -> np.ndarray:
    """Around the known points of poses (leading axis B), with a margin in shares of the longer side; (B, 4)."""
    points = np.concatenate([poses.body, poses.left_hand, poses.right_hand, poses.feet, poses.face], 1)  # (B, 69, 3)
    known = points[..., 2:] > 0
    low = np.where(known, points[..., :2], np.inf).min(1)
    high = np.where(known, points[..., :2], -np.inf).max(1)
    low[~known.any((1, 2))] = high[~known.any((1, 2))] = np.nan
    room = margin * (high - low).max(1, keepdims=True)
    return np.concatenate([low - room * (1, HEADROOM), high + room], 1)


def cut(pictures: list[Tensor], boxes: np.ndarray) -> Tensor:
    """What boxes (B, 4), whole pixels and of one size, show of pictures (C, S, S): (B, C, h, w); 0 outside of them."""
    left, top, right, bottom = boxes[0].tolist()
    shown = pictures[0].new_zeros(len(pictures), len(pictures[0]), bottom - top, right - left)
    for one, picture, box in zip(shown, pictures, boxes):
        here, there = overlap(box, picture.shape[-1])
        one[here] = picture[there]
    return shown


def overlap(box: np.ndarray, size: int) -> tuple[tuple, tuple]:
    """The pixels that a box (4,) and the S x S frame share: where in the box, where in the frame."""
    x, y, *_ = box.tolist()
    left, top, right, bottom = box.clip(0, size).tolist()
    return np.s_[:, top - y : bottom - y, left - x : right - x], np.s_[:, top:bottom, left:right]


def union(boxes: np.ndarray) -> np.ndarray:
    """Around boxes (n, ..., 4): (..., 4)."""
    return np.concatenate([np.fmin.reduce(boxes[..., :2]), np.fmax.reduce(boxes[..., 2:])], -1)
