"""Everyone a network finds in a picture, and one of them picked out: what estimators that look at whole pictures share.

Such a network takes a list of pictures and gives for each what it found. An adapter makes a detector, a segmenter and a
pose estimator of it with `estimators`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages import threads
from stages.estimators import coco
from stages.estimators.pose_estimator import PoseDetection
from stages.tracking.boxes import Person, iou

MIN_SCORE = 0.3   # score of a person who is said to be there
DETECTION_SCORE = 0.5    # score of a person nobody has told of
_MIN_OVERLAP = 0.3  # overlap of the box found with the box told: below, it is somebody else


@dataclass(frozen=True)
class Detections:
    """The people in one picture, in its pixels."""

    boxes: np.ndarray   # (N, 4)
    scores: np.ndarray  # (N,)
    keypoints: np.ndarray | None = None  # (N, 17, 3), COCO's, x, y and score in [0, 1]
    mask: Callable[[int], np.ndarray] | None = None  # of one of them, (H, W) float32 in [0, 1]

    def nearest(self, person: Person) -> int | None:
        """Whose box overlaps best with the person's."""
        shares = [iou(tuple(box), person.box) for box in self.boxes]
        return int(np.argmax(shares)) if shares and max(shares) >= _MIN_OVERLAP else None


Network = Callable[[Sequence[np.ndarray]], list[Detections]]


class Detector:
    def __init__(self, network: Network):
        self._network = network

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Person]]:
        return [[Person(tuple(map(float, box)), float(score)) for box, score in zip(found.boxes, found.scores)
                 if score >= DETECTION_SCORE] for found in self._network(pictures)]


class Segmenter:
    def __init__(self, network: Network):
        self._network = network

    def masks(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        return [None if which is None else found.mask(which)
                for found, which in _match_people(self._network, pictures, people)]


class PoseEstimator:
    silhouettes = False

    def __init__(self, network: Network):
        self._network = network

    def estimate(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        return [None if which is None else PoseDetection(coco.to_pose(found.keypoints[which]))
                for found, which in _match_people(self._network, pictures, people)]


def adapter_classes(build: Callable[[str, str, str], Network]) -> tuple[Callable, Callable, Callable]:
    """An adapter's Detector, Segmenter and PoseEstimator, each made of (model, device), of networks built of a task
    (mask or pose), model and device. People are found by the network of the masks."""
    def of(kind: type, task: str) -> Callable:
        return lambda model, device: kind(_with_free_threads(build(task, model, device)))
    return of(Detector, "mask"), of(Segmenter, "mask"), of(PoseEstimator, "pose")


def _with_free_threads(network: Network) -> Network:
    """The network, by as many threads as are free."""
    own = threads.Threads()

    def look(pictures: Sequence[np.ndarray]) -> list[Detections]:
        with own:
            return network(pictures)
    return look


def _match_people(network: Network, pictures: Sequence[np.ndarray], people: Sequence[Person | None]
            ) -> list[tuple[Detections | None, int | None]]:
    """For each picture what was found in it and who of them is the person; the network sees no picture without one."""
    seen = iter(network([picture for picture, person in zip(pictures, people) if person]) if any(people) else [])
    picked = []
    for person in people:
        found = next(seen) if person else None
        picked.append((found, found.nearest(person) if found else None))
    return picked
