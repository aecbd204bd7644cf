"""Averages the poses of each image and of its mirror image: the errors of a network in both are partly independent, so
the mean is more accurate and has less jitter.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from stages.estimators.pose_estimator import PoseDetection, PoseEstimator, hide_unknown
from stages.pose.skeleton import Pose
from stages.tracking.boxes import Person

# for each point of the image, the index of the same point in the mirror image
_BODY = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
_FEET = [2, 3, 0, 1]
_FACE = [1, 0, 3, 2, 4]


class MirroredEstimator:
    """Two estimators of one kind: one sees the images, the other one their mirror images, in a second thread. Both may
    keep the last position of the person."""

    def __init__(self, build: Callable[[], PoseEstimator]):
        self._estimator, self._mirrored, self._thread = build(), build(), ThreadPoolExecutor(1)
        self.provides_silhouettes = self._estimator.provides_silhouettes

    def estimate(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        widths = [image.shape[1] for image in images]
        others = self._thread.submit(
            self._mirrored.estimate, [np.ascontiguousarray(image[:, ::-1]) for image in images],
            [person and mirrored_person(person, width) for person, width in zip(people, widths)])
        found = self._estimator.estimate(images, people)
        return [mean_detection(one, other and mirrored_detection(other, width))
                for one, other, width in zip(found, others.result(), widths)]


def mean_detection(one: PoseDetection | None, other: PoseDetection | None) -> PoseDetection | None:
    """The mean of two detections of one person. What only one of them contains (a point, or the person) is taken from it."""
    if one is None or other is None:
        return one or other
    sets = {name: mean_points(points, getattr(other.pose, name)) for name, points in one.pose.point_sets().items()}
    depths = np.stack([one.pose.depth, other.pose.depth])
    known = np.isfinite(depths)
    depth = np.where(known, depths, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    silhouettes = [detection.silhouette for detection in (one, other) if detection.silhouette is not None]
    silhouette = sum(silhouettes) / len(silhouettes) if silhouettes else None
    return PoseDetection(Pose(**sets, depth=depth.astype(np.float32)), silhouette)


def mean_points(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The mean of points (n, 3); unknown points are NaN with score 0."""
    both = np.stack([one, other])
    known = both[..., 2:] > 0
    return hide_unknown(np.where(known, both, 0).sum(0) / np.maximum(known.sum(0), 1))


def mirrored_person(person: Person, width: int) -> Person:
    left, top, right, bottom = person.box
    return replace(person, box=(width - right, top, width - left, bottom))


def mirrored_detection(detection: PoseDetection, width: int) -> PoseDetection:
    """A detection in the mirror image, converted to the image. width: of both, pixels."""
    pose = detection.pose.map(lambda points: (points * [-1, 1, 1] + [width, 0, 0]).astype(np.float32))
    body, depth, feet, face = pose.body[_BODY], pose.depth[_BODY], pose.feet[_FEET], pose.face[_FACE]
    pose = Pose(body, pose.right_hand, pose.left_hand, feet, face, depth)
    return PoseDetection(pose, None if detection.silhouette is None else detection.silhouette[:, ::-1])
