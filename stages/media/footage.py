"""The user's footage: any video file that PyAV reads, or a folder of images, as upright RGB pictures at a constant
frame rate.

Frames are chosen by presentation time, so a variable rate, missing frames and a late start are no matter; the
rotation that a phone writes into its files and pixels that are not square are honoured. Pictures come one at a time
and are converted only when asked for.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from stages import InputError
from stages.media.video import rate

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
IMAGE_FPS = 25.0  # of a folder of images where the params give none
LEAST = 3         # frames: a pose window of the generator

Shot = Callable[[], np.ndarray]  # gives the RGB picture (H, W, 3) uint8


@dataclass
class Footage:
    """`shots()` runs through the frames; what it came across on the way stands in the fields below."""

    path: Path
    fps: float
    audio: bool
    start: float                   # seconds of the first picture on the file's own clock
    aspect: Fraction = Fraction(1)  # of a pixel, before any rotation
    remarks: dict = field(default_factory=dict)  # what is worth telling about the file

    def shots(self) -> Iterator[Shot]:
        """One function a frame; calling it converts the picture. Call it before taking the next."""
        if self.path.is_dir():
            yield from (lambda file=file: _image(file) for file in _images(self.path))
            return
        for frame in _resampled(_decoded(self.path, self.remarks), self.fps):
            yield lambda frame=frame: _upright(frame, self.aspect)

    def pictures(self) -> Iterator[np.ndarray]:
        return (shot() for shot in self.shots())


def open_footage(file: str | Path, fps: float | None) -> Footage:
    """`fps`: frames a second, None for the video's own average. InputError where nothing can be read."""
    path = Path(file)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a video file or a folder of images")
    if path.is_dir():
        if not _images(path):
            raise InputError(f"{path}: no images in this folder; expected files named {', '.join(sorted(IMAGES))}")
        remarks = {} if fps else {"assumed_fps": IMAGE_FPS}
        return Footage(path, fps or IMAGE_FPS, False, 0.0, remarks=remarks)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path}: not a video: it has no picture stream")
            stream = container.streams.video[0]
            own = stream.average_rate or stream.guessed_rate or stream.base_rate
            audio, aspect = bool(container.streams.audio), stream.sample_aspect_ratio or Fraction(1)
        first = next((time for time, _ in _decoded(path, {})), None)
    except av.error.EOFError:
        first = None
    except av.FFmpegError as error:
        raise InputError(f"{path}: not a video that can be read, or cut off before its index ({error.strerror}); "
                         "expected a file that a player shows; download or export it again") from None
    if first is None:
        raise InputError(f"{path}: no frame can be decoded: the video is empty or cut off; export it again")
    if not fps and not own:
        raise InputError(f"{path}: does not say its frame rate; set frames.fps in params.yaml")
    return Footage(path, float(fps or rate(float(own))), audio, first, aspect)


def square(picture: np.ndarray, crop: tuple[int, int, int], size: int) -> np.ndarray:
    """The square `crop` (left, top, side) of a picture, (size, size, 3); outside the picture its edge goes on."""
    left, top, side = (round(value) for value in crop)
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    borders = [max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)]
    cropped = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_REPLICATE)
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cropped if side == size else cv2.resize(cropped, (size, size), interpolation=method)


def placing(crop: list[float], size: int) -> np.ndarray:
    """Where a size x size picture of the square `crop` lies in the full frame: (2, 3), in OpenCV's coordinates, which
    count from pixel centres while the crop counts from pixel corners."""
    left, top, side = crop
    scale = side / size  # frame pixels a square pixel
    return np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2]])


def _decoded(path: Path, remarks: dict) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with their time in seconds, in order of presentation. Broken packets are passed over and counted; a
    file that ends before what it promised is remarked on."""
    broken = count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        promised, step = stream.frames, 1 / float(stream.average_rate or 25)
        last = -np.inf
        for frame in _packets(container, stream):
            if frame is None:
                broken += 1
                continue
            time = frame.time if frame.time is not None else (last + step if count else 0.0)
            count += 1
            if time > last:
                last = time
                yield time, frame
    if broken or count < promised:
        remarks["damaged"] = {"decoded": count, "promised": promised or None, "broken": broken}


def _packets(container, stream) -> Iterator[av.VideoFrame | None]:
    """Decoded frames; None for a packet that cannot be decoded or read."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.InvalidDataError:
            yield None
            continue
        yield from frames


def _resampled(frames: Iterator[tuple[float, av.VideoFrame]], fps: float) -> Iterator[av.VideoFrame]:
    """For each n the frame whose time is nearest to n / fps after the first frame's."""
    step, n, start, before = 1 / fps, 0, None, None
    for time, frame in frames:
        start = time if start is None else start
        while before is not None and n * step < (before[0] + time) / 2 - start:
            yield before[1]
            n += 1
        before = time, frame
    while before is not None and n * step < before[0] - start + step / 2 - 1e-9:  # the last one is shown for one step
        yield before[1]
        n += 1


def _upright(frame: av.VideoFrame, aspect: Fraction) -> np.ndarray:
    rgb = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    rgb = np.rot90(rgb, turns) if turns else rgb
    if aspect != 1:
        height, width = rgb.shape[:2]
        wide, high = (1, aspect) if turns % 2 else (aspect, 1)
        rgb = cv2.resize(rgb, (round(width * wide), round(height * high)), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(rgb)


def _images(folder: Path) -> list[Path]:
    """The folder's images in natural order: 9.png before 10.png."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGES and not file.name.startswith(".")]
    parts = {file: re.split(r"(\d+)", file.name) for file in files}
    return sorted(files, key=lambda file: [int(part) if part.isdigit() else part for part in parts[file]])


def _image(file: Path) -> np.ndarray:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{file}: not an image that can be read; remove it or export it again")
    return image[..., ::-1]
