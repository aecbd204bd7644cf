"""Refines a network's soft mask to a person's alpha matte: aligns its edges with those of the image, fills holes in the
body, and removes islands (components that are not connected to the body).

Alpha mattes are (H, W) float32 in [0, 1], pictures are (H, W, 3) uint8 RGB.
"""

import cv2
import numpy as np

from stages.pose import skeleton
from stages.pose.skeleton import LIMBS, L_HIP, L_SHOULDER, NOSE, R_HIP, R_SHOULDER, Pose

_EPSILON = 1e-3   # of the guided filter, for colours in [0, 1]: a variance below which edges are ignored
_CONTRAST = 2.0   # factor of alpha's contrast around 1/2, because the filter blurs alpha
_BONE = 0.012     # radius around a bone that is certainly body, share of the person's height
_FINGER = 0.02    # width of a finger, share of the person's height
_POSSIBLE = 0.4   # alpha of fingers that are drawn from the pose
_FAINT = 0.15     # threshold of alpha for connected components


def refine(rgb: np.ndarray, alpha: np.ndarray, radius: int, pose: Pose) -> np.ndarray:
    """Aligns the edges of `alpha` with those of the image within `radius` pixels, then fills holes in the body and
    removes islands (see `cleaned`). rgb (H, W, 3), alpha (H, W) -> (H, W)."""
    return cleaned(_align_edges(rgb, alpha, radius), pose)


def cleaned(alpha: np.ndarray, pose: Pose) -> np.ndarray:
    """`alpha` (H, W) without holes in the body and without components that are not connected to the body. Not changed
    if the pose has no known limbs."""
    body = body_core(pose, len(alpha))
    if not body.any():
        return alpha
    return without_islands(np.maximum(alpha, cv2.GaussianBlur(body.astype(np.float32), (3, 3), 0)), body)


def _align_edges(rgb: np.ndarray, alpha: np.ndarray, radius: int) -> np.ndarray:
    """Applies the guided filter where alpha is not 0, and restores the contrast."""
    result, region = np.zeros(alpha.shape, np.float32), person_region(alpha, 3 * radius)
    if region:
        guide = rgb[region].astype(np.float32) / 255
        filtered = guided_filter(guide, alpha[region].astype(np.float32), radius, _EPSILON)
        result[region] = np.clip((filtered - 0.5) * _CONTRAST + 0.5, 0, 1)
    return result


def person_region(alpha: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns of the bounding box of alpha > 0.02, with a margin in pixels; None if there is no such pixel."""
    rows, columns = (np.flatnonzero((alpha > 0.02).any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return tuple(slice(max(indices[0] - margin, 0), indices[-1] + margin + 1) for indices in (rows, columns))


def guided_filter(guide: np.ndarray, alpha: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The guided filter with a colour guide (He et al. 2013), which approximates alpha in each window by a linear
    function of the colour.

    guide (H, W, 3) in [0, 1] and alpha (H, W), float32 -> (H, W) float32. cv2.ximgproc.guidedFilter gives other
    results, because it treats borders and windows differently."""
    def mean(x):
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_alpha = mean(guide), mean(alpha)
    covariance = mean(guide * alpha[..., None]) - mean_guide * mean_alpha[..., None]
    r, g, b = cv2.split(guide)
    pairs = cv2.merge([r * r, r * g, r * b, g * g, g * b, b * b])
    mr, mg, mb = cv2.split(mean_guide)
    products = cv2.merge([mr * mr, mr * mg, mr * mb, mg * mg, mg * mb, mb * mb])
    mean_pairs = np.concatenate([mean(pairs[..., :3]), mean(pairs[..., 3:])], -1)
    rr, rg, rb, gg, gb, bb = cv2.split(mean_pairs - products)
    slope = _solve(rr + epsilon, rg, rb, gg + epsilon, gb, bb + epsilon, covariance)
    offset = mean_alpha - (slope * mean_guide).sum(-1)
    return (mean(slope) * guide).sum(-1) + mean(offset)


def _solve(a, b, c, d, e, f, right):
    """Solves [[a b c] [b d e] [c e f]] x = right (..., 3) for every pixel, by cofactors, which is faster than NumPy's
    solver."""
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    fifth, sixth, ninth = a * f - c * c, b * c - a * e, a * d - b * b
    x, y, z = (right[..., i] for i in range(3))
    solution = np.stack([first * x + second * y + third * z, second * x + fifth * y + sixth * z,
                         third * x + sixth * y + ninth * z], -1)
    return solution / (a * first + b * second + c * third)[..., None]


def with_hands(alpha: np.ndarray, pose: Pose) -> np.ndarray:
    """`alpha` (H, W) with at least _POSSIBLE on the fingers of the pose, because segmentation networks often miss
    them."""
    canvas, height = np.zeros(alpha.shape, np.uint8), skeleton.person_height(pose.body)
    for hand in (pose.left_hand, pose.right_hand):
        for a, b in skeleton.FINGERS:
            if np.isfinite(height) and min(hand[a, 2], hand[b, 2]) > 0:
                cv2.line(canvas, _pixel(hand[a]), _pixel(hand[b]), 255, max(1, round(_FINGER * height)))
    if not canvas.any():
        return alpha
    return np.maximum(alpha, cv2.GaussianBlur(canvas, (0, 0), 1.0) * np.float32(_POSSIBLE / 255))


def body_core(pose: Pose, size: int) -> np.ndarray:
    """A mask (size, size) bool of pixels that certainly belong to the body: thin lines along the bones, and the torso
    between shoulders and hips. Empty if the person's height is unknown."""
    canvas = np.zeros((size, size), np.uint8)
    height = skeleton.person_height(pose.body)
    if not np.isfinite(height):
        return canvas > 0
    width = max(1, round(2 * _BONE * height))
    for a, b in LIMBS:
        if min(pose.body[a, 2], pose.body[b, 2]) > 0.5 and max(a, b) <= 13 and NOSE not in (a, b):
            cv2.line(canvas, *(_pixel(pose.body[j]) for j in (a, b)), 255, width)
    torso = pose.body[[R_SHOULDER, L_SHOULDER, L_HIP, R_HIP]]
    torso = np.concatenate([torso[:2] + 0.3 * (torso[1::-1] - torso[:2]), torso[2:]])  # inside the armpits
    if (torso[:, 2] > 0).all():
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.array([_pixel(point) for point in torso])), 255)
    return canvas > 0


def without_islands(alpha: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Alpha (H, W) without the connected components that do not overlap with the mask `body` (H, W) bool."""
    _, labels = cv2.connectedComponents((alpha > _FAINT).astype(np.uint8), connectivity=8)
    connected = np.isin(labels, np.setdiff1d(labels[body], 0))
    rim = cv2.dilate(connected.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # edges too faint to be labelled
    return np.where(connected | (rim & (labels == 0)), alpha, 0).astype(np.float32)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
