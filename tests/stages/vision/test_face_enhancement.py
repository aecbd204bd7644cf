"""Eq. 9: the right real face, brought onto the generated one."""

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from stages.vision import face_vectors
from stages.vision.face_enhancement import FaceIndex, enhance, similarity_transform

FACE = np.array([(18, 20), (30, 20), (29, 32), (19, 32), (24, 26)], float)


def drawn(points: np.ndarray, colour: tuple) -> np.ndarray:
    """A 48 x 48 face: a coloured ground with a dark dot at every point."""
    picture = np.full((48, 48, 3), colour, np.uint8)
    for x, y in points:
        cv2.circle(picture, (round((x - 0.5) * 16), round((y - 0.5) * 16)), 2 * 16, (20, 20, 20), -1, cv2.LINE_AA, 4)
    return picture


def index_of(*faces: tuple[np.ndarray, tuple]) -> FaceIndex:
    crops = [cv2.imencode(".png", drawn(points, colour)[..., ::-1])[1].tobytes() for points, colour in faces]
    points = np.stack([points for points, _ in faces])
    vectors = np.stack([face_vectors.vectors(p) for p in points])
    return FaceIndex(np.arange(len(faces)) * 10, points, vectors, np.tile([0, 0, 48, 48.0], (len(faces), 1)), crops)


def turned(shift: float) -> np.ndarray:
    return FACE + np.array([[0, 0]] * 4 + [[shift, 0]])


def known(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.ones(5)])


def test_similarity_transform_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    source, target = rng.random((5, 2)) * 40, rng.random((5, 2)) * 40
    expected = SimilarityTransform.from_estimate(source, target).params[:2]
    assert np.allclose(similarity_transform(source, target), expected)


def test_the_face_that_looks_the_same_way_is_aligned_and_blended():
    index = index_of((turned(5), (200, 30, 30)), (turned(-5), (30, 200, 30)))
    moved = turned(5) * 0.8 + [3, 6]  # the driving face: smaller, elsewhere
    face = np.ones((48, 48, 4), np.float32) * 0.5
    face[..., 3] = 1
    result = enhance(face, np.array([0, 0, 48, 48.0]), known(moved), index, candidates=1, alpha=1.0, beta=0.0)
    expected = drawn(moved, (200, 30, 30))[..., :3] / 255
    inner = slice(20, 30)
    assert np.abs(result[inner, inner, :3] - expected[inner, inner]).mean() < 0.06
    assert np.array_equal(result[0, 0], face[0, 0])  # outside of the face nothing changes


@pytest.mark.parametrize("why", ["empty index", "unknown point"])
def test_without_a_face_nothing_changes(why):
    points = known(FACE)
    index = index_of((FACE, (9, 9, 9)))
    if why == "empty index":
        index = index.without(0, 1000)
    else:
        points[4] = (np.nan, np.nan, 0)
    face = np.random.default_rng(0).random((48, 48, 4)).astype(np.float32)
    assert np.array_equal(enhance(face, np.array([0, 0, 48, 48.0]), points, index, 3, 0.5, 0.5), face)


def test_neighbouring_frames_can_be_left_out():
    index = index_of((FACE, (1, 1, 1)), (FACE, (2, 2, 2)), (FACE, (3, 3, 3)))
    assert index.without(frame=12, distance=5).frames.tolist() == [0, 20]
