"""Bounding boxes of people: left, top, right, bottom in continuous pixels, as arrays (4,) or tuples."""

from dataclasses import dataclass

import numpy as np

TRUNK_WIDTH = 0.35  # largest width of the trunk with the arms at rest, in heights of the box


@dataclass(frozen=True)
class Person:
    """A person detected in one picture."""

    box: tuple[float, float, float, float]
    score: float = 1.0

    @property
    def centre(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def size(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return right - left, bottom - top


def iou(one: tuple, other: tuple) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    intersection = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return intersection / (sum(areas) - intersection) if intersection else 0.0


def body_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection of the trunks of two boxes (4,), as a share of the smaller trunk, in [0, 1]."""
    one, other = trunk_box(one), trunk_box(other)
    width, height = np.maximum(0, np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]))
    return float(width * height / min(np.prod(one[2:] - one[:2]), np.prod(other[2:] - other[:2])))


def trunk_box(box: np.ndarray) -> np.ndarray:
    """The middle part of a box (4,) where the trunk is. Some detectors include spread arms in a person's box."""
    half = min(box[2] - box[0], TRUNK_WIDTH * box_height(box)) / 2
    middle = (box[0] + box[2]) / 2
    return np.array([middle - half, box[1], middle + half, box[3]])


def inside_frame(box: np.ndarray, picture: np.ndarray) -> bool:
    """Whether the trunk lies between the left and the right edge of the picture."""
    left, _, right, _ = trunk_box(box)
    return left >= 0 and right <= picture.shape[1]


def box_centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def box_height(box: np.ndarray) -> float:
    return float(box[3] - box[1])
