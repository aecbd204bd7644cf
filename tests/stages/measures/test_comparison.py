"""Differences of two systems' scores, frame by frame."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import InputError
from stages.measures.comparison import differences
from stages.measures.intervals import intervals
from stages.measures.scoring import NAMES, PER_FRAME

FPS, FRAMES = 10.0, 80


def write(path, frames=range(FRAMES), **scores):
    """Scores of each frame; the other columns have none."""
    columns = {field.name: pa.nulls(len(frames), field.type) for field in PER_FRAME} | {"frame": list(frames)}
    columns |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in scores.items()}
    pq.write_table(pa.table(columns, PER_FRAME), path)
    return path


@pytest.fixture
def hard():
    """How hard the frames are: it goes up and down a lot more than two systems differ."""
    rng = np.random.default_rng(1)
    return 25 + 5 * np.sin(np.arange(FRAMES) / 9) + rng.normal(0, 0.1, FRAMES), rng.normal(0, 0.1, FRAMES)


def test_a_small_difference_shows_where_both_had_the_same_frames(tmp_path, hard):
    easy, noise = hard
    first, second = write(tmp_path / "a", psnr=easy + 0.3), write(tmp_path / "b", psnr=easy + noise)
    found, low, high = differences(first, second, FPS)["psnr"]
    assert found == pytest.approx(0.3 - noise.mean()) and 0 < low < found < high
    alone = intervals(np.stack([easy + 0.3, easy + noise], 1), FPS)
    assert alone[0, 0] < alone[1, 1]  # unpaired, the two intervals overlap
    back = differences(second, first, FPS)["psnr"]
    assert back == pytest.approx((-found, -high, -low))


def test_only_frames_that_both_have_count_and_scores_that_none_has_are_left_out(tmp_path, hard):
    easy, noise = hard
    there = easy.copy()
    there[::2] = np.nan
    first, second = write(tmp_path / "a", psnr=easy, ssim=easy / 40), write(tmp_path / "b", psnr=there + noise)
    found = differences(first, second, FPS)
    assert list(found) == ["psnr"] and set(found) < set(NAMES)
    assert found["psnr"][0] == pytest.approx(-noise[1::2].mean())


def test_too_few_frames_have_no_interval(tmp_path):
    files = [write(tmp_path / name, range(5), psnr=[1.0 * shift] * 5) for shift, name in ((2, "a"), (1, "b"))]
    assert differences(*files, FPS)["psnr"] == (1.0, None, None)


def test_scores_of_other_frames_are_refused(tmp_path, hard):
    first, second = write(tmp_path / "a", psnr=hard[0]), write(tmp_path / "b", range(1, FRAMES + 1), psnr=hard[0])
    with pytest.raises(InputError, match="the transfer has changed: evaluate again"):
        differences(first, second, FPS)
    with pytest.raises(InputError, match="not found; expected scores"):
        differences(first, tmp_path / "none", FPS)
