"""The split of a video in time, and who may learn from it."""

import numpy as np
import pytest

from stages import InputError
from stages.media import clock, tables


@pytest.mark.parametrize("frames, fps, share, gap, counts", [
    (500, 25.0, 0.8, 1.0, (400, 25, 75)),
    (100, 10.0, 0.5, 0.0, (50, 0, 50)),
    (60, 5.0, 0.8, 1.0, (48, 5, 7)),
])
def test_training_comes_first_then_a_gap_then_the_test(frames, fps, share, gap, counts):
    parts, reason = clock.split(np.arange(frames) / fps, fps, share, gap)
    assert parts == ["train"] * counts[0] + ["gap"] * counts[1] + ["test"] * counts[2]
    assert reason is None


@pytest.mark.parametrize("frames, fps", [(100, 60.0), (15, 5.0), (3, 25.0)])
def test_a_short_video_is_not_split_and_says_why(tmp_path, frames, fps):
    parts, reason = clock.split(np.arange(frames) / fps, fps, 0.8, 1.0)
    assert parts == [None] * frames
    assert f"{frames} frames" in reason and "too short" in reason
    path = tmp_path / "clock.parquet"
    tables.write(path, tables.CLOCK, {"frame": np.arange(frames), "seconds": np.arange(frames) / fps, "split": parts},
                 {"file": "short.mp4", "split_reason": reason})
    read = clock.read_clock(path)
    assert read.usable().tolist() == list(range(frames))
    with pytest.raises(InputError, match="short.mp4.*too short"):
        read.training()
