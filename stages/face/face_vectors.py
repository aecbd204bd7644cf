"""Face orientation as five vectors (paper section 2.3, Fig. 3) and their similarity (Eq. 8).

The points are right eye, left eye, left mouth corner, right mouth corner, nose. Vectors are in face sizes, that is
divided by `face_size`, so that the similarity does not depend on the distance to the camera.
"""

import numpy as np

_START, _END = (0, 1, 2, 3), (1, 2, 3, 0)  # v1..v4: eyes and mouth corners; v5: middle of the eyes to the nose
_FLOOR = 1e-3  # smallest denominator of Eq. 8, in face sizes: limits the similarity of identical faces


def face_size(points: np.ndarray) -> np.ndarray:
    """Face size in pixels, (..., 5, 2) -> (...,): the root of the sum of two squared distances, between the eyes and
    from the middle of the eyes to the middle of the mouth. A turned head shortens the first and a lowered head the
    second, but rarely both."""
    right, left = points[..., 0, :], points[..., 1, :]
    down = (points[..., 2, :] + points[..., 3, :] - right - left) / 2
    return np.sqrt(((left - right) ** 2).sum(-1) + (down**2).sum(-1))


def vectors(points: np.ndarray) -> np.ndarray:
    """Five points (..., 5, 2) -> v1..v5 (..., 5, 2) in face sizes."""
    points = np.asarray(points, np.float64)
    edges = points[..., _END, :] - points[..., _START, :]
    nose = points[..., 4, :] - (points[..., 0, :] + points[..., 1, :]) / 2
    vectors = np.concatenate([edges, nose[..., None, :]], -2)
    return vectors / np.maximum(face_size(points), 1e-6)[..., None, None]


def similarity(a: np.ndarray, b: np.ndarray, count: int = 5) -> np.ndarray:
    """The similarity of Eq. 8 over the first `count` of the five vectors: (..., 5, 2) and (..., 5, 2), broadcast ->
    (...,)."""
    difference = np.asarray(a, np.float64)[..., :count, :] - np.asarray(b, np.float64)[..., :count, :]
    return 1 / np.maximum(np.linalg.norm(difference, axis=-1).sum(-1), _FLOOR)


def most_similar(index: np.ndarray, query: np.ndarray, m: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The m faces of an index (N, 5, 2) that are most similar to a query (..., 5, 2) by the first `count` vectors, in
    descending order. Faces of equal similarity keep their order.

    Returns indices and similarities, both (..., m)."""
    scores = similarity(index, query[..., None, :, :], count)  # (..., N)
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :m]
    return order, np.take_along_axis(scores, order, -1)
