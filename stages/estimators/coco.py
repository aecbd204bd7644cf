"""COCO's 17 keypoints of a body as a pose: what Keypoint R-CNN and YOLO are trained to find.

The neck is the shoulders' middle. Feet are not among the keypoints: heel and toe are drawn on from knee to ankle, by
shares of the shin measured on rendered people, and score less. Of the face, eyes and nose are known; of hands nothing.
"""

import numpy as np

from stages.estimators.pose_estimator import hide_unknown
from stages.pose.skeleton import L_ANKLE, L_EYE, L_KNEE, NECK, NOSE, R_ANKLE, R_EYE, R_KNEE, Pose

KEYPOINTS = 17
_BODY = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)  # by OpenPose's joints
_SHOULDERS = [5, 6]
_HEEL, _TOE = 0.19, 0.32  # beyond the ankle, share of the shin: medians over three rendered people
_FEET_SCORE = 0.5              # of the ankle's score has what is drawn on


def to_pose(keypoints: np.ndarray) -> Pose:
    """Keypoints (17, 3) of x, y in pixels and score -> a pose."""
    keypoints = np.asarray(keypoints, np.float64)
    shoulders = keypoints[_SHOULDERS]
    body = keypoints[list(_BODY)]  # (18, 3)
    body[NECK] = [*shoulders[:, :2].mean(0), shoulders[:, 2].min()]
    feet = [_extend_shin(body[knee], body[ankle], share)
            for knee, ankle in ((R_KNEE, R_ANKLE), (L_KNEE, L_ANKLE)) for share in (_HEEL, _TOE)]
    nothing = Pose.unknown()
    face = nothing.face.copy()
    face[[0, 1, 4]] = body[[R_EYE, L_EYE, NOSE]]
    return Pose(body, nothing.left_hand, nothing.right_hand, np.array(feet), face).map(hide_unknown)


def _extend_shin(knee: np.ndarray, ankle: np.ndarray, share: float) -> np.ndarray:
    return np.array([*ankle[:2] + share * (ankle[:2] - knee[:2]), _FEET_SCORE * min(knee[2], ankle[2])])
