"""Hands and face on top of a body that another estimator has found: MediaPipe's hand and face networks (Apache-2.0, in
its wheel) looking where the body's joints say.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mediapipe.framework.formats import landmark_pb2

from stages.estimators import mediapipe_graph
from stages.estimators.hands_and_face import FACE_OFFSET, HAND_GRAPH, FaceMesh
from stages.estimators.pose_estimator import PoseDetection, PoseEstimator, hide_unknown
from stages.pose.skeleton import (
    L_ANKLE, L_EAR, L_ELBOW, L_EYE, L_HIP, L_KNEE, L_SHOULDER, L_WRIST, NECK, NOSE, R_ANKLE, R_EAR, R_ELBOW, R_EYE,
    R_HIP, R_KNEE, R_SHOULDER, R_WRIST, Pose,
)
from stages.tracking.boxes import Person

# Of BlazePose's 33 landmarks, those which that graph reads: wrist, little finger, index finger
_NUM_LANDMARKS, _HAND_LANDMARKS = 33, {"left_hand": (15, 17, 19), "right_hand": (16, 18, 20)}
_ARMS = {"left_hand": (L_ELBOW, L_WRIST), "right_hand": (R_ELBOW, R_WRIST)}
_HEAD = [NOSE, R_EYE, L_EYE, R_EAR, L_EAR]
_KNUCKLES = 0.05  # beyond the wrist, share of the height: farther out, fewer hands of rendered people are found
_TORSOS_PER_HEIGHT = 2.8   # torsos in a height
_MIN_SWAPPED_WIDTH = 0.15     # of the torso, by which the shoulders of somebody seen from behind lie the other way round


class WholeBodyEstimator:
    """A pose estimator whose poses get hands and five face points."""

    def __init__(self, body: PoseEstimator):
        self._body, self._hands, self._face = body, mediapipe_graph.Graph(HAND_GRAPH, tuple(_HAND_LANDMARKS)), FaceMesh()
        self.provides_silhouettes = body.provides_silhouettes

    def estimate(self, pictures: Sequence[np.ndarray], people: Sequence[Person | None]) -> list[PoseDetection | None]:
        found = self._body.estimate(pictures, people)
        return [replace(one, pose=self._look(picture, one.pose)) if one else None
                for picture, one in zip(pictures, found)]

    def _look(self, rgb: np.ndarray, pose: Pose) -> Pose:
        tall = body_height(pose.body)
        if not np.isfinite(tall):
            return pose
        pose = replace(pose, **self._look_at_hands(rgb, pose.body, tall))
        return replace(pose, **self._look_at_face(rgb, pose, tall))

    def _look_at_hands(self, rgb: np.ndarray, body: np.ndarray, tall: float) -> dict[str, np.ndarray]:
        size = np.array(rgb.shape[1::-1])
        packets = self._hands(image=mediapipe_graph.image_packet(rgb), body=arm_landmarks_packet(body, tall, size))
        hands = {}
        for name, packet in packets.items():
            points = np.array([(p.x, p.y) for p in mediapipe_graph.read.get_proto(packet).landmark]) * size  # (21, 2)
            hands[name] = np.column_stack([points, np.full(21, body[_ARMS[name][1], 2])]).astype(np.float32)
        return hands

    def _look_at_face(self, rgb: np.ndarray, pose: Pose, tall: float) -> dict[str, np.ndarray]:
        """Where the mesh sees a face its points stand for the body's; of a head seen from behind, eyes and nose are
        unknown."""
        body, face = pose.body.copy(), pose.face.copy()
        head = body[_HEAD][body[_HEAD, 2] > 0]
        if seen_from_behind(body):
            body[[NOSE, R_EYE, L_EYE], 2] = face[:, 2] = 0
        elif len(head) and (five := self._face(rgb, head[:, :2].mean(0) + (0, FACE_OFFSET * tall), tall)) is not None:
            face = np.column_stack([five, np.full(5, head[:, 2].max())])
            body[[R_EYE, L_EYE, NOSE], :2] = five[[0, 1, 4]]
        return {"body": hide_unknown(body), "face": hide_unknown(face)}


def arm_landmarks_packet(body: np.ndarray, tall: float, size: np.ndarray):
    """The landmarks that the hand graph reads, from elbow and wrist, as a packet; an unknown arm's are out of sight."""
    points, seen = np.zeros((_NUM_LANDMARKS, 2)), np.zeros(_NUM_LANDMARKS)
    for name, (elbow, wrist) in _ARMS.items():
        arm = body[wrist, :2] - body[elbow, :2]
        if body[[elbow, wrist], 2].min() > 0 and arm.any():
            knuckles = body[wrist, :2] + arm / np.linalg.norm(arm) * _KNUCKLES * tall
            points[list(_HAND_LANDMARKS[name])] = np.stack([body[wrist, :2], knuckles, knuckles]) / size
            seen[list(_HAND_LANDMARKS[name])] = 1
    return mediapipe_graph.create.create_proto(landmark_pb2.NormalizedLandmarkList(landmark=[
        landmark_pb2.NormalizedLandmark(x=x, y=y, visibility=v, presence=v) for (x, y), v in zip(points, seen)]))


def body_height(body: np.ndarray) -> float:
    """Head to ankle along the bones in pixels, so that a bent body is as tall as an upright one; NaN if unknown."""
    def middle(*joints):
        known = body[list(joints)][body[list(joints), 2] > 0, :2]
        return known.mean(0) if len(known) else np.full(2, np.nan)

    def length(*points):
        return np.linalg.norm(np.diff(np.array(points), axis=0), axis=1).sum()

    neck, hips = body[NECK, :2], middle(R_HIP, L_HIP)
    torso, head = length(neck, hips), length(neck, middle(*_HEAD))
    legs = [length(*body[list(leg), :2]) for leg in ((R_HIP, R_KNEE, R_ANKLE), (L_HIP, L_KNEE, L_ANKLE))]
    known = [guess for guess in (*(head + torso + leg for leg in legs), _TORSOS_PER_HEIGHT * torso) if np.isfinite(guess)]
    return float(max(known, default=np.nan))


def seen_from_behind(body: np.ndarray) -> bool:
    """Whether the back is seen: the shoulders lie the other way round about the spine."""
    if body[[R_SHOULDER, L_SHOULDER, R_HIP, L_HIP], 2].min() <= 0:
        return False
    spine = body[[R_HIP, L_HIP], :2].mean(0) - body[NECK, :2]
    across = body[L_SHOULDER, :2] - body[R_SHOULDER, :2]
    return bool(spine[0] * across[1] - spine[1] * across[0] > _MIN_SWAPPED_WIDTH * (spine @ spine))
