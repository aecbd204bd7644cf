"""The takes of a person: the clips that one video of params.yaml is made of.

A file or a folder of images is one take. A folder of such clips (iPER's outfit, `1` and `2`) is several, in natural
order: they are read one after the other, at the first one's frame rate, and where two meet is no cut.
"""

import hashlib
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media.files import sha256
from stages.media.footage import DecodedFrame, Footage, open_footage
from stages.media.images import ImageFrame, list_images, natural_order

VIDEOS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".3gp", ".ogv"}


class Takes:
    """`shots()` runs through all frames; where the takes begin is known once it has run through."""

    def __init__(self, path: Path, takes: list[Footage]):
        self.path, self.takes, self.fps = path, takes, takes[0].fps
        self.firsts = [0]  # frames

    def frames(self) -> Iterator[tuple[int, DecodedFrame | ImageFrame]]:
        """Every frame, and which take it is of."""
        firsts, count = [], 0
        for number, take in enumerate(self.takes):
            firsts.append(count)
            for shot in take.frames():
                yield number, shot
                count += 1
        self.firsts = firsts

    def pictures(self) -> Iterator[np.ndarray]:
        return (shot.picture() for _, shot in self.frames())

    def take_indices(self, count: int) -> np.ndarray:
        """Which take each of `count` frames is of, (T,)."""
        return np.searchsorted(self.firsts, np.arange(count), side="right") - 1

    def describe_frame(self, frame: int) -> str:
        """Where a frame is found, for messages."""
        number = bisect(self.firsts, frame) - 1
        take, frame = self.takes[number], frame - self.firsts[number]
        return f"{take.path}: frame {frame} ({take.begin + frame / self.fps:.2f} s)"

    @property
    def audio(self) -> dict:
        """The file and the second in it from which its sound goes along; several takes have none together."""
        first = self.takes[0]
        return {"audio": first.path, "start": first.start} if len(self.takes) == 1 and first.audio else {}

    def checksums(self) -> dict[str, str]:
        """The SHA-256 of every take's file, by its path; of a folder of images, that of what `sha256sum` prints of
        them there, sorted by name."""
        return {str(take.path): _digest(take.path) for take in self.takes}

    @property
    def remarks(self) -> dict:
        """What is worth telling: `assumed_fps` of images without a rate; `damaged`, by the file's name."""
        damaged = {str(take.path): take.remarks["damaged"] for take in self.takes if "damaged" in take.remarks}
        told = {name: value for name, value in self.takes[0].remarks.items() if name != "damaged"}
        return told | ({"damaged": damaged} if damaged else {})


def _digest(path: Path) -> str:
    if not path.is_dir():
        return sha256(path)
    lines = (f"{sha256(file)}  {file.name}\n" for file in sorted(list_images(path)))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def open_takes(file: str | Path, fps: float | None, start: float | None = None, end: float | None = None) -> Takes:
    """As `footage.open_footage`, of every take."""
    files = list_takes(Path(file))
    if len(files) > 1 and (start or end):
        names = ", ".join(take.name for take in files)
        raise InputError(f"{file}: start and end are for one take, but there are {len(files)}: {names}; remove them in "
                         "params.yaml, or give one take alone")
    first = open_footage(files[0], fps, start, end)
    return Takes(Path(file), [first, *(open_footage(file, first.fps) for file in files[1:])])


def list_takes(path: Path) -> list[Path]:
    """The takes of a video's file or folder: itself, or the folders and videos in it where it holds no images."""
    if not path.is_dir() or list_images(path):
        return [path]
    inside = (entry for entry in path.iterdir() if entry.is_dir() or entry.suffix.lower() in VIDEOS)
    return natural_order(entry for entry in inside if not entry.name.startswith(".")) or [path]
