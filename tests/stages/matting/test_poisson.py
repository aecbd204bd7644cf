"""Integration of gradients, compared with SciPy's direct solver of the same normal equations."""

import numpy as np
import pytest
from scipy.sparse import diags, kron, identity
from scipy.sparse.linalg import spsolve

from stages.matting import poisson


def direct(start, across, down, weight_across, weight_down, anchor):
    """The least-squares solution from its matrix of differences."""
    height, width, channels = start.shape
    difference = lambda n: diags([-np.ones(n - 1), np.ones(n - 1)], [0, 1], shape=(n - 1, n))
    x, y = kron(identity(height), difference(width)), kron(difference(height), identity(width))
    wx, wy, a = (diags(part.ravel()) for part in (weight_across, weight_down, anchor))
    matrix = (x.T @ wx @ x + y.T @ wy @ y + a).tocsc()
    right = x.T @ wx @ across.reshape(-1, channels) + y.T @ wy @ down.reshape(-1, channels)
    return spsolve(matrix, right + a @ start.reshape(-1, channels)).reshape(start.shape)


@pytest.mark.parametrize("shape, cut", [((40, 70), 0), ((1, 33), 0.1), ((37, 2), 0.1), ((5, 5), 0)])
@pytest.mark.parametrize("loose", [1.0, 1e-4])
def test_agrees_with_the_direct_solution(shape, cut, loose):
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 255, (*shape, 3))
    across, down = (rng.normal(0, 10, np.diff(start, axis=axis).shape) for axis in (1, 0))
    weight_across, weight_down = (np.where(rng.random(part.shape[:2]) < 0.9, 1.0, cut) for part in (across, down))
    anchor = np.where(rng.random(shape) < 0.2, 1.0, loose)
    given = start, across, down, weight_across, weight_down, anchor
    assert np.abs(poisson.integrate(*given, tolerance=1e-3) - direct(*given)).max() < 0.05


def test_a_picture_is_recovered_from_its_gradients_and_one_edge():
    true = 255 * np.random.default_rng(1).random((90, 120, 3))
    anchor = np.zeros(true.shape[:2])
    anchor[:, 0] = 1
    start, weights = np.where(anchor[..., None] > 0, true, 0), (np.ones((90, 119)), np.ones((89, 120)))
    found = poisson.integrate(start, np.diff(true, axis=1), np.diff(true, axis=0), *weights, anchor, 1e-3)
    assert np.abs(found - true).max() < 0.1


def test_pixels_without_weight_are_unchanged():
    start = np.random.default_rng(2).random((20, 20, 1))
    gradients = np.ones((20, 19, 1)), np.ones((19, 20, 1)), np.zeros((20, 19)), np.zeros((19, 20))
    assert np.array_equal(poisson.integrate(start, *gradients, np.zeros((20, 20))), start.astype(np.float32))


def test_large_pictures_need_few_steps():
    """The number of steps does not grow with the size, because of multigrid."""
    steps = []
    for side in (40, 240):
        true = np.add.outer(np.arange(side), np.arange(side))[..., None] % 97.0
        anchor = np.zeros((side, side))
        anchor[0, 0] = 1
        calls = []
        cycle = poisson._cycle
        try:
            poisson._cycle = lambda levels, b: (calls.append(b.shape), cycle(levels, b))[1]
            poisson.integrate(np.zeros_like(true), np.diff(true, axis=1), np.diff(true, axis=0),
                              np.ones((side, side - 1)), np.ones((side - 1, side)), anchor)
        finally:
            poisson._cycle = cycle
        steps.append(sum(shape[0] == side for shape in calls))
    assert steps[1] < 3 * steps[0]
