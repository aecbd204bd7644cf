"""Is the person in the generated frames doing what they were told to, and do they look like themselves? The subject's
own pose estimator looks at the frames again; what it finds is held against the poses that they were made of.

Frame by frame, over the body's joints that both poses know: `pose_error`, their mean distance in shares of the body's
height (nose to ankles, upright), and `pck_05`, the share of them within 5 % of it. `detected`: 1 where the person was
found, 0 where not; there pck_05 is 0 as well. `identity` of the face where it should be seen and is (identity.py).
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from stages.estimators.pose import build_pose_estimator, hide_unknown
from stages.evaluation.identity import Identity, clear
from stages.imaging.image_quality import person_box
from stages.pose.skeleton import Pose, person_height
from stages.tracking.boxes import Person

if TYPE_CHECKING:
    from stages.params import PoseExtraction

WITHIN = 0.05  # share of the height
UPRIGHT = 95   # percentile of a sequence's heights: most poses are bent


@dataclass(frozen=True)
class Seen:
    """One frame's numbers; NaN where it has none."""

    pose_error: float = np.nan
    pck_05: float = np.nan
    detected: float = np.nan
    identity: float = np.nan


NAMES = tuple(field.name for field in fields(Seen))


class Redetection:
    """Add the frames in order, then ask for the columns. A batch of frames is kept at most.

    wanted: every driving pose (T frames). identity: of the target, or why there is none."""

    def __init__(self, chosen: "PoseExtraction", wanted: Pose, identity: Identity | str):
        self._chosen, self._estimator, self._height = chosen, build_pose_estimator(chosen), upright(wanted.body)
        self._identity = None if isinstance(identity, str) else identity
        self._waiting: list[tuple[np.ndarray, Pose]] = []
        self._seen: list[Seen] = []
        nobody = "the person is found in no frame"
        self.reasons = {
            "pose_error": nobody if np.isfinite(self._height) else "no driving pose knows both head and ankles",
            "pck_05": "no driving pose knows a joint", "detected": "no driving pose knows a joint",
            "identity": identity if self._identity is None else
                        "no face of the target is known, or none is found where there should be one",
        }

    def add(self, picture: np.ndarray, wanted: Pose) -> None:
        """A frame (S, S, 3) uint8 and the pose it was made of."""
        self._waiting.append((picture, wanted))
        if len(self._waiting) == self._chosen.batch:
            self._look()

    def columns(self) -> dict[str, list[float]]:
        """NAMES of every frame so far."""
        self._look()
        return {name: [getattr(seen, name) for seen in self._seen] for name in NAMES}

    def _look(self) -> None:
        if not self._waiting:
            return
        pictures, wanted = zip(*self._waiting)
        self._waiting.clear()
        boxes = [person_box(pose, len(picture)) for picture, pose in zip(pictures, wanted)]
        sightings = self._estimator.sightings(pictures, [Person(box) if box else None for box in boxes])
        for picture, pose, sighting in zip(pictures, wanted, sightings):
            found = sighting.pose if sighting else Pose.unknown()
            found = found.map(lambda points: hide_unknown(points, self._chosen.min_score))
            alike = np.nan
            if self._identity and clear(pose.face):
                alike = self._identity(picture, found.face)
            self._seen.append(Seen(*compare(found.body, pose.body, self._height), alike))


def upright(body: np.ndarray) -> float:
    """The person's height in pixels, of a sequence (T, 18, 3); NaN where it is never known."""
    heights = person_height(body)
    return float(np.nanpercentile(heights, UPRIGHT)) if np.isfinite(heights).any() else np.nan


def compare(found: np.ndarray, wanted: np.ndarray, height: float) -> tuple[float, float, float]:
    """pose_error, pck_05 and detected of one frame's bodies (18, 3); the height is in pixels."""
    told, known = wanted[:, 2] > 0, found[:, 2] > 0
    if not told.any():
        return np.nan, np.nan, np.nan
    if not known.any():
        return np.nan, 0.0, 0.0
    both = told & known
    if not both.any() or not np.isfinite(height):
        return np.nan, np.nan, 1.0
    apart = np.linalg.norm(found[both, :2] - wanted[both, :2], axis=1) / height
    return float(apart.mean()), float((apart <= WITHIN).mean()), 1.0
