"""Detectors and segmenters of people: the protocols, and the adapters that implement them.

An adapter is imported only if it is chosen. Images are RGB (H, W, 3) uint8; boxes are left, top, right, bottom in
continuous pixel coordinates.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from stages import InputError
from stages.tracking.boxes import Person

if TYPE_CHECKING:
    from stages.params import EstimatorBlock


class Detector(Protocol):
    def detect(self, images: Sequence[np.ndarray]) -> list[list[Person]]:
        """All people in each image."""


class Segmenter(Protocol):
    def masks(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        """The soft mask (H, W), float32 in [0, 1], of one person in each image; None where the person is not found.

        people[i]: where the person roughly is in image i; None: not in the image.
        """


def detector(chosen: "EstimatorBlock") -> Detector:
    return adapter(chosen).Detector(chosen.model, chosen.device)


def segmenter(chosen: "EstimatorBlock") -> Segmenter:
    return adapter(chosen).Segmenter(chosen.model, chosen.device)


def adapter(chosen: "EstimatorBlock") -> ModuleType:
    """The module of the chosen estimator. Its Detector, Segmenter and PoseEstimator are called with (model, device).

    Raises InputError if the library is not installed.
    """
    try:
        match chosen.estimator:
            case "mediapipe":
                from stages.estimators import mediapipe
                return mediapipe
            case "ultralytics":
                from stages.estimators import ultralytics
                return ultralytics
            case "torchvision":
                from stages.estimators import torchvision
                return torchvision
            case "detectron2":
                from stages.estimators import detectron2
                return detectron2
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != chosen.estimator:
            raise
        raise InputError(f"params.yaml: estimator {chosen.estimator} is not installed. "
                         f"Run `pip install -r requirements-{chosen.estimator}.txt` (see its first lines), or choose "
                         "`torchvision`, which is installed and finds the same joints") from None


def downscale(rgb: np.ndarray, longest: int) -> np.ndarray:
    """The image, downscaled if necessary so that its longer side has at most `longest` pixels."""
    scale = longest / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
