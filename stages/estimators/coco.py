"""Converts COCO's 17 body keypoints, as predicted by Keypoint R-CNN and YOLO, to a pose.

The neck is the middle of the shoulders. COCO has no feet: heel and toe are extrapolated from knee and ankle, with
proportions measured on rendered people and a lower score. Of the face, eyes and nose are known; hands are unknown.
"""

import numpy as np

from stages.estimators.pose_estimator import hide_unknown
from stages.pose.skeleton import L_ANKLE, L_EYE, L_KNEE, NECK, NOSE, R_ANKLE, R_EYE, R_KNEE, Pose

KEYPOINTS = 17
_BODY = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)  # keypoint of each OpenPose joint; -1: neck
_SHOULDERS = [5, 6]
_HEEL, _TOE = 0.19, 0.32  # beyond the ankle, fractions of the shin: medians over three rendered people
_FEET_SCORE = 0.5         # factor on the score of ankle or knee, whichever is lower


def to_pose(keypoints: np.ndarray) -> Pose:
    """Keypoints (17, 3): x, y in pixels, score -> a pose."""
    keypoints = np.asarray(keypoints, np.float64)
    shoulders = keypoints[_SHOULDERS]
    body = keypoints[list(_BODY)]  # (18, 3)
    body[NECK] = [*shoulders[:, :2].mean(0), shoulders[:, 2].min()]
    feet = [_extend_shin(body[knee], body[ankle], fraction)
            for knee, ankle in ((R_KNEE, R_ANKLE), (L_KNEE, L_ANKLE)) for fraction in (_HEEL, _TOE)]
    unknown = Pose.unknown()
    face = unknown.face.copy()
    face[[0, 1, 4]] = body[[R_EYE, L_EYE, NOSE]]
    return Pose(body, unknown.left_hand, unknown.right_hand, np.array(feet), face).map(hide_unknown)


def _extend_shin(knee: np.ndarray, ankle: np.ndarray, fraction: float) -> np.ndarray:
    return np.array([*ankle[:2] + fraction * (ankle[:2] - knee[:2]), _FEET_SCORE * min(knee[2], ankle[2])])
