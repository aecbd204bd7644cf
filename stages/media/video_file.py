"""Reads and writes video with PyAV: lossless (FFV1 in Matroska) between stages, H.264 (MP4) for the user.

A frame is an array (height, width, channels) uint8: RGB, RGBA, or grey without the last axis.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from stages import InputError
from stages.media import artifact_metadata, yuv
from stages.media.colour import EXACT
from stages.media.container import open_media
from stages.media.files import atomic_write, existing

_ARRAY = {"rgb": "rgb24", "rgba": "rgba", "gray": "gray"}
_FFV1 = {"rgb": "bgr0", "rgba": "bgra", "gray": "gray"}
_BITEXACT = {"fflags": "+bitexact"}  # no random identifiers or dates, so that the same frames give the same bytes


@contextmanager
def lossless(path: Path, fps: float, mode: str = "rgb", audio: Path | None = None, start: float = 0.0,
             metadata: dict[str, str] | None = None):
    """Yields a function that appends one frame to an FFV1 video. The file appears at `path` when the context ends.

    mode: rgb, rgba or gray. audio: a file whose first audio stream, if any, is added as FLAC, from second `start` of
    that file's clock on and as long as the video. metadata: written into the file."""
    with atomic_write(path) as temporary, av.open(str(temporary), "w", options=_BITEXACT) as container:
        container.metadata.update((metadata or {}) | artifact_metadata.current())
        stream = container.add_stream("ffv1", rate=rate(fps))
        stream.pix_fmt = _FFV1[mode]
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        fill_audio = copy_audio(container, audio, "flac", start) if audio else None

        def convert(frame: np.ndarray) -> av.VideoFrame:
            return av.VideoFrame.from_ndarray(frame, format=_ARRAY[mode]).reformat(format=_FFV1[mode])

        with encoding(container, stream, path, convert, fill_audio) as append:
            yield append


@contextmanager
def h264(path: Path, fps: float, crf: int, metadata: dict[str, str], audio: Path | None = None,
         keyframe_interval: int | None = None, max_bitrate: int | None = None):
    """Yields a function that appends one RGB frame to an H.264 yuv420p MP4. Odd sizes lose the last row or column.

    metadata: title, comment, ..., written into the file. audio: as for `lossless`, as AAC. keyframe_interval: maximum
    in frames, for videos that are searched. max_bitrate: in bits/s, averaged over a second."""
    options = {**_BITEXACT, "movflags": "+faststart+use_metadata_tags"}
    with atomic_write(path) as temporary, av.open(str(temporary), "w", options=options) as container:
        container.metadata.update(metadata | artifact_metadata.current())
        # mbtree=0: with it, the output is not always reproducible
        options = {"crf": str(crf), "threads": "2", "mbtree": "0",
                   **({"g": str(keyframe_interval)} if keyframe_interval else {}),
                   **({"maxrate": str(max_bitrate), "bufsize": str(max_bitrate)} if max_bitrate else {})}
        stream = container.add_stream("libx264", rate=rate(fps), options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.colorspace, stream.codec_context.color_range = Colorspace.ITU601, ColorRange.MPEG
        fill_audio = copy_audio(container, audio, "aac") if audio else None

        with encoding(container, stream, path, yuv.from_rgb, fill_audio) as append:
            yield lambda frame: append(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])


@contextmanager
def encoding(container, stream, path: Path, convert: Callable[[np.ndarray], av.VideoFrame], fill_audio):
    """Yields a function that appends one frame to a stream. convert: makes a frame of the stream's pixel format. At the
    end, finishes the stream and calls `fill_audio`, if given, with the duration in seconds."""
    count = 0

    def append(frame: np.ndarray) -> None:
        nonlocal count
        count += 1
        if not stream.codec_context.is_open:
            stream.height, stream.width = frame.shape[:2]
        container.mux(stream.encode(convert(np.ascontiguousarray(frame))))

    yield append
    if not stream.codec_context.is_open:
        raise InputError(f"{path}: no frames to write")
    container.mux(stream.encode())
    if fill_audio:
        fill_audio(count / float(stream.average_rate))


def copy_audio(container, path: Path, codec: str, start: float = 0.0):
    """Adds an audio stream like the first one of the file at `path`. Returns a function that fills it with a number of
    seconds after the frames are written; None if the file has no audio. The sound at `start` is moved to 0."""
    with open_media(path) as source:
        if not source.streams.audio:
            return None
        sample_rate = source.streams.audio[0].rate
    target = container.add_stream(codec, rate=sample_rate)
    target.codec_context.flags |= av.codec.context.Flags.bitexact

    def fill(seconds: float) -> None:
        resampler = av.AudioResampler(target.format.name, target.layout.name, sample_rate, frame_size=256)
        with open_media(path) as source:
            for frame in chain(_audio_frames(source, start, start + seconds), [None]):
                for piece in resampler.resample(frame):
                    piece.pts -= round(start * piece.sample_rate)
                    if 0 <= piece.pts < seconds * piece.sample_rate:
                        container.mux(target.encode(piece))
        container.mux(target.encode())

    return fill


def _audio_frames(source, start: float, end: float) -> Iterator[av.AudioFrame]:
    """The audio from about `start` to `end` seconds. Ends early at damage: truncated files end with a broken packet."""
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
    """The frames of a video written by a stage, one at a time."""
    with open_media(existing(path, "a video; run the stage that writes it")) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            yield frame.to_ndarray(format=_ARRAY[mode], interpolation=Interpolation.BILINEAR | EXACT)


def pick(path: Path, indices: Iterable[int], mode: str = "rgb") -> dict[int, np.ndarray]:
    """Frames of a video by index, as a dict; missing indices are left out."""
    wanted, found = set(indices), {}
    for index, frame in enumerate(frames(path, mode)):
        if index in wanted:
            found[index] = frame
        if len(found) == len(wanted):
            break
    return found


def frame_rate(path: Path) -> float:
    """Frames per second of a video written by a stage."""
    with open_media(existing(path, "a video; run the stage that writes it")) as container:
        return float(container.streams.video[0].average_rate)


def rate(fps: float) -> Fraction:
    """The exact frame rate: 29.97 -> 30000/1001, 25.0 -> 25."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(float(ntsc) - fps) < 0.005 else Fraction(fps).limit_denominator(1000)
