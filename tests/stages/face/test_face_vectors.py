"""The five orientation vectors and Eq. 8, compared with the formula."""

import numpy as np
import pytest

from stages.face import face_vectors

FACE = np.array([(30, 40), (50, 41), (48, 65), (33, 64), (40, 53)], float)


def by_hand(a, b, count=5):
    def field(points):
        right, left, mouth_left, mouth_right, nose = points
        down = (mouth_left + mouth_right) / 2 - (left + right) / 2
        size = np.hypot(np.linalg.norm(left - right), np.linalg.norm(down))
        return [v / size for v in (left - right, mouth_left - left, mouth_right - mouth_left, right - mouth_right,
                                   nose - (left + right) / 2)]
    return 1 / sum(np.linalg.norm(v - w) for v, w in list(zip(field(a), field(b)))[:count])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_similarity_is_equation_8(count):
    other = FACE + np.random.default_rng(0).normal(0, 3, (5, 2))
    a, b = face_vectors.vectors(FACE), face_vectors.vectors(other)
    assert face_vectors.similarity(a, b, count) == pytest.approx(by_hand(FACE, other, count))


def test_vectors_do_not_depend_on_position_and_size():
    assert np.allclose(face_vectors.vectors(FACE * 3.7 + (100, -20)), face_vectors.vectors(FACE))


def test_identical_faces_have_a_finite_similarity_above_all_others():
    vectors = face_vectors.vectors(FACE)
    near = face_vectors.vectors(FACE + np.eye(5, 2) * 0.1)
    same = face_vectors.similarity(vectors, vectors)
    assert np.isfinite(same) and same > face_vectors.similarity(vectors, near)


def test_most_similar_returns_the_best_first_and_accepts_many_queries():
    rng = np.random.default_rng(1)
    index = face_vectors.vectors(FACE + rng.normal(0, 4, (40, 5, 2)))
    queries = face_vectors.vectors(FACE + rng.normal(0, 4, (3, 5, 2)))
    found, similarity = face_vectors.most_similar(index, queries, 6)
    for query, rows, values in zip(queries, found, similarity):
        every = np.array([face_vectors.similarity(query, one) for one in index])
        assert rows.tolist() == np.argsort(-every)[:6].tolist()
        assert np.allclose(values, np.sort(every)[::-1][:6])
