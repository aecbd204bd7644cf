"""Samples are evenly spaced and include both ends."""

import numpy as np
import pytest

from stages.media.sampling import evenly_spaced, evenly_spaced_indices


@pytest.mark.parametrize("total, count, expected", [
    (10, 4, [0, 3, 6, 9]), (10, 1, [0]), (3, 8, [0, 1, 2]), (0, 5, []), (6, 4, [0, 2, 3, 5]),
    (100, 8, [0, 14, 28, 42, 57, 71, 85, 99]),
])
def test_samples_are_even_and_hold_both_ends(total, count, expected):
    assert evenly_spaced(np.arange(total), count).tolist() == expected


def test_indices_include_both_ends_and_repeat_in_a_short_sequence():
    assert evenly_spaced_indices(17, 5).tolist() == [0, 4, 8, 12, 16]
    assert evenly_spaced_indices(2, 4).tolist() == [0, 0, 1, 1]
