"""The clock of a video: when each frame of frames.mkv is shown, and whether it is for training or held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media import parquet


@dataclass(frozen=True)
class Clock:
    path: Path
    frame: np.ndarray    # (T,)
    seconds: np.ndarray  # (T,) from 0
    split: np.ndarray    # (T,) train, gap or test; None in a video too short to split
    take: np.ndarray     # (T,) rising from 0
    about: dict          # fps, file, full_size, crop, size, full_frames, people, split_reason, ...

    def training(self) -> np.ndarray:
        """The frames to learn from; InputError where the video is too short to hold some out."""
        if not self.is_split():
            raise InputError(f"{self.about['file']}: cannot be learned from: {self.about['split_reason']}")
        return np.flatnonzero(self.split == "train")

    def longest(self) -> int:
        """Training frames in a row at most."""
        return int(np.bincount(self.take[self.training()]).max())

    def is_split(self) -> bool:
        return bool((self.split == "train").any())

    def usable(self) -> np.ndarray:
        """The training frames where there is a split, else every frame."""
        return self.training() if self.is_split() else np.arange(len(self.frame))


def read_clock(path: Path) -> Clock:
    columns, about = parquet.read(path, parquet.CLOCK)
    return Clock(Path(path), columns["frame"], columns["seconds"], columns["split"], columns["take"], about)


def too_short(path: Path, needed: int) -> InputError:
    """The error for a clock with fewer than `needed` training frames."""
    clock = read_clock(path)
    return InputError(f"{clock.about['file']}: {clock.longest()} training frames in a row, but at least {needed} are "
                      "needed (generator_training.clip_length); give a longer video")


def split(
    take: np.ndarray, fps: float, train_share: float, gap_seconds: float,
) -> tuple[list[str | None], str | None]:
    """Train on all takes (T,) but the last and on the first `train_share` of the last one's time, leave a gap, test on
    the rest; where a part would be too short nothing is split and the second value says why."""
    last = take == take[-1]
    seconds = np.arange(last.sum()) / fps
    end = len(seconds) / fps * train_share
    parts = np.full(len(take), "train", object)
    parts[last] = np.select([seconds < end - 1e-9, seconds < end + gap_seconds - 1e-9], ["train", "gap"], "test")
    train, test = (parts == "train").sum(), (parts == "test").sum()
    if train >= LEAST_TRAINING and test >= LEAST_TEST:
        return parts.tolist(), None
    of = f" in the last of {take[-1] + 1} takes" if take[-1] else ""
    reason = (f"{len(seconds)} frames ({len(seconds) / fps:.1f} s){of} are too short to split: {train} for training, "
              f"{test} held out after a gap of {gap_seconds:g} s; at least {LEAST_TRAINING} and {LEAST_TEST} "
              "are needed")
    return [None] * len(take), reason


LEAST_TRAINING, LEAST_TEST = 16, 2  # frames
