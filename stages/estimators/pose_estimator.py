"""Estimators of the whole-body pose of one person: the protocol that adapters implement, and how to build one.

An estimator gives OpenPose-18 joints, hands, feet and five face points (pose/skeleton.py) in pixels of the image.
Unknown points are NaN with score 0. If its network also predicts a soft mask of the person, it gives that too.
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
class PoseDetection:
    """The pose of one person in one image."""

    pose: Pose
    silhouette: np.ndarray | None = None  # soft mask (H, W), float32 in [0, 1]


class PoseEstimator(Protocol):
    provides_silhouettes: bool  # whether its detections have a silhouette

    def estimate(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        """Estimates the pose of one person in each of some consecutive frames.

        people[i]: where the person roughly is in frame i; None: not in the frame. An entry of the result is None if the
        person is not found. An estimator may keep the last position of the person from one call to the next.
        """


def build_pose_estimator(chosen: "PoseExtraction") -> PoseEstimator:
    """The chosen estimator. With `details: mediapipe`, MediaPipe's hands and face are added to other estimators; with
    `mirrored`, poses are the mean of each image's and its mirror image's."""
    def build() -> PoseEstimator:
        estimator = adapter(chosen).PoseEstimator(chosen.model, chosen.device)
        if chosen.details == "mediapipe" and chosen.estimator != "mediapipe":
            from stages.estimators.whole_body import WholeBodyEstimator
            return WholeBodyEstimator(estimator)
        return estimator

    if chosen.mirrored:
        from stages.estimators.mirrored import MirroredEstimator
        return MirroredEstimator(build)
    return build()


def hide_unknown(points: np.ndarray, min_score: float = 0.0) -> np.ndarray:
    """Replaces points (..., 3) whose score is `min_score` or below by NaN, NaN, 0."""
    return np.where(points[..., 2:] > min_score, points, [np.nan, np.nan, 0]).astype(np.float32)
