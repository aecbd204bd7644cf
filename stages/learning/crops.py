"""Crops: rectangles of the S x S frame around the person. The networks process only these.

Crops are computed from the poses alone, so training and inference use the same crops. This is necessary because the
statistics in the networks' normalisation layers depend on the share of the crop that the person fills. Outside its crop
a foreground is empty. All crops of a batch have the same size, a multiple of `grid` (patch size times the total
downsampling of the generator). Their corners are multiples of the patch size. Boxes are (left, top, right, bottom) in
pixels of the frame; NaN if the frame has no known point.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from torch import Tensor

from stages.nets.windows import Windows
from stages.pose.skeleton import Pose

HEADROOM = 2.0     # factor of the margin above the pose: its topmost points are eyes and ears, but hair is higher
STEADY_FRAMES = 6  # frames before and after a frame over which the maximum of the crop sizes is taken


@dataclass(frozen=True)
class Crops:
    """B rectangles of one size. Supports `len` and indexing, like an array of B rectangles."""

    corners: np.ndarray  # (B, 2) x and y of the top left pixel
    width: int
    height: int

    @classmethod
    def full_frame(cls, count: int, size: int) -> "Crops":
        """`count` crops that show the whole size x size frame."""
        return cls(np.zeros((count, 2), int), size, size)

    @classmethod
    def centred_on(cls, boxes: np.ndarray, size: int, patch_size: int, crop_size: np.ndarray) -> "Crops":
        """Crops of size `crop_size` (width, height), centred on the boxes (B, 4) but moved to lie inside the
        size x size frame."""
        low, high = snap_to_patches(boxes, size, patch_size)
        corners = low - np.floor((crop_size - (high - low)) / 2 / patch_size) * patch_size
        return cls(corners.clip(0, size - crop_size).astype(int), *crop_size.astype(int).tolist())

    def __getitem__(self, index) -> "Crops":
        return Crops(self.corners[index], self.width, self.height)

    def __len__(self) -> int:
        return len(self.corners)

    def windows(self, windows: Windows, patch_size: int) -> "Crops":
        """The windows of these crops, as crops of the frame."""
        width, height = windows.width * patch_size, windows.height * patch_size
        return Crops(self.corners + windows.corners * patch_size, width, height)

    def boxes(self) -> list[tuple[int, int, int, int]]:
        return [(x, y, x + self.width, y + self.height) for x, y in self.corners.tolist()]


def snap_to_patches(boxes: np.ndarray, size: int, patch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips boxes (B, 4) to the frame and enlarges them to whole patches. Returns their top left and bottom right
    corners, (B, 2) each. NaN is replaced by the centre of the frame."""
    boxes = np.where(np.isnan(boxes), size / 2, boxes).clip(0, size)
    return np.floor(boxes[:, :2] / patch_size) * patch_size, np.ceil(boxes[:, 2:] / patch_size) * patch_size


def smallest_crop_sizes(boxes: np.ndarray, size: int, grid: int, patch_size: int) -> np.ndarray:
    """Width and height (B, 2) of the smallest crop that contains each box (B, 4): multiples of `grid`, at most
    `size`."""
    low, high = snap_to_patches(boxes, size, patch_size)
    return np.clip(np.ceil((high - low) / grid), 1, size // grid).astype(int) * grid


def steady_crop_sizes(boxes: np.ndarray, take: np.ndarray, size: int, grid: int, patch_size: int) -> np.ndarray:
    """Width and height (T, 2) of each frame's crop: the maximum of `smallest_crop_sizes` over the STEADY_FRAMES frames
    before and after it in the same take, so that sizes change rarely.

    boxes (T, 4); take (T,) the number of each frame's take."""
    smallest = smallest_crop_sizes(boxes, size, grid, patch_size)
    return np.concatenate([maximum_filter1d(smallest[take == one], 2 * STEADY_FRAMES + 1, axis=0, mode="nearest")
                           for one in np.unique(take)])


def pose_boxes(poses: Pose, margin: float) -> np.ndarray:
    """Boxes (B, 4) around the known points of B poses, with a margin: a share of the longer side of the box. NaN if no
    point is known."""
    points = poses.points()  # (B, 69, 3)
    known = points[..., 2:] > 0
    low = np.where(known, points[..., :2], np.inf).min(1)
    high = np.where(known, points[..., :2], -np.inf).max(1)
    low[~known.any((1, 2))] = high[~known.any((1, 2))] = np.nan
    room = margin * (high - low).max(1, keepdims=True)
    return np.concatenate([low - room * (1, HEADROOM), high + room], 1)


def crop_images(images: list[Tensor], boxes: np.ndarray) -> Tensor:
    """Crops each image (C, S, S) to its box; (B, C, h, w), 0 where a box reaches outside the image.

    boxes (B, 4): whole pixels, all of one size."""
    left, top, right, bottom = boxes[0].tolist()
    crops = images[0].new_zeros(len(images), len(images[0]), bottom - top, right - left)
    for crop, image, box in zip(crops, images, boxes):
        in_crop, in_image = overlap_slices(box, image.shape[-1])
        crop[in_crop] = image[in_image]
    return crops


def overlap_slices(box: np.ndarray, size: int) -> tuple[tuple, tuple]:
    """The overlap of a box (4,) with the size x size frame, as indices into (C, h, w) of the box and of the frame."""
    x, y, *_ = box.tolist()
    left, top, right, bottom = box.clip(0, size).tolist()
    return np.s_[:, top - y : bottom - y, left - x : right - x], np.s_[:, top:bottom, left:right]


def union_box(boxes: np.ndarray) -> np.ndarray:
    """The bounding box (..., 4) of n boxes (n, ..., 4). NaN is ignored."""
    return np.concatenate([np.fmin.reduce(boxes[..., :2]), np.fmax.reduce(boxes[..., 2:])], -1)
