"""Boxes and crops of the five body parts that local GANs refine (paper section 2.3): face, hands and feet.

A box is left, top, right, bottom in continuous pixels of the frame; the origin is the outer corner of the top left
pixel. A box may reach outside the frame; crops are 0 there.
"""

import cv2
import numpy as np

from stages.pose import skeleton
from stages.pose.skeleton import (
    L_ANKLE, L_ELBOW, L_HIP, L_KNEE, L_WRIST, NECK, NOSE, R_ANKLE, R_ELBOW, R_HIP, R_KNEE, R_WRIST, Pose,
)

PART_SIZES = {  # side of the square box, share of the person's height
    "face": 0.16, "right_hand": 0.13, "left_hand": 0.13, "right_foot": 0.15, "left_foot": 0.15,
}


def part_boxes(pose: Pose, frame_size: int) -> np.ndarray:
    """The boxes (5, 4) of face, right hand, left hand, right foot and left foot of one pose. NaN if the part's centre
    is unknown or outside the frame. frame_size: S, pixels."""
    height = _person_height(pose.body)
    centres = [
        _first_known(_centre(pose.face), _xy(pose.body[NOSE])),
        _first_known(_centre(pose.right_hand), _extend_limb(pose.body, R_ELBOW, R_WRIST, 0.35)),
        _first_known(_centre(pose.left_hand), _extend_limb(pose.body, L_ELBOW, L_WRIST, 0.35)),
        _first_known(_centre(pose.feet[:2]), _extend_limb(pose.body, R_KNEE, R_ANKLE, 0.15)),
        _first_known(_centre(pose.feet[2:]), _extend_limb(pose.body, L_KNEE, L_ANKLE, 0.15)),
    ]
    half = np.array(list(PART_SIZES.values()))[:, None] * height / 2  # (5, 1)
    boxes = np.concatenate([centres - half, centres + half], 1)  # (5, 4)
    inside = ((np.array(centres) >= 0) & (np.array(centres) <= frame_size)).all(1)
    boxes[~inside] = np.nan
    return boxes


def crop(image: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Crops a box (4,) and resizes it, (H, W, C) -> (side, side, C): by area averaging if it is reduced, bilinearly if
    it is enlarged."""
    scale = side / (box[2] - box[0])
    if scale >= 1:
        return _warp(image, _crop_matrix(box, scale), side, side)
    factor = int(np.ceil(1 / scale))  # crop at a multiple of the size, then average blocks
    fine = _warp(image, _crop_matrix(box, scale * factor), side * factor, side * factor)
    return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, *image.shape[2:])


def _crop_matrix(box: np.ndarray, scale: float) -> np.ndarray:
    """Affine matrix (2, 3) frame -> crop, in OpenCV's coordinates: whole numbers are pixel centres."""
    left, top = (np.asarray(box[:2]) - 0.5) * scale + 0.5
    return np.array([[scale, 0, -left], [0, scale, -top]])


def _warp(image: np.ndarray, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return warped.reshape(height, width, *image.shape[2:])


def _person_height(body: np.ndarray) -> float:
    """The person's height in pixels: the largest of the distance from nose to ankles and estimates from the lengths of
    arms and legs, which are larger if the person bends or is partly hidden. NaN if nothing is known."""
    def length(*joints):
        points = np.array([_xy(body[j]) for j in joints])
        return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()

    estimates = [skeleton.person_height(body), 2 * length(NECK, R_ELBOW, R_WRIST), 2 * length(NECK, L_ELBOW, L_WRIST),
                 2.2 * length(R_HIP, R_KNEE, R_ANKLE), 2.2 * length(L_HIP, L_KNEE, L_ANKLE)]
    known = [estimate for estimate in estimates if np.isfinite(estimate)]
    return max(known, default=np.nan)


def _xy(point: np.ndarray) -> np.ndarray:
    return point[:2] if point[2] > 0 else np.full(2, np.nan)


def _centre(points: np.ndarray) -> np.ndarray:
    """The centre of the bounding box of the known points; NaN if fewer than two points are known."""
    known = points[points[:, 2] > 0, :2]
    return (known.min(0) + known.max(0)) / 2 if len(known) > 1 else np.full(2, np.nan)


def _extend_limb(body: np.ndarray, upper: int, lower: int, factor: float) -> np.ndarray:
    """The point beyond the lower joint in the direction of the limb, at `factor` times its length."""
    a, b = _xy(body[upper]), _xy(body[lower])
    return b + factor * (b - a)


def _first_known(*points: np.ndarray) -> np.ndarray:
    return next((point for point in points if np.isfinite(point).all()), points[-1])
