"""Some frames of a video: a rising choice of them as they stream by, or any of a lossless one, in any order."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media.container import open_media
from stages.media.files import existing

KEPT = 2**27  # bytes of decoded frames: 680 of 256 x 256, 170 of 512 x 512
NEAR = 12     # frames that are decoded rather than jumped over: FFV1's distance of key frames
ANOTHER = "it is not the video that the poses were found in: run the stages that wrote them again"


def select_frames(frames: Iterable[np.ndarray], rows: np.ndarray, path: Path | str, remedy: str = ANOTHER
           ) -> Iterator[np.ndarray]:
    """The frames with these rising indices; InputError where the video at `path` ends before the last one."""
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
    """frames[i] is frame i of an RGB video that a stage wrote, not to be written to; use as a context manager. What was
    decoded on the way is kept, the newest KEPT bytes of it."""

    def __init__(self, path: Path):
        self._path = path
        self._container = open_media(existing(path, "a video; run the stage that writes it"))
        self._stream = self._container.streams.video[0]
        self._fps = Fraction(self._stream.average_rate)
        self._coming, self._next = iter(()), -NEAR  # what the decoder gives next, and its index
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()  # the one that was asked for last stands last

    def __enter__(self) -> "SeekableVideo":
        return self

    def __exit__(self, *_) -> None:
        self._container.close()

    def __getitem__(self, index: int) -> np.ndarray:
        if index not in self._kept:
            self._decode(index)
        self._kept.move_to_end(index)
        return self._kept[index]

    def _decode(self, index: int) -> None:
        if not self._next <= index < self._next + NEAR:  # to the key frame before
            self._container.seek(int(Fraction(index) / self._fps / self._stream.time_base), stream=self._stream)
            self._coming = self._container.decode(self._stream)
        for frame in self._coming:
            found = round(frame.pts * self._stream.time_base * self._fps)
            self._next = found + 1
            self._kept[found] = picture = frame.to_ndarray(format="rgb24")
            while len(self._kept) * picture.nbytes > KEPT:
                self._kept.popitem(last=False)
            if found == index:
                return
        self._coming, self._next = iter(()), -NEAR
        raise InputError(f"{self._path}: no frame {index}; run its stage again")
