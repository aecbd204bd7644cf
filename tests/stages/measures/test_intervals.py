"""The moving-block bootstrap: known spreads, frames that resemble each other, and what is too short."""

import numpy as np
import pytest

from stages.measures.intervals import intervals


def series(frames, memory, seed=0, count=1):
    """Autoregressive, of mean 0 and variance 1."""
    draw = np.random.default_rng(seed)
    out = draw.normal(size=(frames, count))
    for t in range(1, frames):
        out[t] = memory * out[t - 1] + np.sqrt(1 - memory**2) * out[t]
    return out


def test_of_independent_frames_it_is_the_normal_one():
    values = series(4000, 0.0)
    low, high = intervals(values, 25.0)[0]
    half = 1.96 / np.sqrt(4000)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_it_covers_the_truth_where_frames_resemble_each_other():
    """Of 200 videos of frames with a memory, about 95 % of intervals hold the true mean; an interval that took the
    frames for independent would hold it in about 60 %."""
    found = intervals(series(2000, 0.8, count=200), 50.0)
    held = ((found[:, 0] < 0) & (found[:, 1] > 0)).mean()
    assert 0.87 <= held <= 0.99


def test_frames_without_a_value_are_left_out():
    values = series(800, 0.5, seed=2, count=2)
    values[::3, 0] = np.nan
    low, high = intervals(values, 25.0)[0]
    assert low < np.nanmean(values[:, 0]) < high


@pytest.mark.parametrize("values, fps", [
    (np.zeros((1, 1)), 25.0),
    (np.zeros((47, 1)), 24.0),              # 4 blocks of 12 frames are 48
    (np.full((100, 1), np.nan), 25.0),
])
def test_too_little_has_no_interval(values, fps):
    assert np.isnan(intervals(values, fps)).all()


def test_the_shortest_that_has_one():
    assert np.isfinite(intervals(series(48, 0.5), 24.0)).all()


def test_the_same_twice_and_whatever_stands_beside():
    values = series(300, 0.5, count=3)
    assert np.array_equal(intervals(values, 25.0), intervals(values, 25.0))
    assert intervals(values[:, :1], 25.0)[0] == pytest.approx(intervals(values, 25.0)[0])


def test_a_constant_has_an_interval_of_no_width():
    assert intervals(np.full((100, 1), 7.0), 25.0)[0] == pytest.approx([7, 7])
