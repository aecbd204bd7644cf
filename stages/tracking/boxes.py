"""Boxes of people: left, top, right, bottom in continuous pixels, as arrays (4,) or tuples."""

from dataclasses import dataclass

import numpy as np

SLIM = 0.35  # heights that a trunk with arms at rest is wide at most


@dataclass(frozen=True)
class Person:
    """One person in a picture."""

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
    """Intersection over union of two boxes."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (sum(areas) - shared) if shared else 0.0


def body_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """How much two bodies share, of the smaller one."""
    one, other = trunk_box(one), trunk_box(other)
    wide, high = np.maximum(0, np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]))
    return float(wide * high / min(np.prod(one[2:] - one[:2]), np.prod(other[2:] - other[:2])))


def trunk_box(box: np.ndarray) -> np.ndarray:
    """The part of a box where the trunk is: some detectors' boxes make room for arms."""
    half = min(box[2] - box[0], SLIM * box_height(box)) / 2
    middle = (box[0] + box[2]) / 2
    return np.array([middle - half, box[1], middle + half, box[3]])


def inside_frame(box: np.ndarray, picture: np.ndarray) -> bool:
    """Whether neither side of the picture cuts the body."""
    left, _, right, _ = trunk_box(box)
    return left >= 0 and right <= picture.shape[1]


def box_centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def box_height(box: np.ndarray) -> float:
    return float(box[3] - box[1])
