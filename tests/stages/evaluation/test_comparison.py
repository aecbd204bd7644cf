"""Paired differences of two systems' scores."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from stages import InputError
from stages.evaluation.comparison import combined_intervals, differences, half_width, seed_difference
from stages.evaluation.confidence_intervals import bootstrap_intervals
from stages.evaluation.scoring import FRAME_SCORES, PER_FRAME

FPS, FRAMES = 10.0, 80


def write(path, frames=range(FRAMES), **scores):
    """Scores of each frame; the other columns have none."""
    columns = {field.name: pa.nulls(len(frames), field.type) for field in PER_FRAME} | {"frame": list(frames)}
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in scores.items()}
    pq.write_table(pa.table(columns, PER_FRAME), path)
    return path


@pytest.fixture
def series():
    """Scores of one system, which vary over the frames much more than two systems differ; and noise."""
    rng = np.random.default_rng(1)
    return 25 + 5 * np.sin(np.arange(FRAMES) / 9) + rng.normal(0, 0.1, FRAMES), rng.normal(0, 0.1, FRAMES)


def test_a_small_difference_is_found_by_pairing_frames(tmp_path, series):
    base, noise = series
    first, second = write(tmp_path / "a", psnr=base + 0.3), write(tmp_path / "b", psnr=base + noise)
    found, low, high = differences([(first, second)], FPS)["psnr"]
    assert found == pytest.approx(0.3 - noise.mean()) and 0 < low < found < high
    alone = bootstrap_intervals(np.stack([base + 0.3, base + noise], 1), FPS)
    assert alone[0, 0] < alone[1, 1]  # unpaired, the two intervals overlap
    back = differences([(second, first)], FPS)["psnr"]
    assert back == pytest.approx((-found, -high, -low))


def test_frames_and_scores_that_one_lacks_are_left_out(tmp_path, series):
    base, noise = series
    there = base.copy()
    there[::2] = np.nan
    first, second = write(tmp_path / "a", psnr=base, ssim=base / 40), write(tmp_path / "b", psnr=there + noise)
    found = differences([(first, second)], FPS)
    assert list(found) == ["psnr"] and set(found) < set(FRAME_SCORES)
    assert found["psnr"][0] == pytest.approx(-noise[1::2].mean())


def test_too_few_frames_have_no_interval(tmp_path):
    files = [write(tmp_path / name, range(5), psnr=[1.0 * shift] * 5) for shift, name in ((2, "a"), (1, "b"))]
    assert differences([tuple(files)], FPS)["psnr"] == (1.0, None, None)


def test_scores_of_other_frames_are_rejected(tmp_path, series):
    first, second = write(tmp_path / "a", psnr=series[0]), write(tmp_path / "b", range(1, FRAMES + 1), psnr=series[0])
    with pytest.raises(InputError, match="the transfer has changed: evaluate again"):
        differences([(first, second)], FPS)
    with pytest.raises(InputError, match="not found; expected scores"):
        differences([(first, tmp_path / "none")], FPS)


SEEDS = [0.3, 0.5, 0.1]


def test_differences_of_seeds_follow_the_paired_t_test():
    other = np.array([25.0, 24.0, 26.0])
    expected = stats.ttest_rel(other + SEEDS, other).confidence_interval(0.95)
    assert seed_difference(SEEDS) == pytest.approx((0.3, *expected))
    assert seed_difference([0.3]) == (0.3, None, None) and np.isnan(half_width([0.3]))


def test_seeds_are_compared_pairwise(tmp_path, series):
    """All frames of a seed differ by the same amount, so only the spread of the seeds remains."""
    pairs = [(write(tmp_path / f"a{n}", psnr=series[0] + 3 * n + shift), write(tmp_path / f"b{n}", psnr=series[0] + 3 * n))
             for n, shift in enumerate(SEEDS)]
    assert differences(pairs, FPS)["psnr"] == pytest.approx(seed_difference(SEEDS))
    pairs.append((write(tmp_path / "c", range(40), psnr=series[0][:40]),) * 2)
    with pytest.raises(InputError, match="other seeds are not of the same frames"):
        differences(pairs, FPS)


def test_the_interval_of_seeds_and_frames_covers_the_truth():
    """In 300 comparisons of three seeds on 80 frames, in which seeds and frames vary to a similar degree and the true
    difference is 0. The interval over frames alone ignores the seeds and contains 0 far less often."""
    draw = np.random.default_rng(4)
    frames = draw.normal(size=(1, 16, 300)).repeat(5, 1)  # as many blocks of half a second
    values = 0.25 * draw.normal(size=(3, 1, 300)) + frames + draw.normal(size=(3, 80, 300))
    holds = lambda ends: ((ends[:, 0] < 0) & (ends[:, 1] > 0)).mean()
    assert 0.93 <= holds(combined_intervals(values, FPS)) <= 1 and holds(bootstrap_intervals(values[0], FPS)) < 0.85


def test_a_score_that_a_seed_lacks_in_a_frame_is_left_out_for_all():
    values = np.full((2, 80, 1), 1.0)
    values[1, :40], values[0, 40:60] = np.nan, 5.0
    assert np.isfinite(combined_intervals(values, FPS)).all()
    too_short = combined_intervals(values[:, :10], FPS)
    assert too_short.shape == (1, 2) and np.isnan(too_short).all()
