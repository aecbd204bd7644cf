"""The user's footage: any video file that PyAV reads, or a folder of images, as upright RGB pictures at a constant
frame rate.

Frames are chosen by presentation time, so a variable rate, missing frames, a wrong duration and a late start are no
matter; the rotation that a phone writes into its files and pixels that are not square are honoured. Pictures come one
at a time and are converted only when asked for. Of a range, only what is in it is read.
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
from stages.media.video_file import rate

IMAGE_FPS = 25.0    # of a folder of images where the params give none
LEAST = 3           # frames: a pose window of the generator
RATES = 0.1, 1000.0  # frames a second that a file may say it has
LONGEST = 60.0      # seconds for which one picture may stand
MOST_BROKEN = 0.05  # share of the frames that may be skipped because they cannot be decoded


class DecodedFrame:
    """One frame of a video."""

    def __init__(self, frame: av.VideoFrame, aspect: Fraction):
        self._frame, self._aspect = frame, aspect

    def picture(self) -> np.ndarray:
        """RGB (H, W, 3) uint8, upright, its pixels square."""
        picture = self._upright(colour.rgb(self._frame))
        if self._aspect == 1:
            return picture
        return cv2.resize(picture, self._size(), interpolation=cv2.INTER_CUBIC)

    def thumbnail(self, longest: int) -> np.ndarray:
        """The same with at most so many pixels on its longer side, without making the whole picture first: the mean of
        four of its pixels or more."""
        size, twice = (fit_within(self._size(), most) for most in (longest, 2 * longest))
        if size == self._size():
            return self.picture()
        samples = self._upright(colour.rgb(self._frame, twice[::-1] if self._turns() % 2 else twice))
        return cv2.resize(samples, size, interpolation=cv2.INTER_AREA)

    def _turns(self) -> int:
        return round(self._frame.rotation / 90) % 4

    def _upright(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(picture, self._turns()))

    def _size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        width, height = max(1, round(self._frame.width * self._aspect)), self._frame.height
        return (height, width) if self._turns() % 2 else (width, height)


@dataclass
class Footage:
    """`shots()` runs through the frames; what it came across on the way stands in `remarks`."""

    path: Path
    fps: float
    audio: bool
    start: float                    # seconds of the first picture on the file's own clock
    aspect: Fraction = Fraction(1)  # of a pixel, before any rotation
    begin: float = 0.0              # seconds of the first picture from the file's first
    end: float | None = None        # where the range ends, from the file's first; None: with the file
    remarks: dict = field(default_factory=dict)  # what is worth telling about the file
    begun: tuple[VideoDecoder, Iterator[TimedFrame]] | None = field(default=None, repr=False)  # for the first run

    def frames(self) -> Iterator[DecodedFrame | ImageFrame]:
        if self.path.is_dir():
            yield from self._images()
            return
        decoding, frames = self.begun or _decoding(self.path, self.start if self.begin else None)
        self.begun, length = None, None if self.end is None else self.end - self.begin
        with closing(frames):
            for frame in _resampled(self._lasting(frames, length), self.fps, self.start, length):
                yield DecodedFrame(frame, self.aspect)
        self._tell_damage(decoding)

    def pictures(self) -> Iterator[np.ndarray]:
        return (shot.picture() for shot in self.frames())

    def _lasting(self, frames: Iterator[TimedFrame], length: float | None) -> Iterator[TimedFrame]:
        """InputError where the next picture is so late that the time of one of both must be wrong."""
        last, end = None, np.inf if length is None else self.start + length
        for time, frame in frames:
            if last is not None and min(time, end) > last + LONGEST:
                at, until = (f"{moment - self.start + self.begin:.2f}" for moment in (last, time))
                raise InputError(f"{self.path}: no picture from {at} to {until} s, more than {LONGEST:g} s; the file "
                                 "is damaged, or nothing moves: copy or export it again, or name a range: start, end")
            last = time
            yield time, frame

    def _images(self) -> Iterator[ImageFrame]:
        files, first = list_images(self.path), None
        last = None if self.end is None else round(self.end * self.fps)
        for file in files[round(self.begin * self.fps) : last]:
            shot = ImageFrame(file, first)
            if first is None:
                shot.picture()
                first = shot
            yield shot

    def _tell_damage(self, decoding: VideoDecoder) -> None:
        """Remarks on what was skipped; InputError where it is too much."""
        skipped, cut_off = decoding.skipped, (decoding.promised or 0) > decoding.count + len(decoding.skipped)
        if not skipped and not (cut_off and self.end is None):
            return
        every, times = decoding.count + len(skipped), [round(time - self.start + self.begin, 3) for time in skipped]
        self.remarks["damaged"] = {"decoded": decoding.count, "promised": decoding.promised, "broken": len(skipped),
                                   "skipped": times}
        if len(skipped) > MOST_BROKEN * every:
            shown = ", ".join(f"{time:.2f}" for time in times[:8]) + ", ..." * (len(times) > 8)
            raise InputError(
                f"{self.path}: {len(skipped)} of {every} frames cannot be decoded, at {shown} s; at most "
                f"{MOST_BROKEN:.0%} may be skipped. Copy or export it again, or name a range without them: start, end")


def open_footage(file: str | Path, fps: float | None, start: float | None = None, end: float | None = None) -> Footage:
    """`fps`: frames a second, None for the video's own average. `start`, `end`: a range in seconds from the file's
    first picture. InputError where nothing can be read."""
    path = Path(file)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a video file or a folder of images")
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
                         f"it: it is {length:.2f} s long; change start and end in params.yaml")
    if start:
        film.begin, film.start, film.begun = start, film.start + start, None
    return film


def _open_video(path: Path, fps: float | None) -> Footage:
    decoding, frames = _decoding(path)
    try:
        first = next(frames, None)
    except av.error.EOFError:
        first = None
    except av.FFmpegError as error:
        raise InputError(f"{path}: not a video that can be read, or cut off before its index ({error.strerror}); "
                         "expected a file that a player shows; download or export it again") from None
    if first is None:
        raise InputError(f"{path}: no frame can be decoded: the video is empty or cut off; export it again")
    if not fps and not decoding.rate:
        raise InputError(f"{path}: does not say its frame rate; set frames.fps in params.yaml")
    if not fps and not RATES[0] <= decoding.rate <= RATES[1]:
        raise InputError(f"{path}: says that it has {float(decoding.rate):g} frames a second; expected {RATES[0]:g} to "
                         f"{RATES[1]:g}: set frames.fps in params.yaml")
    own = float(fps or rate(float(decoding.rate)))
    return Footage(path, own, decoding.sound, first[0], decoding.aspect, begun=(decoding, _again(first, frames)))


def _decoding(path: Path, since: float | None = None) -> tuple[VideoDecoder, Iterator[TimedFrame]]:
    decoding = VideoDecoder(path, since)
    return decoding, decoding.frames()


def _again(first: TimedFrame, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    yield first
    yield from frames


def _length(film: Footage, seconds: float) -> float:
    """Infinity where there is a picture `seconds` after the first one, else how long the video is."""
    last = film.start
    for last, _ in VideoDecoder(film.path, film.start + seconds).frames():
        if last >= film.start + seconds:
            return np.inf
    return last - film.start + 1 / film.fps


def crop_square(picture: np.ndarray, crop: tuple[int, int, int], size: int) -> np.ndarray:
    """The square `crop` (left, top, side) of a picture, (size, size, 3); outside the picture its edge goes on."""
    left, top, side = (round(value) for value in crop)
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    borders = [max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)]
    cropped = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_REPLICATE)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cropped if side == size else cv2.resize(cropped, (size, size), interpolation=method)


def crop_to_frame(crop: list[float], size: int) -> np.ndarray:
    """Where a size x size picture of the square `crop` lies in the full frame: (2, 3), in OpenCV's coordinates, which
    count from pixel centres while the crop counts from pixel corners."""
    left, top, side = crop
    scale = side / size  # frame pixels a square pixel
    return np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2]])


def _resampled(frames: Iterator[TimedFrame], fps: float, start: float, length: float | None) -> Iterator[av.VideoFrame]:
    """For each n the frame whose time is nearest to start + n / fps, up to `length` seconds or the last frame."""
    step, n, before = 1 / fps, 0, None
    for time, frame in frames:
        while before is not None and n * step < (before[0] + time) / 2 - start:
            if length is not None and n * step >= length - 1e-9:
                return
            yield before[1]
            n += 1
        before = time, frame
    while before is not None and n * step < before[0] - start + step / 2 - 1e-9:  # the last one is shown for one step
        if length is not None and n * step >= length - 1e-9:
            return
        yield before[1]
        n += 1
