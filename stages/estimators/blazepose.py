"""Converts BlazePose's 33 landmarks to a pose."""

import numpy as np

from stages.estimators.pose_estimator import hide_unknown
from stages.pose.skeleton import L_EAR, L_EYE, L_WRIST, NECK, NOSE, R_EAR, R_EYE, R_WRIST, Pose

# BlazePose landmark of each OpenPose joint; the neck (-1) is the middle of the shoulders
_JOINTS = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_SHOULDERS = (12, 11)
_TRUNK = (12, 11, 24, 23)   # shoulders and hips
_FEET = (30, 32, 29, 31)    # right heel, right toe, left heel, left toe
_FACE = (5, 2, 9, 10, 0)    # right eye, left eye, left mouth corner, right mouth corner, nose
_HAND_DISTANCE = 0.05       # between the wrists of hand and body, body heights; beyond it, it is not this hand
_SCORE_WITHOUT_MESH = 0.4   # factor on the score of face points that only the body network has found


def to_pose(points: dict[str, np.ndarray], score: np.ndarray, face: np.ndarray | None) -> Pose:
    """BlazePose's landmarks -> a pose. If the head is seen from behind, eyes, nose and mouth are unknown.

    points  body (33, 3) and, where found, left_hand and right_hand (21, 3): x, y and depth in pixels. A hand that is far
            from its wrist is unknown
    score   (33,) of the body landmarks
    face    (7, 2) of FaceMesh.head, or None
    """
    landmarks = np.column_stack([points["body"][:, :2], score])  # (33, 3)
    body = landmarks[list(_JOINTS)]
    shoulders = landmarks[list(_SHOULDERS)]
    body[NECK] = [*shoulders[:, :2].mean(0), shoulders[:, 2].min()]
    five = landmarks[list(_FACE)] * [1, 1, _SCORE_WITHOUT_MESH]
    if face is not None:
        five = np.column_stack([face[:5], np.full(5, score[0])])
        body[[R_EYE, L_EYE, NOSE, R_EAR, L_EAR], :2] = face[[0, 1, 4, 5, 6]]
    elif nose_behind_ears(points["body"]):
        five[:, 2] = body[[NOSE, R_EYE, L_EYE], 2] = 0
    hands, farthest = [], _HAND_DISTANCE * body_height(points["body"])
    for name, wrist in (("left_hand", L_WRIST), ("right_hand", R_WRIST)):
        found = points.get(name)
        if found is not None and np.linalg.norm(found[0, :2] - body[wrist, :2]) > farthest:
            found = None
        hands.append(_hand_points(found, body[wrist, 2]))
        if found is not None:  # two networks have located this wrist: average
            body[wrist, :2] = (body[wrist, :2] + found[0, :2]) / 2
    depth = joint_depth(points["body"])
    return Pose(body, *hands, landmarks[list(_FEET)], five, np.where(body[:, 2] > 0, depth, np.nan)).map(hide_unknown)


def joint_depth(body: np.ndarray) -> np.ndarray:
    """How far the joints (18,) are behind the middle of the trunk, body heights, from BlazePose's landmarks (33, 3)."""
    joints = body[list(_JOINTS), 2]
    joints[NECK] = body[list(_SHOULDERS), 2].mean()
    return ((joints - body[list(_TRUNK), 2].mean()) / max(body_height(body), 1.0)).astype(np.float32)


def nose_behind_ears(body: np.ndarray) -> bool:
    """Whether the head is seen from behind, by the depths of BlazePose's landmarks (33, 3)."""
    return bool(body[0, 2] > body[[7, 8], 2].max())


def body_height(body: np.ndarray) -> float:
    """Length of the body from head to heel along the bones, in pixels; it hardly changes when the body bends."""
    def length(*joints):
        points = np.array([body[list(pair), :2].mean(0) for pair in joints])
        return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()

    legs = max(length((24, 24), (26, 26), (28, 28)), length((23, 23), (25, 25), (27, 27)))
    return float(length((7, 8), (11, 12), (23, 24)) + legs)


def _hand_points(points: np.ndarray | None, score: float) -> np.ndarray:
    return Pose.unknown().left_hand if points is None else np.column_stack([points[:, :2], np.full(21, score)])
