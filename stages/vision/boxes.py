"""Boxes of people: left, top, right, bottom in pixels, as arrays (4,)."""

import numpy as np

SLIM = 0.35  # heights that a trunk with arms at rest is wide at most


def close(one: np.ndarray, other: np.ndarray) -> float:
    """How much two bodies share, of the smaller one."""
    one, other = slim(one), slim(other)
    wide, high = np.maximum(0, np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]))
    return float(wide * high / min(np.prod(one[2:] - one[:2]), np.prod(other[2:] - other[:2])))


def slim(box: np.ndarray) -> np.ndarray:
    """The part of a box where the trunk is: some detectors' boxes make room for arms."""
    half = min(box[2] - box[0], SLIM * height(box)) / 2
    middle = (box[0] + box[2]) / 2
    return np.array([middle - half, box[1], middle + half, box[3]])


def within(box: np.ndarray, picture: np.ndarray) -> bool:
    """Whether neither side of the picture cuts the body."""
    left, _, right, _ = slim(box)
    return left >= 0 and right <= picture.shape[1]


def centre(box: np.ndarray) -> np.ndarray:
    return (box[:2] + box[2:]) / 2


def height(box: np.ndarray) -> float:
    return float(box[3] - box[1])
