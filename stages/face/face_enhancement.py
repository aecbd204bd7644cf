"""Self-supervised face enhancement (paper section 2.3, Eq. 9): real faces of the target with a similar orientation are
blended into the generated face.

The real faces are first aligned to the five points of the driving face by a similarity transform, because the mean of
faces that are not aligned shows double contours.
"""

import cv2
import numpy as np

from stages.face import face_vectors
from stages.face.face_index import FaceIndex
from stages.pose import part_boxes

INNER = 1.2  # side of the square `inner_face`, in face sizes (face_vectors.face_size): rarely contains background


def enhance(face: np.ndarray, box: np.ndarray, points: np.ndarray, index: FaceIndex, chosen: np.ndarray,
            similarity: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Applies Eq. 9 to a generated crop. Returns (c, c, 4) float32.

    face         (c, c, 4) float, RGB times alpha, and alpha, in [0, 1]: the content of the square `box` of the frame
    box          (4,) left, top, right, bottom in pixels of the frame
    points       (5, 2) points of the driving face in pixels of the frame
    chosen       (m,) indices of the real faces in `index`
    similarity   (m,) their similarities; divided by their sum they are lambda_i
    alpha, beta  weights of the real faces and of the generated face
    Only a circle around the points is changed, with a soft edge. Alpha is not changed.
    """
    weights = similarity / similarity.sum()  # lambda_i
    side = face.shape[0]
    blend = sum(weight * _aligned(index, i, points, box, side) for weight, i in zip(weights, chosen))
    inner = _circular_mask(_to_crop(points, box, side), side)[..., None]
    mixed = alpha * blend * face[..., 3:] + beta * face[..., :3]  # Eq. 9
    colour = inner * mixed + (1 - inner) * face[..., :3]
    return np.concatenate([colour, face[..., 3:]], -1).astype(np.float32)


def inner_face(picture: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """The inner face: a square of INNER face sizes around the points (5, 2), which are in pixels of the picture,
    resized to (side, side, C)."""
    middle, half = points.mean(0), INNER * face_vectors.face_size(points) / 2
    return part_boxes.crop(picture, np.concatenate([middle - half, middle + half]), side)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity transform (2, 3), scale, rotation and translation, that maps source points (n, 2) to target points
    with the least squared error (Umeyama 1991, without reflection)."""
    a, b = source - source.mean(0), target - target.mean(0)
    spread = (a**2).sum()
    cosine, sine = (a * b).sum() / spread, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def _aligned(index: FaceIndex, i: int, points: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Face i, aligned to `points` and resampled in `box`: (side, side, 3) in [0, 1]."""
    crop = index.crop(i)
    source = _to_crop(index.points[i], index.boxes[i], crop.shape[0])
    # minus 0.5, because in OpenCV's coordinates whole numbers are pixel centres
    matrix = similarity_transform(source - 0.5, _to_crop(points, box, side) - 0.5)
    warped = cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.float32) / 255


def _to_crop(points: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Points in pixels of the frame -> pixels of the crop of `box`."""
    return (points - box[:2]) / (box[2:] - box[:2]) * side


def _circular_mask(points: np.ndarray, side: int) -> np.ndarray:
    """A circular mask (side, side) in [0, 1] with a soft edge: 1 at the five points, falling to 0 outside them."""
    centre = points.mean(0)
    radius = 1.6 * np.linalg.norm(points - centre, axis=1).max() + 1e-6
    y, x = np.mgrid[:side, :side] + 0.5
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    return np.clip((1 - distance) / 0.35, 0, 1).astype(np.float32)
