"""Other systems' videos of a clip: panels side by side in one video, and their delay relative to the clip."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from stages.media import footage, video_file

MAX_LAG = 5  # frames, late or early
THUMBNAIL = (64, 64)

Pictures = Iterable[np.ndarray]  # RGB (height, width, 3) uint8 each


def frame_lag(file: Path, film: Pictures) -> int:
    """By how many frames a film is later than the true video: the delay at which their thumbnails differ least."""
    small = [np.stack([cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA) for picture in one]).astype(int)
             for one in (footage.open_footage(file, None).pictures(), film)]
    inner = np.arange(MAX_LAG, min(map(len, small)) - MAX_LAG)
    errors = {late: np.square(small[1][inner + late] - small[0][inner]).mean() for late in range(-MAX_LAG, MAX_LAG + 1)}
    return min(errors, key=errors.get)


def lag_suffix(late: int) -> str:
    """The delay in words, for the name of a table row."""
    return f", shown {abs(late)} frame{'s' * (abs(late) > 1)} {'late' if late > 0 else 'early'}" if late else ""


def shift_frames(film: Pictures, late: int) -> Iterator[np.ndarray]:
    """Removes a delay of `late` frames from a film. At its ends the first or last picture is repeated."""
    pictures = iter(film)
    if late < 0:
        yield from [next(pictures)] * (1 - late)
    for picture in islice(pictures, max(late, 0), None):
        yield picture
    yield from [picture] * max(late, 0)


def panel(file: Path, index: int, count: int) -> Iterator[np.ndarray]:
    """One of `count` panels that are side by side in a video."""
    for picture in footage.open_footage(file, None).pictures():
        width = picture.shape[1] // count
        yield np.ascontiguousarray(picture[:, index * width : (index + 1) * width])


def first_panel(folder: Path, file: Path, count: int) -> Path:
    """The first panel of a video as a separate video file, written to folder/panels."""
    path = folder / "panels" / f"{file.stem}.mkv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with video_file.lossless(path, footage.open_footage(file, None).fps) as add:
            for picture in panel(file, 0, count):
                add(picture)
    return path
