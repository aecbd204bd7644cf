"""The comparison video shows the frames that are scored."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.imaging import image_quality
from stages.media import video_file
from stages.reporting import comparison_video
from tests.stages import toy
from tests.stages.reporting import made

TRUTH = 3  # the quarter of the truth or, without one, of the training frame whose pose is nearest


def quarter(folder, key: str) -> list[np.ndarray]:
    return [quarters[TRUTH] for quarters, _ in comparison_video.quarter_pictures(made.inputs(folder, key), toy.SIZE)]


def test_the_retrieved_frame_that_is_shown_is_the_one_that_is_scored(folder, monkeypatch):
    """Of two transfers with the same frames, one has a truth, and the other shows retrieved frames in its place."""
    monkeypatch.chdir(folder)
    scores = pq.read_table(folder / "artifacts/ann_from_bob/per_frame.parquet").to_pydict()
    copies, truths = quarter(folder, "ann_like_bob"), quarter(folder, "ann_from_bob")
    reached = [image_quality.psnr(copy, truth) for copy, truth in zip(copies, truths, strict=True)]
    assert reached == pytest.approx(scores["retrieval_psnr"])
    known = video_file.pick(folder / "artifacts/ann/frames.mkv", sorted(set(scores["retrieval_frame"])))
    assert all(np.array_equal(copy, known[row]) for copy, row in zip(copies, scores["retrieval_frame"], strict=True))
