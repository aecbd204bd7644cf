"""Eq. 9: the most similar real face, aligned to the generated one."""

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from stages.face import face_vectors
from stages.face.face_enhancement import similarity_transform
from stages.face.face_index import FaceIndex
from stages.learning.face_enhancer import FaceEnhancer

FACE = np.array([(18, 20), (30, 20), (29, 32), (19, 32), (24, 26)], float)

PARAMS = {"faces": "vectors", "face_vectors": 5, "candidates": 1, "alpha": 1.0, "beta": 0.0, "features": "random"}


def drawn(points: np.ndarray, colour: tuple) -> np.ndarray:
    """A 48 x 48 face: a plain colour with a dark dot at every point."""
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


@pytest.mark.parametrize("how", ["vectors", "features"])
def test_the_face_of_the_same_orientation_is_aligned_and_blended(how):
    index = index_of((turned(5), (200, 30, 30)), (turned(-5), (30, 200, 30)))
    moved = turned(5) * 0.8 + [3, 6]  # the driving face: smaller, elsewhere
    face = np.ones((48, 48, 4), np.float32)
    face[..., :3] = drawn(moved, (190, 40, 40)) / np.float32(255)
    result = FaceEnhancer(index, PARAMS | {"faces": how}).enhance(face, np.array([0, 0]), known(moved))
    expected = drawn(moved, (200, 30, 30))[..., :3] / 255
    middle = slice(20, 30)
    assert np.abs(result[middle, middle, :3] - expected[middle, middle]).mean() < 0.06
    assert np.array_equal(result[0, 0], face[0, 0])  # outside of the face nothing changes


def test_features_find_the_face_of_the_same_colour_and_vectors_the_one_of_the_same_orientation():
    index = index_of((turned(5), (200, 30, 30)), (turned(-5), (30, 200, 30)))
    face = np.ones((48, 48, 4), np.float32)
    face[..., :3] = drawn(turned(5), (30, 200, 30)) / np.float32(255)  # turned like the first, coloured like the second
    red = {how: FaceEnhancer(index, PARAMS | {"faces": how}).enhance(face, np.array([0, 0]), known(turned(5)))[25, 20, 0]
           for how in ("vectors", "features")}
    assert red["vectors"] > 0.6 and red["features"] < 0.3


def test_only_the_first_vectors_are_compared():
    """Only v5, to the nose, differs between the first two faces; without it ties keep their order."""
    index = index_of((turned(-5), (200, 30, 30)), (turned(5), (30, 200, 30)))
    face = np.ones((48, 48, 4), np.float32)
    faces = {count: FaceEnhancer(index, PARAMS | {"face_vectors": count}) for count in (4, 5)}
    green = {count: found.enhance(face, np.array([0, 0]), known(turned(5)))[25, 20, 1]
             for count, found in faces.items()}
    assert green[5] > 0.6 and green[4] < 0.3


def test_more_candidates_are_averaged():
    index = index_of((FACE, (200, 30, 30)), (FACE, (30, 200, 30)))
    face = np.ones((48, 48, 4), np.float32)
    one, two = (FaceEnhancer(index, PARAMS | {"candidates": count}).enhance(face, np.array([0, 0]), known(FACE))[21, 24]
                for count in (1, 2))
    assert np.allclose(one[:2] * 255, (200, 30), atol=12) and np.allclose(two[:2] * 255, (115, 115), atol=12)


@pytest.mark.parametrize("why", ["empty index", "nothing allowed", "unknown point", "none"])
def test_without_a_face_nothing_changes(why):
    points, rows, params = known(FACE), None, PARAMS
    index = index_of((FACE, (9, 9, 9)))
    if why == "empty index":
        index = FaceIndex(*(np.zeros((0, *shape)) for shape in ((), (5, 2), (5, 2), (4,))), [])
    elif why == "nothing allowed":
        rows = index.candidates(0, 1000)
    elif why == "none":
        params = PARAMS | {"faces": "none"}
    else:
        points[4] = (np.nan, np.nan, 0)
    face = np.random.default_rng(0).random((48, 48, 4)).astype(np.float32)
    assert np.array_equal(FaceEnhancer(index, params).enhance(face, np.array([0, 0]), points, rows), face)


def test_neighbouring_frames_can_be_left_out():
    index = index_of((FACE, (1, 1, 1)), (FACE, (2, 2, 2)), (FACE, (3, 3, 3)))
    assert index.candidates(frame=12, distance=5).tolist() == [0, 2]
