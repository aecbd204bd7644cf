"""The whole-body pose of one person in a picture, as OpenPose-18 joints, hands, feet and five face points.

A `PoseEstimator` is pointed at a person and tells where to look in the next picture. MediaPipe's body, hand and face
networks stand behind it; another estimator is another class with the same method, named in `build`.
"""

from typing import Protocol

import cv2
import numpy as np

from stages.estimators import graph
from stages.estimators.face import FaceMesh
from stages.estimators.person import Person, region_of
from stages.vision.skeleton import L_EYE, L_WRIST, NECK, NOSE, R_EYE, R_WRIST, Pose

_BODY_AND_HANDS = """
input_stream: "image"
input_stream: "region"
input_side_packet: "complexity"
input_side_packet: "segment"
output_stream: "body"
output_stream: "circle"
output_stream: "left_hand"
output_stream: "right_hand"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:complexity" input_side_packet: "ENABLE_SEGMENTATION:segment"
  input_stream: "IMAGE:image" input_stream: "ROI:region"
  output_stream: "LANDMARKS:body" output_stream: "AUXILIARY_LANDMARKS:circle"
}
node {
  calculator: "HandLandmarksLeftAndRightCpu"
  input_stream: "IMAGE:image" input_stream: "POSE_LANDMARKS:body"
  output_stream: "LEFT_HAND_LANDMARKS:left_hand" output_stream: "RIGHT_HAND_LANDMARKS:right_hand"
}
"""
# BlazePose's 33 landmarks, by OpenPose's joints; the neck is the shoulders' middle
_BODY = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_SHOULDERS = (12, 11)
_FEET = (30, 32, 29, 31)      # right heel, right toe, left heel, left toe
_FACE = (5, 2, 9, 10, 0)      # right eye, left eye, left mouth corner, right mouth corner, nose
_WITHOUT_MESH = 0.4           # of its score has a face point that the body's network alone has seen
_CHIN = 0.02                  # of the height: the face's middle lies below the middle of eyes and ears
_LEAST_SIDE = 512             # pixels: smaller pictures are enlarged, which the networks' own sampling does worse


class PoseEstimator(Protocol):
    def __call__(self, rgb: np.ndarray, person: Person) -> tuple[Pose, Person] | None:
        """The person's pose in pixels of the picture and where to look for them next; None where they are not."""


class MediaPipe:
    def __init__(self, complexity: int):
        graph.require_model(complexity)
        side = {"complexity": graph.create.create_int(complexity), "segment": graph.create.create_bool(False)}
        self._graph = graph.Graph(_BODY_AND_HANDS, ("body", "circle", "left_hand", "right_hand"), **side)
        self._face = FaceMesh()

    def __call__(self, rgb: np.ndarray, person: Person) -> tuple[Pose, Person] | None:
        height, width = rgb.shape[:2]
        enlarged = max(1, round(_LEAST_SIDE / max(height, width)))
        picture = cv2.resize(rgb, (width * enlarged, height * enlarged), interpolation=cv2.INTER_CUBIC)
        packets = self._graph(image=graph.picture(picture), region=region_of(person, width, height))
        if "body" not in packets:
            return None
        found = {name: graph.read.get_proto(packet).landmark for name, packet in packets.items()}
        points = {name: np.array([(p.x, p.y, p.z) for p in landmarks]) * (width, height, width)
                  for name, landmarks in found.items()}  # x, y and depth in pixels
        score = np.array([landmark.visibility for landmark in found["body"]])
        then = Person.around(*points["circle"][:2, :2], score=float(score.mean()))
        return to_pose(points, score, self._mesh(rgb, points["body"])), then

    def _mesh(self, rgb: np.ndarray, body: np.ndarray) -> np.ndarray | None:
        if turned_away(body):
            return None
        tall = body_height(body)
        return self._face(rgb, body[[0, 2, 5, 7, 8], :2].mean(0) + (0, _CHIN * tall), tall)


def build(name: str, complexity: int) -> PoseEstimator:
    return {"mediapipe": MediaPipe}[name](complexity)


def to_pose(points: dict[str, np.ndarray], score: np.ndarray, face: np.ndarray | None) -> Pose:
    """BlazePose's landmarks as a pose.

    points  body (33, 3) and, where seen, left_hand and right_hand (21, 3): x, y and depth in pixels
    score   (33,) of the body's landmarks
    face    (5, 2) where a face is seen
    Of a head seen from behind, eyes, nose and mouth are unknown.
    """
    every = np.column_stack([points["body"][:, :2], score])  # (33, 3)
    body = every[list(_BODY)]
    shoulders = every[list(_SHOULDERS)]
    body[NECK] = [*shoulders[:, :2].mean(0), shoulders[:, 2].min()]
    five = every[list(_FACE)] * [1, 1, _WITHOUT_MESH]
    if face is not None:
        five = np.column_stack([face, np.full(5, score[0])])
        body[[R_EYE, L_EYE, NOSE], :2] = face[[0, 1, 4]]
    elif turned_away(points["body"]):
        five[:, 2] = body[[NOSE, R_EYE, L_EYE], 2] = 0
    hands = []
    for name, wrist in (("left_hand", L_WRIST), ("right_hand", R_WRIST)):
        hands.append(_hand(points.get(name), body[wrist, 2]))
        if name in points:  # two networks have seen this wrist
            body[wrist, :2] = (body[wrist, :2] + hands[-1][0, :2]) / 2
    return Pose(body, *hands, every[list(_FEET)], five).map(hide_unknown)


def hide_unknown(points: np.ndarray, least: float = 0.0) -> np.ndarray:
    """Points with a score of `least` or below become NaN, NaN, 0."""
    return np.where(points[..., 2:] > least, points, [np.nan, np.nan, 0]).astype(np.float32)


def turned_away(body: np.ndarray) -> bool:
    """Whether the nose lies behind the ears, of BlazePose's landmarks (33, 3)."""
    return bool(body[0, 2] > body[[7, 8], 2].max())


def body_height(body: np.ndarray) -> float:
    """Head to heel along the bones in pixels, so that a bent body is as tall as an upright one."""
    def length(*joints):
        places = np.array([body[list(pair), :2].mean(0) for pair in joints])
        return np.linalg.norm(np.diff(places, axis=0), axis=1).sum()

    legs = max(length((24, 24), (26, 26), (28, 28)), length((23, 23), (25, 25), (27, 27)))
    return float(length((7, 8), (11, 12), (23, 24)) + legs)


def _hand(points: np.ndarray | None, score: float) -> np.ndarray:
    return Pose.unknown().left_hand if points is None else np.column_stack([points[:, :2], np.full(21, score)])
