"""Detector, segmenter and pose estimator on top of a network that finds all people in an image.

Such a network takes a list of images and returns the Detections of each. An adapter loads the network's weights with
`load_trained`, and makes its Detector, Segmenter and PoseEstimator from it with `adapter_classes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stages import InputError, pretrained, threads
from stages.estimators import coco
from stages.estimators.pose_estimator import PoseDetection
from stages.learning import devices
from stages.tracking.boxes import Person, iou

MIN_SCORE = 0.3        # least score of a person whose position is known
DETECTION_SCORE = 0.5  # least score of a person whose position is not known
_MIN_OVERLAP = 0.3     # overlap of the detected with the given box; below it, it is another person
_OPTIONAL_BUFFERS = ("num_batches_tracked", "pixel_mean", "pixel_std")  # a counter and constants, which a file may lack


@dataclass(frozen=True)
class Detections:
    """The people in one image; coordinates in pixels of that image."""

    boxes: np.ndarray   # (N, 4)
    scores: np.ndarray  # (N,)
    keypoints: np.ndarray | None = None  # (N, 17, 3): COCO's, x, y, score in [0, 1]
    mask: Callable[[int], np.ndarray] | None = None  # index -> mask (H, W), float32 in [0, 1]

    def best_match(self, person: Person) -> int | None:
        """Index of the detection whose box overlaps most with that of the person; None if none overlaps enough."""
        overlaps = [iou(tuple(box), person.box) for box in self.boxes]
        return int(np.argmax(overlaps)) if overlaps and max(overlaps) >= _MIN_OVERLAP else None


Network = Callable[[Sequence[np.ndarray]], list[Detections]]


class Detector:
    def __init__(self, network: Network):
        self._network = network

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Person]]:
        return [[Person(tuple(map(float, box)), float(score)) for box, score in zip(found.boxes, found.scores)
                 if score >= DETECTION_SCORE] for found in self._network(images)]


class Segmenter:
    def __init__(self, network: Network):
        self._network = network

    def masks(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        return [None if index is None else found.mask(index)
                for found, index in _match_people(self._network, images, people)]


class PoseEstimator:
    provides_silhouettes = False

    def __init__(self, network: Network):
        self._network = network

    def estimate(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        return [None if index is None else PoseDetection(coco.to_pose(found.keypoints[index]))
                for found, index in _match_people(self._network, images, people)]


def adapter_classes(build: Callable[[str, str, str], Network]) -> tuple[Callable, Callable, Callable]:
    """Factories (model, device) -> Detector, Segmenter and PoseEstimator of an adapter.

    build: builds a network from task ("mask" or "pose"), model and device. The detector uses the network for masks.
    """
    def factory(kind: type, task: str) -> Callable:
        return lambda model, device: kind(_with_free_threads(build(task, model, device)))
    return factory(Detector, "mask"), factory(Segmenter, "mask"), factory(PoseEstimator, "pose")


def _with_free_threads(network: Network) -> Network:
    """The network, with one thread for each free processor (stages/threads.py)."""
    free_threads = threads.Threads()

    def run(images: Sequence[np.ndarray]) -> list[Detections]:
        with free_threads:
            return network(images)
    return run


def _match_people(network: Network, images: Sequence[np.ndarray], people: Sequence[Person | None]
                  ) -> list[tuple[Detections | None, int | None]]:
    """For each image its detections and the index of the person among them. Images without a person are not run
    through the network."""
    detections = iter(network([image for image, person in zip(images, people) if person]) if any(people) else [])
    matches = []
    for person in people:
        found = next(detections) if person else None
        matches.append((found, found.best_match(person) if found else None))
    return matches


def load_trained(network: torch.nn.Module, estimator: str, task: str, model: str, device: str) -> torch.nn.Module:
    """Loads the weights that weights.yaml lists for this network, and moves it to the device for inference.

    Raises InputError if the file does not fit the network.
    """
    path = pretrained.find(pretrained.file_name(estimator, task, model))
    try:
        missing, _ = network.load_state_dict(pretrained.load(path), strict=False)
        missing = [name for name in missing if not name.endswith(_OPTIONAL_BUFFERS)]
    except RuntimeError as error:  # tensors of a different shape
        missing = [str(error).splitlines()[-1].strip()]
    if missing:
        raise InputError(f"{path}: does not fit {estimator}'s {model} ({task}): {missing[0]}"
                         + (f" and {len(missing) - 1} others" if missing[1:] else "")
                         + "; the file seems to belong to another model")
    return network.eval().requires_grad_(False).to(devices.choose(device))
