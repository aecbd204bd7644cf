"""The boundary F-score against its definition, pair by pair of pixels."""

import numpy as np
import pytest

from tests.boundaries import boundary_f


def brute(found, true, radius):
    def outline(mask):
        padded = np.pad(mask, 1, mode="edge")
        return np.array([(y, x) for y, x in np.argwhere(mask) if not padded[y : y + 3, x : x + 3].all()])

    one, other = outline(found), outline(true)
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    precision, recall = (apart.min(1) <= radius).mean(), (apart.min(0) <= radius).mean()
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("radius", [0, 1, 2, 3.5])
def test_boundary_f_agrees_with_its_definition(radius):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :48]
    for _ in range(4):
        (a, b), r, (c, d), s = rng.uniform(8, 36, 2), rng.uniform(6, 14), rng.uniform(-3, 3, 2), rng.uniform(-3, 3)
        found, true = np.hypot(y - a, x - b) < r, np.hypot(y - a - c, x - b - d) < r + s
        assert boundary_f(found, true, radius) == pytest.approx(brute(found, true, radius))


def test_boundary_f_of_equal_shifted_and_missing_masks():
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    assert boundary_f(mask, mask, 0) == 1
    assert boundary_f(np.roll(mask, 2, 1), mask, 2) == 1
    assert boundary_f(np.roll(mask, 3, 1), mask, 2) < 0.9
    assert boundary_f(np.zeros_like(mask), mask, 2) == 0
    assert boundary_f(np.zeros_like(mask), np.zeros_like(mask), 2) == 1
