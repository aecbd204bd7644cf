"""Where people are in a picture, and the soft mask of one of them: the protocols, and whose adapter speaks them.

An adapter is imported only when it is chosen. Pictures are RGB (H, W, 3) uint8; boxes are left, top, right, bottom in
continuous pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from stages import InputError

if TYPE_CHECKING:
    from stages.params import Estimated


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


class Detector(Protocol):
    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Person]]:
        """Everyone in each picture."""


class Segmenter(Protocol):
    def masks(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        """The soft mask (H, W) float32 in [0, 1] of one person in each picture; None where they are not found."""


def detector(chosen: "Estimated") -> Detector:
    return adapter(chosen).Detector(chosen.model, chosen.device)


def segmenter(chosen: "Estimated") -> Segmenter:
    return adapter(chosen).Segmenter(chosen.model, chosen.device)


def adapter(chosen: "Estimated") -> ModuleType:
    """The adapter's module: it has the classes Detector, Segmenter and PoseEstimator, made of (model, device)."""
    try:
        match chosen.estimator:
            case "mediapipe":
                from stages.estimators import mediapipe as module
            case "ultralytics":
                from stages.estimators import ultralytics as module
            case "torchvision":
                from stages.estimators import torchvision as module
            case "detectron2":
                from stages.estimators import detectron2 as module
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != chosen.estimator:
            raise
        raise InputError(f"params.yaml: estimator {chosen.estimator} is not installed. "
                         f"`pip install -r requirements-{chosen.estimator}.txt` (its first lines tell how), or choose "
                         "`torchvision`, which is there and finds the same joints") from None
    return module


def overlap(one: tuple, other: tuple) -> float:
    """Intersection over union of two boxes."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (sum(areas) - shared) if shared else 0.0


def reduced(rgb: np.ndarray, longest: int) -> np.ndarray:
    """The picture, shrunk so that its longer side has at most `longest` pixels."""
    scale = longest / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
