"""The whole-body pose of one person: the protocol, and whose adapter speaks it.

Every adapter gives OpenPose-18 joints, hands, feet and five face points (pose/skeleton.py) in pixels of the picture,
unknown points as NaN with score 0, and, where its model has one, the person's soft mask of the same pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stages.estimators.person import adapter
from stages.pose.skeleton import Pose
from stages.tracking.boxes import Person

if TYPE_CHECKING:
    from stages.params import PoseExtraction


@dataclass(frozen=True)
class Sighting:
    pose: Pose
    silhouette: np.ndarray | None = None  # (H, W) float32 in [0, 1]


class PoseEstimator(Protocol):
    silhouettes: bool  # whether its sightings have one

    def sightings(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[Sighting | None]:
        """One person in each of some consecutive frames: who is at `people[i]`, roughly. None: they are not there.

        Calls continue one another: an estimator may use where it saw the person last."""


def build_pose_estimator(chosen: "PoseExtraction") -> PoseEstimator:
    """With MediaPipe's hands and face, where they are wanted and the estimator is another one."""
    estimator = adapter(chosen).PoseEstimator(chosen.model, chosen.device)
    if chosen.details == "mediapipe" and chosen.estimator != "mediapipe":
        from stages.estimators.details import Detailed
        return Detailed(estimator)
    return estimator


def hide_unknown(points: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Points with a score of `least` or below become NaN, NaN, 0."""
    return np.where(points[..., 2:] > least, points, [np.nan, np.nan, 0]).astype(np.float32)
