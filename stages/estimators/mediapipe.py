"""MediaPipe: BlazePose's person detector, its landmarks with hands and face, and its soft mask. The models are part of
the wheel, except the larger landmark network `heavy`.

The detector searches whole images. The landmark network works on a region, and predicts the region for the next frame.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from mediapipe.framework.formats import rect_pb2

from stages import InputError, pretrained
from stages.estimators.blazepose import body_height, nose_behind_ears, to_pose
from stages.estimators.hands_and_face import FACE_OFFSET, HAND_GRAPH, FaceMesh
from stages.estimators.mediapipe_graph import Graph, image_packet, packet_creator, packet_getter
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
_HEAVY = "pose_landmark_heavy.tflite"  # the model at complexity 2; that of complexity 1 is in the wheel
_MIN_INPUT_SIDE = 512        # pixels; smaller images are enlarged first: better than the graph's own resampling
_MAX_CENTRE_DISTANCE = 0.6   # distance from the given position, radii; beyond it, it is another person
_WIDE_ASPECT = 1.25          # above this ratio of the image's sides, squares along it may be searched too
_SMALL_HEIGHT = 0.75         # people below this height (shorter image sides) are small
_DUPLICATE_OVERLAP = 0.4     # overlap of two boxes from which they belong to one person
_DETECTION_SCORE = 0.65      # least score of a detection; below it, half of the detections are walls or trees


@dataclass(frozen=True)
class Circle:
    """BlazePose's region of a person: a circle around the hips that contains the whole body, in pixels."""

    x: float
    y: float
    radius: float
    angle: float = 0.0  # of the body, radians, clockwise from upright

    @classmethod
    def from_keypoints(cls, hips: np.ndarray, rim: np.ndarray) -> "Circle":
        """From the middle of the hips and the point on the circle above the head, both x, y."""
        x, y = rim - hips
        return cls(float(hips[0]), float(hips[1]), float(np.hypot(x, y)), float(np.arctan2(x, -y)))

    @classmethod
    def from_person(cls, person: Person) -> "Circle":
        return cls(*person.centre, max(person.size) / 2)

    def person(self, score: float) -> Person:
        """A person with a box as high as the circle and half as wide."""
        return Person((self.x - self.radius / 2, self.y - self.radius, self.x + self.radius / 2, self.y + self.radius),
                      score)


class Detector:
    """BlazePose's detector, which finds people by face or upper body.

    Its input has 224 x 224 pixels. If an image is wide or high, and no person in it is large, squares along the image
    are searched too.
    """

    def __init__(self, model: str, device: str):
        self._graph = Graph(_DETECTOR, ("people",))

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Person]]:
        return [self._detect(image) for image in images]

    def _detect(self, rgb: np.ndarray) -> list[Person]:
        people = self._detect_in(rgb)
        side, longer = sorted(rgb.shape[:2])
        if longer > _WIDE_ASPECT * side and all(person.size[1] < _SMALL_HEIGHT * side for person in people):
            for start in np.linspace(0, longer - side, int(np.ceil(longer / side)) + 1).astype(int).tolist():
                x, y = (start, 0) if rgb.shape[1] == longer else (0, start)
                people += [person for person in self._detect_in(rgb[y : y + side, x : x + side], x, y)
                           if all(iou(person.box, other.box) < _DUPLICATE_OVERLAP for other in people)]
        return people

    def _detect_in(self, rgb: np.ndarray, x: int = 0, y: int = 0) -> list[Person]:
        """People in a part of the image whose top left corner is at x, y."""
        found = self._graph(image=image_packet(rgb)).get("people")
        items = packet_getter.get_proto_list(found) if found else []
        people = [_detected_person(item, *rgb.shape[1::-1]) for item in items]
        return [replace(person, box=tuple(np.add(person.box, (x, y, x, y)).tolist()))
                for person in people if person.score >= _DETECTION_SCORE]


class Segmenter:
    """The mask of BlazePose's landmark network, averaged over the image and its mirror image: slightly better than one
    mask, and twice as slow."""

    def __init__(self, model: str, device: str):
        self._graph = _body_graph(model, "mask")

    def masks(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[np.ndarray | None]:
        return [self._mean_mask(image, Circle.from_person(person)) if person else None
                for image, person in zip(images, people)]

    def _mean_mask(self, rgb: np.ndarray, circle: Circle) -> np.ndarray | None:
        mask = self._mask(rgb, circle)
        if mask is None:
            return None
        mirrored = self._mask(rgb[:, ::-1], replace(circle, x=rgb.shape[1] - circle.x, angle=-circle.angle))
        return mask if mirrored is None else (mask + mirrored[:, ::-1]) / 2

    def _mask(self, rgb: np.ndarray, circle: Circle) -> np.ndarray | None:
        height, width = rgb.shape[:2]
        found = self._graph(image=image_packet(rgb), region=region_packet(circle, width, height)).get("mask")
        return _mask_array(found).copy() if found else None


class PoseEstimator:
    """Landmarks and mask of the body, tracked from frame to frame: the region comes from the last pose or, if that does
    not agree with the given position of the person, from the given position.

    Hands and face of a frame are processed in separate threads, while the body network processes the next frame.
    """

    provides_silhouettes = True

    def __init__(self, model: str, device: str):
        self._body = _body_graph(model, "mask", "landmarks", "circle")
        self._hands, self._face = Graph(HAND_GRAPH, ("left_hand", "right_hand")), FaceMesh()
        self._hand_thread, self._face_thread = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._last: Circle | None = None

    def estimate(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        pending = [self._track(image, person) for image, person in zip(images, people)]
        return [finish and finish() for finish in pending]

    def _track(self, rgb: np.ndarray, person: Person | None) -> Callable[[], PoseDetection] | None:
        given, last = person and Circle.from_person(person), self._last
        self._last = None
        if given:
            height, width = rgb.shape[:2]
            scale = max(1, round(_MIN_INPUT_SIDE / max(height, width)))
            image = image_packet(cv2.resize(rgb, (width * scale, height * scale), interpolation=cv2.INTER_CUBIC))
            for circle in (last, given):
                if circle and (finish := self._start(rgb, image, circle, given)):
                    return finish
        return None

    def _start(self, rgb: np.ndarray, image, circle: Circle, given: Circle) -> Callable[[], PoseDetection] | None:
        """Starts to estimate the pose of the person in `circle`, and returns a function that waits for the result; None
        if there is no person, or another one than the person in `given`."""
        height, width = rgb.shape[:2]
        packets = self._body(image=image, region=region_packet(circle, width, height))
        if "landmarks" not in packets:
            return None
        found = Circle.from_keypoints(*_landmark_pixels(packets["circle"], width, height)[:2, :2])
        if centre_distance(given, found) > _MAX_CENTRE_DISTANCE:
            return None
        self._last = found
        body = _landmark_pixels(packets["landmarks"], width, height)
        landmarks = packet_getter.get_proto(packets["landmarks"]).landmark
        score = np.array([landmark.visibility for landmark in landmarks])
        hands = self._hand_thread.submit(self._hands, image=image, body=packets["landmarks"])
        face = self._face_thread.submit(self._find_head, rgb, body)

        def finish() -> PoseDetection:
            points = {name: _landmark_pixels(packet, width, height) for name, packet in hands.result().items()}
            mask = cv2.resize(_mask_array(packets["mask"]), (width, height), interpolation=cv2.INTER_AREA)
            return PoseDetection(to_pose({"body": body, **points}, score, face.result()), mask)
        return finish

    def _find_head(self, rgb: np.ndarray, body: np.ndarray) -> np.ndarray | None:
        if nose_behind_ears(body):
            return None
        height = body_height(body)
        return self._face.head(rgb, body[[0, 2, 5, 7, 8], :2].mean(0) + (0, FACE_OFFSET * height), height)


def _body_graph(model: str, *outputs: str) -> Graph:
    files = {} if model == pretrained.WHEEL["mediapipe"] else {_HEAVY: _model_file(model)}
    return Graph(_BODY, outputs, files, complexity=packet_creator.create_int(2 if files else 1),
                 segment=packet_creator.create_bool("mask" in outputs))


def _model_file(model: str) -> Path:
    """File of a landmark network that is not in the wheel."""
    try:
        return pretrained.find(pretrained.file_name("mediapipe", "pose", model))
    except pretrained.MissingWeights as error:
        raise InputError(f"model: {model}: {error}; or set `model: full`") from None


def _landmark_pixels(landmarks, width: int, height: int) -> np.ndarray:
    """A packet of landmarks -> x, y and depth in pixels, (n, 3)."""
    points = [(point.x, point.y, point.z) for point in packet_getter.get_proto(landmarks).landmark]
    return np.array(points) * (width, height, width)


def _mask_array(packet) -> np.ndarray:
    """A packet's mask, (H, W) float32."""
    view = packet_getter.get_image(packet).numpy_view()
    return view.reshape(view.shape[:2])  # (H, W, 1) -> (H, W)


def centre_distance(one: Circle, other: Circle) -> float:
    """Distance of the centres, in radii of the larger circle."""
    return np.hypot(one.x - other.x, one.y - other.y) / max(one.radius, other.radius)


def region_packet(circle: Circle, width: int, height: int):
    """The input region of BlazePose's networks as a packet: a square 1.25 times as large as the circle."""
    side = 2.5 * circle.radius
    return packet_creator.create_proto(rect_pb2.NormalizedRect(
        x_center=circle.x / width, y_center=circle.y / height, width=side / width, height=side / height,
        rotation=circle.angle))


def _detected_person(item, width: int, height: int) -> Person:
    hips, rim = (np.array([point.x * width, point.y * height]) for point in item.location_data.relative_keypoints[:2])
    return Circle.from_keypoints(hips, rim).person(float(item.score[0]))
