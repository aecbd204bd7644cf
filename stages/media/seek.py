"""Some frames of a video: a rising choice of them as they stream by, or any of a lossless one, in any order."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stages import InputError
from stages.media.files import existing


def chosen(frames: Iterable[np.ndarray], rows: np.ndarray, path: Path | str) -> Iterator[np.ndarray]:
    """The frames with these rising indices; InputError where the video at `path` ends before the last one."""
    wanted = iter(rows)
    row = next(wanted, None)
    for index, frame in enumerate(frames):
        if row is None:
            return
        if index == row:
            yield frame
            row = next(wanted, None)
    if row is not None:
        raise InputError(f"{path}: ends after frame {index}, but frame {row} is needed; it is not the video that "
                         "the poses were found in: run the stages that wrote them again")


class Seekable:
    """frames[i] is frame i of an RGB video that a stage wrote; use as a context manager."""

    def __init__(self, path: Path):
        self._path = path
        self._container = av.open(str(existing(path, "a video; run the stage that writes it")))
        self._stream = self._container.streams.video[0]

    def __enter__(self) -> "Seekable":
        return self

    def __exit__(self, *_) -> None:
        self._container.close()

    def __getitem__(self, index: int) -> np.ndarray:
        time_base, fps = self._stream.time_base, Fraction(self._stream.average_rate)
        self._container.seek(int(Fraction(index) / fps / time_base), stream=self._stream)  # to the key frame before
        for frame in self._container.decode(self._stream):
            if round(frame.pts * time_base * fps) == index:
                return frame.to_ndarray(format="rgb24")
        raise InputError(f"{self._path}: no frame {index}; run its stage again")
