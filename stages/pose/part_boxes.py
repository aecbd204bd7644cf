"""The five key parts of a person (paper section 2.3): face, hands and feet as square boxes, and how they are cut out.

A box is left, top, right, bottom in pixels of the frame, continuous, the origin at the outer corner of the top
left pixel; it may reach outside the frame, where pictures are 0.
"""

import cv2
import numpy as np

from stages.pose import skeleton
from stages.pose.skeleton import (
    L_ANKLE, L_ELBOW, L_HIP, L_KNEE, L_WRIST, NECK, NOSE, R_ANKLE, R_ELBOW, R_HIP, R_KNEE, R_WRIST, Pose,
)

PART_SIZES = {"face": 0.16, "right_hand": 0.13, "left_hand": 0.13, "right_foot": 0.15, "left_foot": 0.15}  # of the height


def part_boxes(pose: Pose, frame_size: int) -> np.ndarray:
    """One pose -> boxes (5, 4) of face, right hand, left hand, right foot, left foot; NaN where the pose does not
    tell the place, or where it lies outside the frame."""
    height = _height(pose.body)
    middles = [
        _first(_middle(pose.face), _xy(pose.body[NOSE])),
        _first(_middle(pose.right_hand), _beyond(pose.body, R_ELBOW, R_WRIST, 0.35)),
        _first(_middle(pose.left_hand), _beyond(pose.body, L_ELBOW, L_WRIST, 0.35)),
        _first(_middle(pose.feet[:2]), _beyond(pose.body, R_KNEE, R_ANKLE, 0.15)),
        _first(_middle(pose.feet[2:]), _beyond(pose.body, L_KNEE, L_ANKLE, 0.15)),
    ]
    half = np.array(list(PART_SIZES.values()))[:, None] * height / 2  # (5, 1)
    boxes = np.concatenate([middles - half, middles + half], 1)  # (5, 4)
    inside = ((np.array(middles) >= 0) & (np.array(middles) <= frame_size)).all(1)
    boxes[~inside] = np.nan
    return boxes


def crop(image: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """What the box shows, (H, W, C) -> (side, side, C); averaged where it shrinks, bilinear where it grows."""
    scale = side / (box[2] - box[0])
    if scale >= 1:
        return _warp(image, _placing(box, scale), side, side)
    whole = int(np.ceil(1 / scale))  # cut at a multiple of the side, then average blocks
    fine = _warp(image, _placing(box, scale * whole), side * whole, side * whole)
    return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, *image.shape[2:])


def _placing(box: np.ndarray, scale: float) -> np.ndarray:
    """Frame -> crop as a (2, 3) matrix in OpenCV's coordinates, whose integers are pixel centres."""
    left, top = (np.asarray(box[:2]) - 0.5) * scale + 0.5
    return np.array([[scale, 0, -left], [0, scale, -top]])


def _warp(image: np.ndarray, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return warped.reshape(height, width, *image.shape[2:])


def _height(body: np.ndarray) -> float:
    """The person's height in pixels: nose to ankles, or more where the pose is bent or half hidden."""
    def length(*joints):
        points = np.array([_xy(body[j]) for j in joints])
        return np.linalg.norm(np.diff(points, axis=0), axis=1).sum()

    guesses = [skeleton.person_height(body), 2 * length(NECK, R_ELBOW, R_WRIST), 2 * length(NECK, L_ELBOW, L_WRIST),
               2.2 * length(R_HIP, R_KNEE, R_ANKLE), 2.2 * length(L_HIP, L_KNEE, L_ANKLE)]
    known = [guess for guess in guesses if np.isfinite(guess)]
    return max(known, default=np.nan)


def _xy(point: np.ndarray) -> np.ndarray:
    return point[:2] if point[2] > 0 else np.full(2, np.nan)


def _middle(points: np.ndarray) -> np.ndarray:
    """The middle of the known points' extent; NaN where fewer than two are known."""
    known = points[points[:, 2] > 0, :2]
    return (known.min(0) + known.max(0)) / 2 if len(known) > 1 else np.full(2, np.nan)


def _beyond(body: np.ndarray, upper: int, lower: int, share: float) -> np.ndarray:
    """Past the lower joint, in the limb's direction, by a share of the limb."""
    a, b = _xy(body[upper]), _xy(body[lower])
    return b + share * (b - a)


def _first(*places: np.ndarray) -> np.ndarray:
    return next((place for place in places if np.isfinite(place).all()), places[-1])
