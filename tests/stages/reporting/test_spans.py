import numpy as np
import pytest

from stages.reporting.spans import longest, spans, worst_frames

NAN = float("nan")


@pytest.mark.parametrize("frames, wanted", [
    ([], []),
    ([4], [(4, 4)]),
    ([0, 1, 2, 9, 10], [(0, 2), (9, 10)]),
    ([0, 5, 11], [(0, 5), (11, 11)]),  # gaps of four frames are closed, gaps of five are not
])
def test_spans(frames, wanted):
    assert spans(frames) == wanted


def test_the_longest_spans_keep_their_order():
    assert longest([(0, 1), (10, 30), (40, 40), (50, 59)], most=2) == [(10, 30), (50, 59)]
    assert longest([(0, 1)], most=2) == [(0, 1)]


def test_worst_frames_come_first_and_have_a_minimum_distance():
    badness = np.array([0, 9, 8, 1, 1, 1, 7, 1, NAN, 2])
    assert worst_frames(badness, 3, 2) == [1, 6, 9]
    assert worst_frames(badness, 9, 0) == [1, 2, 6, 9, 3, 4, 5, 7, 0]  # equal ones in their order; NaN is left out
    assert worst_frames(np.full(4, NAN), 3, 1) == []
