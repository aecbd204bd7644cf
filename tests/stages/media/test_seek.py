"""Random access gives the same frames as sequential reading."""

import numpy as np
import pytest

from stages import InputError
from stages.media import seek, video_file


@pytest.fixture(scope="module", params=[25.0, 29.97, 5.0])
def clip(request, tmp_path_factory):
    """50 frames; all pixels of frame i have the value i."""
    path = tmp_path_factory.mktemp("seek") / "clip.mkv"
    with video_file.lossless(path, request.param) as add:
        for i in range(50):
            add(np.full((16, 16, 3), i, np.uint8))
    return path


def test_any_order(clip):
    with seek.SeekableVideo(clip) as frames:
        for i in (30, 5, 49, 0, 0, 12, 11, 48):
            assert (frames[i] == i).all()


@pytest.mark.parametrize("kept", [1, 5])
def test_frames_dropped_from_the_cache_are_decoded_again(clip, kept, monkeypatch):
    monkeypatch.setattr(seek, "KEPT", kept * 16 * 16 * 3)
    with seek.SeekableVideo(clip) as frames:
        for i in (0, 1, 2, 9, 3, 30, 31, 29, 49, 48, 0, 0, 13, 25):
            assert (frames[i] == i).all()
            assert len(frames._kept) <= kept


def test_a_missing_frame(clip):
    with seek.SeekableVideo(clip) as frames:
        for _ in range(2):
            with pytest.raises(InputError, match="no frame 50"):
                frames[50]
        assert (frames[49] == 49).all()


@pytest.mark.parametrize("rows, found", [([0, 1], [0, 1]), ([2, 4], [2, 4]), ([], [])])
def test_select_frames(rows, found):
    frames = (np.full((2, 2, 3), i) for i in range(5))
    assert [frame[0, 0, 0] for frame in seek.select_frames(frames, np.array(rows), "x.mp4")] == found


def test_select_frames_rejects_a_short_video():
    frames = (np.full((2, 2, 3), i) for i in range(5))
    with pytest.raises(InputError, match="x.mp4: has 5 frames"):
        list(seek.select_frames(frames, np.array([3, 7]), "x.mp4"))
