"""Selects frames of a video: in ascending order from a stream, or in any order from a lossless video."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media.container import open_media
from stages.media.files import existing

CACHE_SIZE = 2**27     # bytes of decoded frames: 680 of 256 x 256, 170 of 512 x 512
KEYFRAME_INTERVAL = 12  # of FFV1; shorter distances are decoded instead of seeking
WRONG_VIDEO = "it is not the video of these poses: run the stages that wrote them again"


def select_frames(frames: Iterable[np.ndarray], rows: np.ndarray, path: Path | str, remedy: str = WRONG_VIDEO
           ) -> Iterator[np.ndarray]:
    """The frames with the ascending indices `rows`. Raises InputError if the video at `path` has too few."""
    wanted, index = iter(rows), -1
    row = next(wanted, None)
    for index, frame in enumerate(frames):
        if row is None:
            return
        if index == row:
            yield frame
            row = next(wanted, None)
    if row is not None:
        raise InputError(f"{path}: has {index + 1} frames, but {rows[-1] + 1} are needed; {remedy}")


class SeekableVideo:
    """Random access to an RGB video that a stage wrote: video[i] is frame i, not to be modified. A context manager.
    Decoded frames are cached, at most CACHE_SIZE bytes; the least recently used are dropped first."""

    def __init__(self, path: Path):
        self._path = path
        self._container = open_media(existing(path, "a video; run the stage that writes it"))
        self._stream = self._container.streams.video[0]
        self._fps = Fraction(self._stream.average_rate)
        self._decoded, self._next = iter(()), -KEYFRAME_INTERVAL  # decoder output, index of its next frame
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()  # the most recently used last

    def __enter__(self) -> "SeekableVideo":
        return self

    def __exit__(self, *_) -> None:
        self._container.close()

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._cache:
            self._decode(index)
        self._cache.move_to_end(index)
        return self._cache[index]

    def _decode(self, index: int) -> None:
        if not self._next <= index < self._next + KEYFRAME_INTERVAL:  # seek to the previous key frame
            self._container.seek(int(Fraction(index) / self._fps / self._stream.time_base), stream=self._stream)
            self._decoded = self._container.decode(self._stream)
        for frame in self._decoded:
            found = round(frame.pts * self._stream.time_base * self._fps)
            self._next = found + 1
            self._cache[found] = picture = frame.to_ndarray(format="rgb24")
            while len(self._cache) * picture.nbytes > CACHE_SIZE:
                self._cache.popitem(last=False)
            if found == index:
                return
        self._decoded, self._next = iter(()), -KEYFRAME_INTERVAL
        raise InputError(f"{self._path}: no frame {index}; run its stage again")
