"""Where people are in a picture, and the soft mask of one of them.

A `Detector` sees everyone; a `Segmenter` is pointed at one person. MediaPipe stands behind both; another estimator
is another class with the same method.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from mediapipe.framework.formats import rect_pb2

from stages.estimators import graph

_DETECTOR = """
input_stream: "image"
output_stream: "people"
node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:people" }
"""
_SEGMENTER = """
input_stream: "image"
input_stream: "region"
input_side_packet: "complexity"
input_side_packet: "segment"
output_stream: "mask"
output_stream: "landmarks"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:complexity" input_side_packet: "ENABLE_SEGMENTATION:segment"
  input_stream: "IMAGE:image" input_stream: "ROI:region"
  output_stream: "SEGMENTATION_MASK:mask" output_stream: "LANDMARKS:landmarks"
}
"""

_SURE = 0.65  # score of a sighting; what scores less is as often a wall or a tree


@dataclass(frozen=True)
class Person:
    """One person in a picture: a circle around the hips that holds the whole body, in pixels."""

    x: float
    y: float
    radius: float
    lean: float   # radians, clockwise from upright
    score: float

    @classmethod
    def around(cls, hips: np.ndarray, rim: np.ndarray, score: float) -> "Person":
        """From the hips' middle and the point of the circle above the head, both x, y."""
        x, y = rim - hips
        return cls(float(hips[0]), float(hips[1]), float(np.hypot(x, y)), float(np.arctan2(x, -y)), score)


class Detector(Protocol):
    def detect(self, rgb: np.ndarray) -> list[Person]: ...


class Segmenter(Protocol):
    def mask(self, rgb: np.ndarray, person: Person) -> np.ndarray | None: ...


class MediaPipeDetector:
    """BlazePose's detector: every person whose face or upper body it finds."""

    def __init__(self):
        self._graph = graph.Graph(_DETECTOR, ("people",))

    def detect(self, rgb: np.ndarray) -> list[Person]:
        height, width = rgb.shape[:2]
        found = self._graph(image=graph.picture(rgb)).get("people")
        people = [_person(item, width, height) for item in graph.read.get_proto_list(found)] if found else []
        return [person for person in people if person.score >= _SURE]


class MediaPipeSegmenter:
    """BlazePose's landmark network, pointed at a person: its mask, (H, W) float in [0, 1]; None where it finds
    nobody there. `mirrored`: the mean with the mirrored picture's mask, twice as slow and a little better."""

    def __init__(self, mirrored: bool = False):
        self._mirrored = mirrored
        side = {"complexity": graph.create.create_int(1), "segment": graph.create.create_bool(True)}
        self._graph = graph.Graph(_SEGMENTER, ("mask", "landmarks"), **side)

    def mask(self, rgb: np.ndarray, person: Person) -> np.ndarray | None:
        mask = self._mask(rgb, person)
        if mask is None or not self._mirrored:
            return mask
        other = self._mask(rgb[:, ::-1], replace(person, x=rgb.shape[1] - person.x, lean=-person.lean))
        return mask if other is None else (mask + other[:, ::-1]) / 2

    def _mask(self, rgb: np.ndarray, person: Person) -> np.ndarray | None:
        height, width = rgb.shape[:2]
        found = self._graph(image=graph.picture(rgb), region=region_of(person, width, height)).get("mask")
        return graph.read.get_image(found).numpy_view().reshape(height, width).copy() if found else None


def segmenter(name: str) -> Segmenter:
    return {"mediapipe": MediaPipeSegmenter}[name](mirrored=True)


def places(people: list[Person]) -> np.ndarray:
    """The people of one picture as rows x, y, height (n, 3), for `tracks.main_person`."""
    return np.array([(person.x, person.y, 2 * person.radius) for person in people]).reshape(-1, 3)


def reduced(rgb: np.ndarray, longest: int) -> np.ndarray:
    """The picture, shrunk so that its longer side has at most `longest` pixels."""
    scale = longest / max(rgb.shape[:2])
    return rgb if scale >= 1 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def region_of(person: Person, width: int, height: int):
    """Where BlazePose's networks look for a person: a square a quarter larger than their circle, as a packet."""
    side = 2.5 * person.radius
    return graph.create.create_proto(rect_pb2.NormalizedRect(
        x_center=person.x / width, y_center=person.y / height, width=side / width, height=side / height,
        rotation=person.lean))


def _person(item, width: int, height: int) -> Person:
    hips, rim = (np.array([point.x * width, point.y * height]) for point in item.location_data.relative_keypoints[:2])
    return Person.around(hips, rim, item.score[0])
