"""Other systems' videos of a clip: panels that lie side by side in one, and how late they show what is in the clip."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from stages.media import footage, video_file

LATEST = 5  # frames that a film may be late or early
THUMBNAIL = (64, 64)

Pictures = Iterable[np.ndarray]  # RGB (height, width, 3) uint8 each


def lag(file: Path, film: Pictures) -> int:
    """How many frames later than the true video a film shows what is in it: where their thumbnails are most alike.
    Others' films need not begin with its first frame."""
    small = [np.stack([cv2.resize(picture, THUMBNAIL, interpolation=cv2.INTER_AREA) for picture in one]).astype(int)
             for one in (footage.open_footage(file, None).pictures(), film)]
    inner = np.arange(LATEST, min(map(len, small)) - LATEST)
    errors = {late: np.square(small[1][inner + late] - small[0][inner]).mean() for late in range(-LATEST, LATEST + 1)}
    return min(errors, key=errors.get)


def told(late: int) -> str:
    """For a row's name."""
    return f", shown {abs(late)} frame{'s' * (abs(late) > 1)} {'late' if late > 0 else 'early'}" if late else ""


def shifted(film: Pictures, late: int) -> Iterator[np.ndarray]:
    """A film that is so many frames late, in the truth's time; its first or last picture stands where it has none."""
    pictures = iter(film)
    if late < 0:
        yield from [next(pictures)] * (1 - late)
    for picture in islice(pictures, max(late, 0), None):
        yield picture
    yield from [picture] * max(late, 0)


def panel(file: Path, index: int, count: int) -> Iterator[np.ndarray]:
    """One of the panels that lie side by side in a video."""
    for picture in footage.open_footage(file, None).pictures():
        width = picture.shape[1] // count
        yield np.ascontiguousarray(picture[:, index * width : (index + 1) * width])


def unfolded(folder: Path, file: Path, count: int) -> Path:
    """The first panel of a video, as a video of its own."""
    path = folder / "panels" / f"{file.stem}.mkv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with video_file.lossless(path, footage.open_footage(file, None).fps) as add:
            for picture in panel(file, 0, count):
                add(picture)
    return path
