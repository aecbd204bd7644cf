"""Reads the user's footage: any video file that PyAV can decode, or a folder of images, as upright RGB images at a
constant frame rate.

Frames are selected by presentation time. A variable frame rate, missing frames, a wrong duration and a late start are
therefore handled correctly. Rotation metadata and non-square pixels are taken into account. Frames are read one at a
time and converted to RGB only on request. Outside of a selected range nothing is decoded, except to reach its first key
frame.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from stages import InputError
from stages.media import colour
from stages.media.decoding import TimedFrame, VideoDecoder
from stages.media.images import IMAGES, ImageFrame, fit_within, list_images
from stages.media.prefetch import ordered_map
from stages.media.video_file import rate

IMAGE_FPS = 25.0    # default for a folder of images
MIN_FRAMES = 3      # the pose window of the generator
RATES = 0.1, 1000.0  # plausible frame rates, frames/s
MAX_GAP = 60.0      # seconds between two frames
MAX_BROKEN = 0.05   # share of frames that may fail to decode


class DecodedFrame:
    """A frame of a video file."""

    def __init__(self, frame: av.VideoFrame, aspect: Fraction):
        self._frame, self._aspect = frame, aspect

    def picture(self) -> np.ndarray:
        """RGB (H, W, 3) uint8, upright, with square pixels."""
        picture = self._upright(colour.rgb(self._frame))
        if self._aspect == 1:
            return picture
        return cv2.resize(picture, self._size(), interpolation=cv2.INTER_CUBIC)

    def thumbnail(self, longest: int) -> np.ndarray:
        """The picture reduced to at most `longest` pixels on its longer side. Faster than resizing `picture()`: each
        pixel is the mean of at least four samples of the frame."""
        size, twice = (fit_within(self._size(), most) for most in (longest, 2 * longest))
        if size == self._size():
            return self.picture()
        samples = self._upright(colour.rgb(self._frame, twice[::-1] if self._quarter_turns() % 2 else twice))
        return cv2.resize(samples, size, interpolation=cv2.INTER_AREA)

    def _quarter_turns(self) -> int:
        return round(self._frame.rotation / 90) % 4

    def _upright(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(picture, self._quarter_turns()))

    def _size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        width, height = max(1, round(self._frame.width * self._aspect)), self._frame.height
        return (height, width) if self._quarter_turns() % 2 else (width, height)


@dataclass
class Footage:
    """`frames()` yields the frames, and records damage of the file in `remarks`."""

    path: Path
    fps: float
    audio: bool                     # whether the file has an audio stream
    start: float                    # seconds of the first frame on the file's own clock
    aspect: Fraction = Fraction(1)  # of a pixel, before rotation
    begin: float = 0.0              # seconds of the first frame
    end: float | None = None        # seconds of the end of the range; None: end of the file
    remarks: dict = field(default_factory=dict)  # for the user: `assumed_fps`, `damaged`
    opened: tuple[VideoDecoder, Iterator[TimedFrame]] | None = field(default=None, repr=False)  # for the first call

    def frames(self) -> Iterator[DecodedFrame | ImageFrame]:
        if self.path.is_dir():
            yield from self._images()
            return
        decoder, frames = self.opened or _open_decoder(self.path, self.start if self.begin else None)
        self.opened, length = None, None if self.end is None else self.end - self.begin
        with closing(frames):
            for frame in _resampled(self._without_gaps(frames, length), self.fps, self.start, length):
                yield DecodedFrame(frame, self.aspect)
        self._report_damage(decoder)

    def pictures(self) -> Iterator[np.ndarray]:
        """The pictures of all frames, converted in threads."""
        return ordered_map(lambda frame: frame.picture(), self.frames())

    def _without_gaps(self, frames: Iterator[TimedFrame], length: float | None) -> Iterator[TimedFrame]:
        """The same frames. Raises InputError at a gap so long that the file's timestamps must be wrong."""
        last, end = None, np.inf if length is None else self.start + length
        for time, frame in frames:
            if last is not None and min(time, end) > last + MAX_GAP:
                at, until = (f"{moment - self.start + self.begin:.2f}" for moment in (last, time))
                raise InputError(f"{self.path}: no frame from {at} to {until} s, more than {MAX_GAP:g} s; the file is "
                                 "damaged, or nothing moves: copy or export it again, or select a range: start, end")
            last = time
            yield time, frame

    def _images(self) -> Iterator[ImageFrame]:
        files, first = list_images(self.path), None
        last = None if self.end is None else round(self.end * self.fps)
        for file in files[round(self.begin * self.fps) : last]:
            frame = ImageFrame(file, first)
            if first is None:
                frame.picture()
                first = frame
            yield frame

    def _report_damage(self, decoder: VideoDecoder) -> None:
        """Adds skipped frames to `remarks`. Raises InputError if there are too many."""
        skipped, cut_off = decoder.skipped, (decoder.promised or 0) > decoder.count + len(decoder.skipped)
        if not skipped and not (cut_off and self.end is None):
            return
        total, times = decoder.count + len(skipped), [round(time - self.start + self.begin, 3) for time in skipped]
        self.remarks["damaged"] = {"decoded": decoder.count, "promised": decoder.promised, "broken": len(skipped),
                                   "skipped": times}
        if len(skipped) > MAX_BROKEN * total:
            shown = ", ".join(f"{time:.2f}" for time in times[:8]) + ", ..." * (len(times) > 8)
            raise InputError(
                f"{self.path}: {len(skipped)} of {total} frames cannot be decoded, at {shown} s; at most "
                f"{MAX_BROKEN:.0%} may be skipped. Copy or export it again, or select a range without them: start, end")


def open_footage(file: str | Path, fps: float | None, start: float | None = None, end: float | None = None) -> Footage:
    """Opens a video file or a folder of images. `fps`: frames per second, None for the video's average. `start`, `end`:
    a range in seconds from the file's first frame. Raises InputError if nothing can be read."""
    path = Path(file)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a video file or a folder of images")
    if path.is_dir():
        if not (files := list_images(path)):
            raise InputError(f"{path}: no images in this folder; expected files named {', '.join(sorted(IMAGES))}")
        film = Footage(path, fps or IMAGE_FPS, False, 0.0, remarks={} if fps else {"assumed_fps": IMAGE_FPS})
        film.end, length = end, len(files) / film.fps
    else:
        film = _open_video(path, fps)
        film.end, length = end, _length(film, max(start or 0, end or 0)) if start or end else np.inf
    if (start or 0) >= length or (end or 0) > length + 1 / film.fps:
        raise InputError(f"{path}: the range {start or 0:g} to {'the end' if end is None else f'{end:g}'} s is not in "
                         f"it: its length is {length:.2f} s; change start and end in params.yaml")
    if start:
        film.begin, film.start, film.opened = start, film.start + start, None
    return film


def _open_video(path: Path, fps: float | None) -> Footage:
    decoder, frames = _open_decoder(path)
    try:
        first = next(frames, None)
    except av.error.EOFError:
        first = None
    except av.FFmpegError as error:
        raise InputError(f"{path}: not a video that can be read, or cut off before its index ({error.strerror}); "
                         "expected a file that plays in a video player; download or export it again") from None
    if first is None:
        raise InputError(f"{path}: no frame can be decoded: the video is empty or cut off; export it again")
    if not fps and not decoder.rate:
        raise InputError(f"{path}: declares no frame rate; set frames.fps in params.yaml")
    if not fps and not RATES[0] <= decoder.rate <= RATES[1]:
        raise InputError(f"{path}: declares {float(decoder.rate):g} frames per second; expected {RATES[0]:g} to "
                         f"{RATES[1]:g}: set frames.fps in params.yaml")
    own = float(fps or rate(float(decoder.rate)))
    return Footage(path, own, decoder.has_audio, first[0], decoder.aspect, opened=(decoder, _prepended(first, frames)))


def _open_decoder(path: Path, since: float | None = None) -> tuple[VideoDecoder, Iterator[TimedFrame]]:
    decoder = VideoDecoder(path, since)
    return decoder, decoder.frames()


def _prepended(first: TimedFrame, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    yield first
    yield from frames  # unlike itertools.chain, closes `frames` when it is closed


def _length(film: Footage, seconds: float) -> float:
    """The length of the video in seconds; infinity if it has a frame `seconds` after the first one."""
    last = film.start
    for last, _ in VideoDecoder(film.path, film.start + seconds).frames():
        if last >= film.start + seconds:
            return np.inf
    return last - film.start + 1 / film.fps


def crop_square(picture: np.ndarray, crop: tuple[int, int, int], size: int) -> np.ndarray:
    """The square `crop` (left, top, side) of an image, resized to (size, size, 3). Outside of the image its border
    pixels are repeated."""
    left, top, side = (round(value) for value in crop)
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    borders = [max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)]
    cropped = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_REPLICATE)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cropped if side == size else cv2.resize(cropped, (size, size), interpolation=method)


def crop_to_frame(crop: list[float], size: int) -> np.ndarray:
    """The affine map (2, 3) from a size x size image of the square `crop` (left, top, side) to the full frame. It uses
    OpenCV's coordinates, whose origin is a pixel centre, while that of `crop` is a pixel corner."""
    left, top, side = crop
    scale = side / size  # frame pixels per crop pixel
    return np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2]])


def _resampled(frames: Iterator[TimedFrame], fps: float, start: float, length: float | None) -> Iterator[av.VideoFrame]:
    """For n = 0, 1, ... the frame nearest in time to start + n / fps, up to `length` seconds or the last frame."""
    step, n, before = 1 / fps, 0, None
    for time, frame in frames:
        while before is not None and n * step < (before[0] + time) / 2 - start:
            if length is not None and n * step >= length - 1e-9:
                return
            yield before[1]
            n += 1
        before = time, frame
    while before is not None and n * step < before[0] - start + step / 2 - 1e-9:  # the last frame lasts one step
        if length is not None and n * step >= length - 1e-9:
            return
        yield before[1]
        n += 1
