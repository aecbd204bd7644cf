"""The split of a video into training and test frames."""

import numpy as np
import pytest

from stages import InputError
from stages.media import timeline, parquet


@pytest.mark.parametrize("frames, fps, share, gap, counts", [
    (500, 25.0, 0.8, 1.0, (400, 25, 75)),
    (100, 10.0, 0.5, 0.0, (50, 0, 50)),
    (60, 5.0, 0.8, 1.0, (48, 5, 7)),
])
def test_training_then_gap_then_test(frames, fps, share, gap, counts):
    parts, reason = timeline.split(np.zeros(frames, int), fps, share, gap)
    assert parts == ["train"] * counts[0] + ["gap"] * counts[1] + ["test"] * counts[2]
    assert reason is None


def test_the_last_of_several_takes_is_split():
    take = np.repeat([0, 1, 2], [30, 50, 100])
    parts, reason = timeline.split(take, 10.0, 0.8, 1.0)
    assert parts == ["train"] * 160 + ["gap"] * 10 + ["test"] * 10 and reason is None
    parts, reason = timeline.split(take[:-90], 10.0, 0.8, 1.0)
    assert parts == [None] * 90 and "10 frames (1.0 s) in the last of 3 takes are too short" in reason


@pytest.mark.parametrize("frames, fps", [(100, 60.0), (15, 5.0), (3, 25.0)])
def test_a_short_video_is_not_split(tmp_path, frames, fps):
    parts, reason = timeline.split(np.zeros(frames, int), fps, 0.8, 1.0)
    assert parts == [None] * frames
    assert f"{frames} frames" in reason and "too short" in reason
    path = tmp_path / "timeline.parquet"
    columns = {"frame": np.arange(frames), "seconds": np.arange(frames) / fps, "split": parts, "take": [0] * frames}
    parquet.write(path, parquet.TIMELINE, columns, {"file": "short.mp4", "split_reason": reason})
    read = timeline.read_timeline(path)
    assert read.usable().tolist() == list(range(frames))
    with pytest.raises(InputError, match="short.mp4.*too short"):
        read.training_frames()
