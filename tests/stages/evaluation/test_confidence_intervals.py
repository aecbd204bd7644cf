"""Bootstrap and jackknife: known spreads, correlated frames, and videos that are too short."""

import numpy as np
import pytest

from stages.evaluation.confidence_intervals import bootstrap_intervals, jackknife_half_width


def series(frames, memory, seed=0, count=1):
    """Autoregressive, of mean 0 and variance 1."""
    draw = np.random.default_rng(seed)
    out = draw.normal(size=(frames, count))
    for t in range(1, frames):
        out[t] = memory * out[t - 1] + np.sqrt(1 - memory**2) * out[t]
    return out


def test_independent_frames_have_the_normal_interval():
    values = series(4000, 0.0)
    low, high = bootstrap_intervals(values, 25.0)[0]
    half = 1.96 / np.sqrt(4000)
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_intervals_of_correlated_frames_cover_the_truth():
    """Of 200 videos with correlated frames, about 95 % of the intervals contain the true mean. Intervals for
    independent frames would contain it in about 60 %."""
    found = bootstrap_intervals(series(2000, 0.8, count=200), 50.0)
    held = ((found[:, 0] < 0) & (found[:, 1] > 0)).mean()
    assert 0.87 <= held <= 0.99


def test_frames_without_a_value_are_left_out():
    values = series(800, 0.5, seed=2, count=2)
    values[::3, 0] = np.nan
    low, high = bootstrap_intervals(values, 25.0)[0]
    assert low < np.nanmean(values[:, 0]) < high


@pytest.mark.parametrize("values, fps", [
    (np.zeros((1, 1)), 25.0),
    (np.zeros((47, 1)), 24.0),              # 4 blocks of 12 frames are 48
    (np.full((100, 1), np.nan), 25.0),
])
def test_too_few_frames_have_no_interval(values, fps):
    assert np.isnan(bootstrap_intervals(values, fps)).all()


def test_the_shortest_video_with_an_interval():
    assert np.isfinite(bootstrap_intervals(series(48, 0.5), 24.0)).all()


def test_intervals_are_deterministic_and_do_not_depend_on_other_scores():
    values = series(300, 0.5, count=3)
    assert np.array_equal(bootstrap_intervals(values, 25.0), bootstrap_intervals(values, 25.0))
    assert bootstrap_intervals(values[:, :1], 25.0)[0] == pytest.approx(bootstrap_intervals(values, 25.0)[0])


def test_a_constant_has_an_interval_of_no_width():
    assert bootstrap_intervals(np.full((100, 1), 7.0), 25.0)[0] == pytest.approx([7, 7])


def test_the_jackknife_of_a_mean_gives_its_interval():
    values = series(4000, 0.0)[:, 0]
    half = jackknife_half_width(lambda kept: values[kept].mean(), 4000, 25.0)
    assert half == pytest.approx(2.09 / np.sqrt(4000), rel=0.4)  # 20 blocks give the standard deviation to a sixth


def test_the_jackknife_covers_statistics_that_depend_on_the_number_of_frames():
    """The sum of squared means of 40 correlated features, which is larger for fewer frames."""
    def statistic(values):
        return lambda kept: (values[kept].mean(0) ** 2).sum()

    films = [series(200, 0.5, seed, 40) + 0.3 for seed in range(60)]
    found = np.array([statistic(film)(np.arange(200)) for film in films])
    halves = np.array([jackknife_half_width(statistic(film), 200, 20.0) for film in films])
    assert 0.87 <= (abs(found - found.mean()) < halves).mean() and halves.mean() < 4 * found.std()


@pytest.mark.parametrize("frames, known", [(39, False), (40, True), (1000, True)])
def test_too_few_blocks_for_the_jackknife(frames, known):
    kept = []
    half = jackknife_half_width(lambda rows: kept.append(len(rows)) or float(rows.sum()), frames, 20.0)
    assert np.isfinite(half) == known and len(kept) == (min(20, frames // 10) if known else 0)
    assert all(frames - 51 <= count < frames for count in kept)


def test_at_less_than_two_frames_a_second_no_block_is_empty():
    values = series(12, 0.0)[:, 0]
    kept = []
    jackknife_half_width(lambda rows: kept.append(len(rows)) or values[rows].mean(), 12, 1.0)
    assert kept == [11] * 12
