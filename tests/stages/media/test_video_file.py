"""Lossless video is lossless and reproducible; sound, key frames and bitrate of written video."""

from fractions import Fraction

import av
import numpy as np
import pytest

from stages import InputError
from stages.media import video_file


def noise(*shape: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8))


def write_tone(path, seconds: float) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        samples = (np.sin(np.arange(int(16000 * seconds)) * 0.1) * 8000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("mode, channels", [("rgb", (3,)), ("rgba", (4,)), ("gray", ())])
@pytest.mark.parametrize("fps", [25.0, 29.97, 5.0])
def test_lossless_video_is_exact_and_reproducible(tmp_path, mode, channels, fps):
    frames = noise(33, 48, *channels)
    for name in ("a.mkv", "b.mkv"):
        with video_file.lossless(tmp_path / name, fps, mode) as append:
            for frame in frames:
                append(frame)
    assert all(np.array_equal(a, b) for a, b in zip(video_file.frames(tmp_path / "a.mkv", mode), frames, strict=True))
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    assert video_file.frame_rate(tmp_path / "a.mkv") == pytest.approx(fps, rel=1e-3)


def test_sound_is_copied(tmp_path):
    write_tone(tmp_path / "tone.mkv", 0.5)
    with video_file.lossless(tmp_path / "a.mkv", 8, audio=tmp_path / "tone.mkv") as append:
        for frame in noise(32, 32, 3):
            append(frame)
    with video_file.h264(tmp_path / "a.mp4", 8, 18, {"comment": "AI-generated"}, audio=tmp_path / "a.mkv") as append:
        for frame in noise(32, 32, 3):
            append(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"] == "AI-generated"
        assert container.streams.video[0].codec.name == "h264" and container.streams.video[0].pix_fmt == "yuv420p"
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 16000
    assert seconds == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("keys, most", [(None, 12), (3, 3)])
def test_keyframe_interval(tmp_path, keys, most):
    with video_file.h264(tmp_path / "a.mp4", 25, 30, {}, keyframe_interval=keys) as append:
        for t in range(12):
            append(np.full((32, 32, 3), 10 * t, np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        found = [t for t, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert np.diff([*found, 12]).max() <= most and (keys or found == [0])


def test_an_error_while_writing_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), video_file.lossless(tmp_path / "a.mkv", 25) as append:
        append(noise(16, 16, 3)[0])
        raise RuntimeError
    with pytest.raises(InputError, match="no frames"), video_file.lossless(tmp_path / "a.mkv", 25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_pick_finds_frames_by_index(tmp_path):
    frames = noise(16, 16, 3)
    with video_file.lossless(tmp_path / "a.mkv", 25) as append:
        for frame in frames:
            append(frame)
    found = video_file.pick(tmp_path / "a.mkv", [3, 1])
    assert sorted(found) == [1, 3] and np.array_equal(found[3], frames[3])


def test_max_bitrate(tmp_path):
    rng, sizes = np.random.default_rng(0), {}
    for name, bitrate in (("free", None), ("bound", 100_000)):
        with video_file.h264(tmp_path / f"{name}.mp4", 25, 23, {}, max_bitrate=bitrate) as show:
            for _ in range(50):
                show(rng.integers(0, 256, (64, 64, 3), np.uint8))
        sizes[name] = 8 * (tmp_path / f"{name}.mp4").stat().st_size  # bits in two seconds
    assert sizes["bound"] < 3.5 * 100_000 < sizes["free"]  # and the buffer's second
