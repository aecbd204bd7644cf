"""Adds hands and face to the poses of an estimator that only finds the body: MediaPipe's hand and face networks
(Apache-2.0, part of its wheel), applied where the body's joints are.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mediapipe.framework.formats import landmark_pb2

from stages.estimators.hands_and_face import FACE_OFFSET, HAND_GRAPH, FaceMesh
from stages.estimators.mediapipe_graph import Graph, image_packet, packet_creator, packet_getter
from stages.estimators.pose_estimator import PoseDetection, PoseEstimator, hide_unknown
from stages.pose.skeleton import (
    L_ANKLE, L_EAR, L_ELBOW, L_EYE, L_HIP, L_KNEE, L_SHOULDER, L_WRIST, NECK, NOSE, R_ANKLE, R_EAR, R_ELBOW, R_EYE,
    R_HIP, R_KNEE, R_SHOULDER, R_WRIST, Pose,
)
from stages.tracking.boxes import Person

# The BlazePose landmarks that the hand graph reads: wrist, little finger, index finger
_NUM_LANDMARKS, _HAND_LANDMARKS = 33, {"left_hand": (15, 17, 19), "right_hand": (16, 18, 20)}
_ARMS = {"left_hand": (L_ELBOW, L_WRIST), "right_hand": (R_ELBOW, R_WRIST)}
_HEAD = [NOSE, R_EYE, L_EYE, R_EAR, L_EAR]
_KNUCKLES = 0.05           # beyond the wrist, body heights; with larger values, fewer hands are found
_TORSOS_PER_HEIGHT = 2.8   # for the height of a body whose legs are unknown
_MIN_SWAPPED_WIDTH = 0.15  # of swapped shoulders, torso lengths


class WholeBodyEstimator:
    """Wraps a pose estimator, and adds hands and five face points to its poses."""

    def __init__(self, body: PoseEstimator):
        self._body, self._face = body, FaceMesh()
        self._hands = Graph(HAND_GRAPH, tuple(_HAND_LANDMARKS))
        self.provides_silhouettes = body.provides_silhouettes

    def estimate(self, images: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        detections = self._body.estimate(images, people)
        return [replace(detection, pose=self._add_details(image, detection.pose)) if detection else None
                for image, detection in zip(images, detections)]

    def _add_details(self, rgb: np.ndarray, pose: Pose) -> Pose:
        height = body_height(pose.body)
        if not np.isfinite(height):
            return pose
        pose = replace(pose, **self._find_hands(rgb, pose.body, height))
        return replace(pose, **self._find_face(rgb, pose, height))

    def _find_hands(self, rgb: np.ndarray, body: np.ndarray, height: float) -> dict[str, np.ndarray]:
        size = np.array(rgb.shape[1::-1])
        packets = self._hands(image=image_packet(rgb), body=arm_landmarks_packet(body, height, size))
        hands = {}
        for name, packet in packets.items():
            points = np.array([(p.x, p.y) for p in packet_getter.get_proto(packet).landmark]) * size  # (21, 2)
            hands[name] = np.column_stack([points, np.full(21, body[_ARMS[name][1], 2])]).astype(np.float32)
        return hands

    def _find_face(self, rgb: np.ndarray, pose: Pose, height: float) -> dict[str, np.ndarray]:
        """Five face points of the face mesh, and the body with eyes and nose replaced by them. If the person is seen
        from behind, they are unknown."""
        body, face = pose.body.copy(), pose.face.copy()
        head = body[_HEAD][body[_HEAD, 2] > 0]
        if seen_from_behind(body):
            body[[NOSE, R_EYE, L_EYE], 2] = face[:, 2] = 0
        elif len(head) and (five := self._face.face(
                rgb, head[:, :2].mean(0) + (0, FACE_OFFSET * height), height)) is not None:
            face = np.column_stack([five, np.full(5, head[:, 2].max())])
            body[[R_EYE, L_EYE, NOSE], :2] = five[[0, 1, 4]]
        return {"body": hide_unknown(body), "face": hide_unknown(face)}


def arm_landmarks_packet(body: np.ndarray, height: float, size: np.ndarray):
    """A packet of the landmarks that the hand graph reads, derived from elbow and wrist (body in pixels of an image of
    `size`). Those of an unknown arm are invisible."""
    points, visible = np.zeros((_NUM_LANDMARKS, 2)), np.zeros(_NUM_LANDMARKS)
    for name, (elbow, wrist) in _ARMS.items():
        arm = body[wrist, :2] - body[elbow, :2]
        if body[[elbow, wrist], 2].min() > 0 and arm.any():
            knuckles = body[wrist, :2] + arm / np.linalg.norm(arm) * _KNUCKLES * height
            points[list(_HAND_LANDMARKS[name])] = np.stack([body[wrist, :2], knuckles, knuckles]) / size
            visible[list(_HAND_LANDMARKS[name])] = 1
    return packet_creator.create_proto(landmark_pb2.NormalizedLandmarkList(landmark=[
        landmark_pb2.NormalizedLandmark(x=x, y=y, visibility=v, presence=v) for (x, y), v in zip(points, visible)]))


def body_height(body: np.ndarray) -> float:
    """Length of the body from head to ankle along the bones, in pixels; NaN if unknown. It hardly changes when the body
    bends. If the legs are unknown, it is estimated from the torso."""
    def middle(*joints):
        known = body[list(joints)][body[list(joints), 2] > 0, :2]
        return known.mean(0) if len(known) else np.full(2, np.nan)

    def length(*points):
        return np.linalg.norm(np.diff(np.array(points), axis=0), axis=1).sum()

    neck, hips = body[NECK, :2], middle(R_HIP, L_HIP)
    torso, head = length(neck, hips), length(neck, middle(*_HEAD))
    legs = [length(*body[list(leg), :2]) for leg in ((R_HIP, R_KNEE, R_ANKLE), (L_HIP, L_KNEE, L_ANKLE))]
    candidates = [*(head + torso + leg for leg in legs), _TORSOS_PER_HEIGHT * torso]
    return float(max((height for height in candidates if np.isfinite(height)), default=np.nan))


def seen_from_behind(body: np.ndarray) -> bool:
    """Whether the person is seen from behind: left and right shoulder are swapped with respect to the spine."""
    if body[[R_SHOULDER, L_SHOULDER, R_HIP, L_HIP], 2].min() <= 0:
        return False
    spine = body[[R_HIP, L_HIP], :2].mean(0) - body[NECK, :2]
    across = body[L_SHOULDER, :2] - body[R_SHOULDER, :2]
    return bool(spine[0] * across[1] - spine[1] * across[0] > _MIN_SWAPPED_WIDTH * (spine @ spine))
