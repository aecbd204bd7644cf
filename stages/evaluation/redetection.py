"""Redetection: whether the generated frames show the driving pose, and the target's face. The pose estimator of the
target's own video is run on the generated frames, and the poses that it finds are compared with the driving ones.

Scores of each frame, over the body joints that both poses contain: `pose_error`, their mean distance as a share of the
body height (nose to ankles, upright); `pck_05`, the share of joints within 5 % of the height; `detected`, 1 if a person
was found and 0 if not (pck_05 is then 0 as well); `identity` of the face, if it should be visible and is (identity.py).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.estimators import pose_estimator
from stages.evaluation.identity import Identity, is_visible
from stages.evaluation.metric_names import REDETECTION_SCORES
from stages.imaging.image_quality import person_box
from stages.pose.skeleton import Pose, person_height
from stages.tracking.boxes import Person

if TYPE_CHECKING:
    from stages.params import PoseExtraction

PCK_THRESHOLD = 0.05      # share of the height
UPRIGHT_PERCENTILE = 95   # of the heights of a sequence: most poses are bent


@dataclass(frozen=True)
class FrameRedetection:
    """The scores of one frame; NaN where it has none."""

    pose_error: float = np.nan
    pck_05: float = np.nan
    detected: float = np.nan
    identity: float = np.nan


class Redetection:
    """Add the frames in order, then read the columns. At most one batch of frames is kept in memory.

    driving: the poses of all frames. identity: of the target, or the reason why there is none."""

    def __init__(self, chosen: "PoseExtraction", driving: Pose, identity: Identity | str):
        self._chosen, self._estimator = chosen, pose_estimator.build_pose_estimator(chosen)
        self._height = upright_height(driving.body)
        self._identity = None if isinstance(identity, str) else identity
        self._batch: list[tuple[np.ndarray, Pose]] = []
        self._scores: list[FrameRedetection] = []
        not_found = "the person is not found in any frame"
        self.reasons = {
            "pose_error": not_found if np.isfinite(self._height) else "no driving pose has both head and ankles",
            "pck_05": "no driving pose has a known joint", "detected": "no driving pose has a known joint",
            "identity": identity if self._identity is None else
                        "no face of the target is known, or none is found where there should be one",
        }

    def add(self, picture: np.ndarray, driving: Pose) -> None:
        """Adds a frame (S, S, 3) uint8 and its driving pose."""
        self._batch.append((picture, driving))
        if len(self._batch) == self._chosen.batch:
            self._process_batch()

    def columns(self) -> dict[str, list[float]]:
        """The scores of all frames that were added, by name."""
        self._process_batch()
        return {name: [getattr(scores, name) for scores in self._scores] for name in REDETECTION_SCORES}

    def _process_batch(self) -> None:
        if not self._batch:
            return
        pictures, driving = zip(*self._batch)
        self._batch.clear()
        boxes = [person_box(pose, len(picture)) for picture, pose in zip(pictures, driving)]
        detections = self._estimator.estimate(pictures, [Person(box) if box else None for box in boxes])
        for picture, pose, detection in zip(pictures, driving, detections):
            found = detection.pose if detection else Pose.unknown()
            found = found.map(lambda points: pose_estimator.hide_unknown(points, self._chosen.min_score))
            similarity = np.nan
            if self._identity and is_visible(pose.face):
                similarity = self._identity(picture, found.face)
            self._scores.append(FrameRedetection(*compare_joints(found.body, pose.body, self._height), similarity))


def upright_height(body: np.ndarray) -> float:
    """The person's height in pixels over a sequence of bodies (T, 18, 3); NaN if it is never known."""
    heights = person_height(body)
    return float(np.nanpercentile(heights, UPRIGHT_PERCENTILE)) if np.isfinite(heights).any() else np.nan


def compare_joints(found: np.ndarray, driving: np.ndarray, height: float) -> tuple[float, float, float]:
    """pose_error, pck_05 and detected of one frame; bodies (18, 3), the height in pixels."""
    expected, known = driving[:, 2] > 0, found[:, 2] > 0
    if not expected.any():
        return np.nan, np.nan, np.nan
    if not known.any():
        return np.nan, 0.0, 0.0
    both = expected & known
    if not both.any() or not np.isfinite(height):
        return np.nan, np.nan, 1.0
    distance = np.linalg.norm(found[both, :2] - driving[both, :2], axis=1) / height
    return float(distance.mean()), float((distance <= PCK_THRESHOLD).mean()), 1.0
