"""Lossless video (FFV1 in Matroska) between stages, and the MP4 that the user gets. PyAV does the work.

A frame is an array (height, width, channels) uint8: RGB, RGBA, or grey without the last axis.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from stages import InputError
from stages.media import artifact_metadata
from stages.media.container import open_media
from stages.media.files import atomic_write, existing

_ARRAY = {"rgb": "rgb24", "rgba": "rgba", "gray": "gray"}
_FFV1 = {"rgb": "bgr0", "rgba": "bgra", "gray": "gray"}
_BITEXACT = {"fflags": "+bitexact"}  # no random identifiers or dates: the same frames give the same bytes


@contextmanager
def lossless(path: Path, fps: float, mode: str = "rgb", audio: Path | None = None, start: float = 0.0,
             metadata: dict[str, str] | None = None):
    """Gives a function that appends one frame to an FFV1 video at `path`; the file appears when all is done.

    mode: rgb, rgba or gray. audio: a file whose first audio stream, if any, goes along (as FLAC), from second
    `start` of that file's clock on, for as long as there are pictures. metadata: written into the file."""
    with atomic_write(path) as temporary, av.open(str(temporary), "w", options=_BITEXACT) as container:
        container.metadata.update((metadata or {}) | artifact_metadata.current())
        stream = container.add_stream("ffv1", rate=rate(fps))
        stream.pix_fmt = _FFV1[mode]
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        sound = copy_audio(container, audio, "flac", start) if audio else None

        with encoding(container, stream, path, _ARRAY[mode], sound) as append:
            yield append


@contextmanager
def h264(path: Path, fps: float, crf: int, metadata: dict[str, str], audio: Path | None = None,
         keys: int | None = None, bitrate: int | None = None):
    """Gives a function that appends one RGB frame to an H.264 yuv420p MP4; odd sizes lose their last row or
    column. `metadata` (title, comment, ...) is written into the file. keys: frames from one key frame to the next at
    most, for a video that is jumped about in. bitrate: bits/s at most, in the mean of a second."""
    options = {**_BITEXACT, "movflags": "+faststart+use_metadata_tags"}
    with atomic_write(path) as temporary, av.open(str(temporary), "w", options=options) as container:
        container.metadata.update(metadata | artifact_metadata.current())
        # mbtree: its approximate divisions are not always the same twice
        options = {"crf": str(crf), "threads": "2", "mbtree": "0", **({"g": str(keys)} if keys else {}),
                   **({"maxrate": str(bitrate), "bufsize": str(bitrate)} if bitrate else {})}
        stream = container.add_stream("libx264", rate=rate(fps), options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU601, ColorRange.MPEG
        sound = copy_audio(container, audio, "aac") if audio else None

        with encoding(container, stream, path, "rgb24", sound) as append:
            yield lambda frame: append(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])


@contextmanager
def encoding(container, stream, path: Path, array: str, sound):
    """Gives a function that appends one frame, of PyAV's format `array`, to a stream; then ends the stream and
    adds the sound, if any."""
    count = 0

    def append(frame: np.ndarray) -> None:
        nonlocal count
        count += 1
        if not stream.codec_context.is_open:
            stream.height, stream.width = frame.shape[:2]
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=array)
        container.mux(stream.encode(picture.reformat(format=stream.pix_fmt)))

    yield append
    if not stream.codec_context.is_open:
        raise InputError(f"{path}: no frames to write")
    container.mux(stream.encode())
    if sound:
        sound(count / float(stream.average_rate))


def copy_audio(container, path: Path, codec: str, start: float = 0.0):
    """Adds an audio stream like the first one of the file at `path`; gives a function that fills it with so many
    seconds once the pictures are written, or None where there is no audio. What was heard at `start` comes at 0."""
    with open_media(path) as source:
        if not source.streams.audio:
            return None
        sample_rate = source.streams.audio[0].rate
    target = container.add_stream(codec, rate=sample_rate)
    target.codec_context.flags |= av.codec.context.Flags.bitexact

    def fill(seconds: float) -> None:
        resampler = av.AudioResampler(target.format.name, target.layout.name, sample_rate, frame_size=256)
        with open_media(path) as source:
            for frame in chain(_sound(source, start, start + seconds), [None]):
                for piece in resampler.resample(frame):
                    piece.pts -= round(start * piece.sample_rate)
                    if 0 <= piece.pts < seconds * piece.sample_rate:
                        container.mux(target.encode(piece))
        container.mux(target.encode())

    return fill


def _sound(source, start: float, end: float) -> Iterator[av.AudioFrame]:
    """The file's audio about these seconds, as far as it can be decoded: a file that was cut off ends in a broken
    packet."""
    stream = source.streams.audio[0]
    if start > 2:
        source.seek(int((start - 1) / stream.time_base), stream=stream)
    try:
        for frame in source.decode(stream):
            if frame.time is not None and frame.time >= end:
                return
            yield frame
    except av.error.InvalidDataError:
        return


def frames(path: Path, mode: str = "rgb") -> Iterator[np.ndarray]:
    """The frames of a video that a stage wrote, in order, one at a time."""
    with open_media(existing(path, "a video; run the stage that writes it")) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format=_ARRAY[mode])


def pick(path: Path, indices: Iterable[int], mode: str = "rgb") -> dict[int, np.ndarray]:
    """The named frames of a video, by index."""
    wanted, found = set(indices), {}
    for index, frame in enumerate(frames(path, mode)):
        if index in wanted:
            found[index] = frame
        if len(found) == len(wanted):
            break
    return found


def frame_rate(path: Path) -> float:
    """Frames a second of a video that a stage wrote."""
    with open_media(existing(path, "a video; run the stage that writes it")) as container:
        return float(container.streams.video[0].average_rate)


def rate(fps: float) -> Fraction:
    """29.97 -> 30000/1001, 25.0 -> 25."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(float(ntsc) - fps) < 0.005 else Fraction(fps).limit_denominator(1000)
