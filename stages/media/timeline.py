"""The timeline of a video: a table with the time of each frame of frames.mkv, its take, and whether it is a training or a
test frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media import parquet

MIN_TRAINING, MIN_TEST = 16, 2  # frames


@dataclass(frozen=True)
class Timeline:
    """The table frames.parquet: one row for each of the T frames of a video."""

    path: Path
    frame: np.ndarray    # (T,) indices
    seconds: np.ndarray  # (T,) from 0
    split: np.ndarray    # (T,) train, gap or test; None if the video is too short to split
    take: np.ndarray     # (T,) index of the take, ascending from 0
    about: dict          # fps, file, full_size, crop, size, full_frames, people, split_reason, ...

    def training_frames(self) -> np.ndarray:
        """Indices of the training frames. Raises InputError if the video is too short to be split."""
        if not self.is_split():
            raise InputError(f"{self.about['file']}: cannot be used for training: {self.about['split_reason']}")
        return np.flatnonzero(self.split == "train")

    def longest_clip(self) -> int:
        """The largest number of consecutive training frames."""
        return int(np.bincount(self.take[self.training_frames()]).max())

    def is_split(self) -> bool:
        return bool((self.split == "train").any())

    def usable(self) -> np.ndarray:
        """The training frames, or all frames if the video is not split."""
        return self.training_frames() if self.is_split() else np.arange(len(self.frame))


def read_timeline(path: Path) -> Timeline:
    columns, about = parquet.read(path, parquet.TIMELINE)
    return Timeline(Path(path), columns["frame"], columns["seconds"], columns["split"], columns["take"], about)


def too_short_error(path: Path, needed: int) -> InputError:
    """The error for a video with fewer than `needed` consecutive training frames."""
    timeline = read_timeline(path)
    return InputError(f"{timeline.about['file']}: {timeline.longest_clip()} consecutive training frames, but at least "
                      f"{needed} are needed (generator_training.clip_length); use a longer video")


def split(
    take: np.ndarray, fps: float, train_share: float, gap_seconds: float,
) -> tuple[list[str | None], str | None]:
    """Splits frames into train, gap and test. `take`: (T,) the take of each frame.

    All takes but the last and the first `train_share` of the last one are for training, the rest after the gap for
    testing. Returns (T) labels and None or, if a part would be too short, (T) None and the reason."""
    last = take == take[-1]
    seconds = np.arange(last.sum()) / fps
    end = len(seconds) / fps * train_share
    parts = np.full(len(take), "train", object)
    parts[last] = np.select([seconds < end - 1e-9, seconds < end + gap_seconds - 1e-9], ["train", "gap"], "test")
    train, test = (parts == "train").sum(), (parts == "test").sum()
    if train >= MIN_TRAINING and test >= MIN_TEST:
        return parts.tolist(), None
    where = f" in the last of {take[-1] + 1} takes" if take[-1] else ""
    reason = (f"{len(seconds)} frames ({len(seconds) / fps:.1f} s){where} are too short to split: {train} for "
              f"training, {test} held out after a gap of {gap_seconds:g} s; at least {MIN_TRAINING} and {MIN_TEST} "
              "are needed")
    return [None] * len(take), reason
