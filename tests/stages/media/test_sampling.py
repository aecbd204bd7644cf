"""Samples are even, hold both ends and no value twice."""

import numpy as np
import pytest

from stages.media.sampling import evenly_spaced


@pytest.mark.parametrize("total, count, expected", [
    (10, 4, [0, 3, 6, 9]), (10, 1, [0]), (3, 8, [0, 1, 2]), (0, 5, []), (6, 4, [0, 2, 3, 5]),
    (100, 8, [0, 14, 28, 42, 57, 71, 85, 99]),
])
def test_samples_are_even_and_hold_both_ends(total, count, expected):
    assert evenly_spaced(np.arange(total), count).tolist() == expected
