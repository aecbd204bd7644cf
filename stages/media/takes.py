"""The takes of a video: the source clips that one entry of `videos` in params.yaml consists of.

A file or a folder of images is one take. A folder of such clips (iPER's outfit, `1` and `2`) is several takes, in
natural order. They are read one after the other at the frame rate of the first. The boundaries are not cuts.
"""

from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media.files import sha256, sha256_of_all
from stages.media.footage import DecodedFrame, Footage, open_footage
from stages.media.images import ImageFrame, list_images, natural_order

VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".3gp", ".ogv"}


class Takes:
    """`frames()` yields all frames. The boundaries of the takes are known after it has finished."""

    def __init__(self, path: Path, takes: list[Footage]):
        self.path, self.takes, self.fps = path, takes, takes[0].fps
        self.firsts = [0]  # index of the first frame of each take

    def frames(self) -> Iterator[tuple[int, DecodedFrame | ImageFrame]]:
        """Yields (index of the take, frame)."""
        firsts, count = [], 0
        for index, take in enumerate(self.takes):
            firsts.append(count)
            for frame in take.frames():
                yield index, frame
                count += 1
        self.firsts = firsts

    def pictures(self) -> Iterator[np.ndarray]:
        return (frame.picture() for _, frame in self.frames())

    def take_indices(self, count: int) -> np.ndarray:
        """The take of each of `count` frames, (T,)."""
        return np.searchsorted(self.firsts, np.arange(count), side="right") - 1

    def describe_frame(self, frame: int) -> str:
        """File, frame and time, for messages."""
        index = bisect(self.firsts, frame) - 1
        take, frame = self.takes[index], frame - self.firsts[index]
        return f"{take.path}: frame {frame} ({take.begin + frame / self.fps:.2f} s)"

    @property
    def audio(self) -> dict:
        """Arguments for `video_file.lossless`: the file with the sound and its start time. Empty if there is no sound
        or more than one take."""
        first = self.takes[0]
        return {"audio": first.path, "start": first.start} if len(self.takes) == 1 and first.audio else {}

    def checksums(self) -> dict[str, str]:
        """The SHA-256 of each take by path; of a folder of images, that of the output of `sha256sum *` in the
        folder."""
        return {str(take.path): _checksum(take.path) for take in self.takes}

    @property
    def remarks(self) -> dict:
        """Remarks for the user: `assumed_fps` of images without a frame rate; `damaged`, by file."""
        damaged = {str(take.path): take.remarks["damaged"] for take in self.takes if "damaged" in take.remarks}
        others = {name: value for name, value in self.takes[0].remarks.items() if name != "damaged"}
        return others | ({"damaged": damaged} if damaged else {})


def _checksum(path: Path) -> str:
    return sha256_of_all(sorted(list_images(path)), path) if path.is_dir() else sha256(path)


def open_takes(file: str | Path, fps: float | None, start: float | None = None, end: float | None = None) -> Takes:
    """As `footage.open_footage`, for all takes."""
    files = list_takes(Path(file))
    if len(files) > 1 and (start or end):
        names = ", ".join(take.name for take in files)
        raise InputError(f"{file}: start and end require a single take, but there are {len(files)}: {names}; remove "
                         "them in params.yaml, or use one of the takes")
    first = open_footage(files[0], fps, start, end)
    return Takes(Path(file), [first, *(open_footage(file, first.fps) for file in files[1:])])


def list_takes(path: Path) -> list[Path]:
    """The takes of a file or folder: itself or, if it is a folder without images, the folders and videos in it."""
    if not path.is_dir() or list_images(path):
        return [path]
    inside = (entry for entry in path.iterdir() if entry.is_dir() or entry.suffix.lower() in VIDEOS)
    return natural_order(entry for entry in inside if not entry.name.startswith(".")) or [path]
