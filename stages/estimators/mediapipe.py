"""MediaPipe: BlazePose's detector of people, its landmarks with hands, and its soft mask. The models lie in the wheel,
but for the larger landmark network, `heavy`.

A detector looks at whole pictures; the landmark network looks at a region, which it tells for the next frame itself.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from mediapipe.framework.formats import rect_pb2

from stages import InputError, pretrained
from stages.estimators import mediapipe_graph
from stages.estimators.blazepose import body_height, nose_behind_ears, to_pose
from stages.estimators.hands_and_face import FACE_OFFSET, HAND_GRAPH, FaceMesh
from stages.estimators.pose_estimator import PoseDetection
from stages.tracking.boxes import Person, iou

_DETECTOR = """
input_stream: "image"
output_stream: "people"
node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:people" }
"""
_BODY = """
input_stream: "image"
input_stream: "region"
input_side_packet: "complexity"
input_side_packet: "segment"
output_stream: "mask"
output_stream: "landmarks"
output_stream: "circle"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:complexity" input_side_packet: "ENABLE_SEGMENTATION:segment"
  input_stream: "IMAGE:image" input_stream: "ROI:region"
  output_stream: "SEGMENTATION_MASK:mask"
  output_stream: "LANDMARKS:landmarks" output_stream: "AUXILIARY_LANDMARKS:circle"
}
"""
_HEAVY = "pose_landmark_heavy.tflite"  # what the graph reads at complexity 2; at 1 it reads the wheel's
_MIN_INPUT_SIDE = 512  # pixels: smaller pictures are enlarged, which the networks' own sampling does worse
_MAX_CENTRE_DISTANCE = 0.6   # radii from where the person is told to be, beyond which it is somebody else
_WIDE_ASPECT, _SMALL_HEIGHT = 1.25, 0.75  # a picture's sides, and people's height in the shorter, for which parts are looked at too
_DUPLICATE_OVERLAP = 0.4        # overlap of two boxes of one person
_DETECTION_SCORE = 0.65       # score of a detection; what scores less is as often a wall or a tree


@dataclass(frozen=True)
class Circle:
    """A person as BlazePose sees them: around the hips, holding the whole body, in pixels."""

    x: float
    y: float
    radius: float
    lean: float = 0.0  # radians, clockwise from upright

    @classmethod
    def around(cls, hips: np.ndarray, rim: np.ndarray) -> "Circle":
        """From the hips' middle and the point of the circle above the head, both x, y."""
        x, y = rim - hips
        return cls(float(hips[0]), float(hips[1]), float(np.hypot(x, y)), float(np.arctan2(x, -y)))

    @classmethod
    def from_person(cls, person: Person) -> "Circle":
        return cls(*person.centre, max(person.size) / 2)

    def person(self, score: float) -> Person:
        return Person((self.x - self.radius / 2, self.y - self.radius, self.x + self.radius / 2, self.y + self.radius),
                      score)


class Detector:
    """Every person whose face or upper body BlazePose's detector finds. Its network sees 224 x 224 pixels: where people
    are small in a picture that is not square, or none is found, it also looks at squares along the picture."""

    def __init__(self, model: str, device: str):
        self._graph = mediapipe_graph.Graph(_DETECTOR, ("people",))

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Person]]:
        return [self._detect(picture) for picture in pictures]

    def _detect(self, rgb: np.ndarray) -> list[Person]:
        people = self._look(rgb)
        side, longer = sorted(rgb.shape[:2])
        if longer > _WIDE_ASPECT * side and all(person.size[1] < _SMALL_HEIGHT * side for person in people):
            for start in np.linspace(0, longer - side, int(np.ceil(longer / side)) + 1).astype(int).tolist():
                x, y = (start, 0) if rgb.shape[1] == longer else (0, start)
                people += [person for person in self._look(rgb[y : y + side, x : x + side], x, y)
                           if all(iou(person.box, other.box) < _DUPLICATE_OVERLAP for other in people)]
        return people

    def _look(self, rgb: np.ndarray, x: int = 0, y: int = 0) -> list[Person]:
        """People in a part of the picture whose corner lies at x, y."""
        found = self._graph(image=mediapipe_graph.image_packet(rgb)).get("people")
        people = [_detected_person(item, *rgb.shape[1::-1]) for item in mediapipe_graph.read.get_proto_list(found)] if found else []
        return [replace(person, box=tuple(np.add(person.box, (x, y, x, y)).tolist()))
                for person in people if person.score >= _DETECTION_SCORE]


class Segmenter:
    """BlazePose's landmark network, pointed at a person: the mean of its masks of the picture and of its mirror image,
    which is twice as slow as one and a little better."""

    def __init__(self, model: str, device: str):
        self._graph = _body_graph(model, "mask")

    def masks(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        return [self._both(picture, Circle.from_person(person)) if person else None
                for picture, person in zip(pictures, people)]

    def _both(self, rgb: np.ndarray, circle: Circle) -> np.ndarray | None:
        mask = self._mask(rgb, circle)
        if mask is None:
            return None
        other = self._mask(rgb[:, ::-1], replace(circle, x=rgb.shape[1] - circle.x, lean=-circle.lean))
        return mask if other is None else (mask + other[:, ::-1]) / 2

    def _mask(self, rgb: np.ndarray, circle: Circle) -> np.ndarray | None:
        height, width = rgb.shape[:2]
        found = self._graph(image=mediapipe_graph.image_packet(rgb), region=region_packet(circle, width, height)).get("mask")
        return _mask_array(found).copy() if found else None


class PoseEstimator:
    """Landmarks and mask of the body, followed from frame to frame: the last pose tells where to look; where that does
    not agree with where the person is said to be, they are looked for there.

    Hands and face of a frame are found, each in a thread of their own, while the body of the next one is."""

    silhouettes = True

    def __init__(self, model: str, device: str):
        self._body = _body_graph(model, "mask", "landmarks", "circle")
        self._hands, self._face = mediapipe_graph.Graph(HAND_GRAPH, ("left_hand", "right_hand")), FaceMesh()
        self._hand_thread, self._face_thread = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._last = None

    def estimate(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        found = [self._follow(picture, person) for picture, person in zip(pictures, people)]
        return [finish and finish() for finish in found]

    def _follow(self, rgb: np.ndarray, person: Person | None) -> Callable[[], PoseDetection] | None:
        here, last = person and Circle.from_person(person), self._last
        self._last = None
        if here:
            height, width = rgb.shape[:2]
            enlarged = max(1, round(_MIN_INPUT_SIDE / max(height, width)))
            picture = mediapipe_graph.image_packet(
                cv2.resize(rgb, (width * enlarged, height * enlarged), interpolation=cv2.INTER_CUBIC))
            for circle in (last, here):
                if circle and (finish := self._look(rgb, picture, circle, here)):
                    return finish
        return None

    def _look(self, rgb: np.ndarray, picture, circle: Circle, here: Circle) -> Callable[[], PoseDetection] | None:
        """What completes the sighting of the person in this circle; None where they are not, or somebody else is."""
        height, width = rgb.shape[:2]
        packets = self._body(image=picture, region=region_packet(circle, width, height))
        if "landmarks" not in packets:
            return None
        around = Circle.around(*_landmark_pixels(packets["circle"], width, height)[:2, :2])
        if centre_distance(here, around) > _MAX_CENTRE_DISTANCE:
            return None
        self._last = around
        body = _landmark_pixels(packets["landmarks"], width, height)
        score = np.array([landmark.visibility for landmark in mediapipe_graph.read.get_proto(packets["landmarks"]).landmark])
        hands = self._hand_thread.submit(self._hands, image=picture, body=packets["landmarks"])
        face = self._face_thread.submit(self._mesh, rgb, body)

        def finish() -> PoseDetection:
            points = {name: _landmark_pixels(packet, width, height) for name, packet in hands.result().items()}
            mask = cv2.resize(_mask_array(packets["mask"]), (width, height), interpolation=cv2.INTER_AREA)
            return PoseDetection(to_pose({"body": body, **points}, score, face.result()), mask)
        return finish

    def _mesh(self, rgb: np.ndarray, body: np.ndarray) -> np.ndarray | None:
        if nose_behind_ears(body):
            return None
        tall = body_height(body)
        return self._face.head(rgb, body[[0, 2, 5, 7, 8], :2].mean(0) + (0, FACE_OFFSET * tall), tall)


def _body_graph(model: str, *outputs: str) -> mediapipe_graph.Graph:
    files = {} if model == pretrained.WHEEL["mediapipe"] else {_HEAVY: _model_file(model)}
    return mediapipe_graph.Graph(_BODY, outputs, files, complexity=mediapipe_graph.create.create_int(2 if files else 1),
                       segment=mediapipe_graph.create.create_bool("mask" in outputs))


def _model_file(model: str) -> Path:
    """Of a landmark network that the wheel does not carry."""
    try:
        return pretrained.find(pretrained.file_name("mediapipe", "pose", model))
    except pretrained.MissingWeights as error:
        raise InputError(f"model: {model}: {error}; or set `model: full`") from None


def _landmark_pixels(landmarks, width: int, height: int) -> np.ndarray:
    """A packet of landmarks as x, y and depth in pixels."""
    points = [(point.x, point.y, point.z) for point in mediapipe_graph.read.get_proto(landmarks).landmark]
    return np.array(points) * (width, height, width)


def _mask_array(packet) -> np.ndarray:
    """A packet's mask (H, W) float32."""
    view = mediapipe_graph.read.get_image(packet).numpy_view()
    return view.reshape(view.shape[:2])  # (H, W, 1) -> (H, W)


def centre_distance(one: Circle, other: Circle) -> float:
    """Distance of the middles, in radii of the larger."""
    return np.hypot(one.x - other.x, one.y - other.y) / max(one.radius, other.radius)


def region_packet(circle: Circle, width: int, height: int):
    """Where BlazePose's networks look for a person: a square a quarter larger than their circle, as a packet."""
    side = 2.5 * circle.radius
    return mediapipe_graph.create.create_proto(rect_pb2.NormalizedRect(
        x_center=circle.x / width, y_center=circle.y / height, width=side / width, height=side / height,
        rotation=circle.lean))


def _detected_person(item, width: int, height: int) -> Person:
    hips, rim = (np.array([point.x * width, point.y * height]) for point in item.location_data.relative_keypoints[:2])
    return Circle.around(hips, rim).person(float(item.score[0]))
