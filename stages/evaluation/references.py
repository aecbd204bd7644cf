"""What the frames of a transfer are measured against (paper section 3.1), whoever made them.

The target's own held-out frames (reconstruction), or `truth`, a video of the target doing the source's motion
(imitation, where there is one); the frame whose motion it is, the true one or, where there is none, the source's; and
the training frame whose pose is nearest, which is what copying would reach. In: driving poses, the target's and the source's frames, clocks and views. Out: one
`Reference` a driving pose, in order; pictures are (S, S, 3) uint8.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.imaging import image_quality
from stages.imaging.optical_flow import SimilarityTransform
from stages.media import footage, video_file
from stages.media.clock import read_clock
from stages.media.images import list_images
from stages.media.pose_table import read_poses
from stages.media.seek import SeekableVideo, select_frames
from stages.media.view import View, read_view, stabilised_crop
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.params import Transfer


TOGETHER = "a video of the target doing what the source does, from its first moment to its last"
LONGER = 0.5  # seconds that a truth may go on after that


@dataclass(frozen=True)
class Reference:
    """One frame's. What a moving camera did not see does not count: `*seen` (S, S) bool, None where it saw all."""

    row: int                          # the source's frame; in one take, one more is the next moment
    take: int                         # of the source
    pose: Pose                        # that drove it, pixels
    motion: np.ndarray                # the frame whose motion it is, which the person may be placed in elsewhere
    motion_seen: np.ndarray | None
    placed: SimilarityTransform | None         # where retargeting put that person; None: where they are
    truth: np.ndarray | None          # what it should be, where that is known
    seen: np.ndarray | None           # of the truth
    copy_row: int | None              # the training frame whose pose is nearest, where one can be compared
    copy: np.ndarray | None           # that frame, where there is a truth to compare it with
    copy_seen: np.ndarray | None      # of both, it and the truth
    real: np.ndarray                  # a real frame of the target: the truth or, without one, a training frame

    def completed(self, picture: np.ndarray) -> np.ndarray:
        """The picture, with the truth's pixels where nothing is known of them."""
        if self.truth is None or self.seen is None:
            return picture
        return np.where(self.seen[..., None], picture, self.truth)


def references(
    driving: Path, target_frames: Path, target_clock: Path, target_view: Path, target_poses: Path,
    source_frames: Path, source_clock: Path, source_view: Path, entry: "Transfer",
) -> Iterator[Reference]:
    """Of a transfer, by the paths of layout.INPUTS."""
    pose, columns, about = read_poses(driving)
    rows, timeline = columns["frame"], read_clock(target_clock)
    size, training = timeline.about["size"], timeline.usable()
    nearest = image_quality.nearest_poses(pose.body, read_poses(target_poses)[0].body[training])
    target = _Sight(read_view(target_view), timeline.about["crop"], size)
    played = read_clock(source_clock)
    source = _Sight(read_view(source_view), played.about["crop"], played.about["size"])
    motions = select_frames(video_file.frames(source_frames), rows, source_frames)
    truths, shown = repeat(None), iter([])
    if entry.truth and not entry.reconstruction:
        shown = true_frames(entry.truth, timeline.about, target.view, about["fps"])
        truths = select_frames(shown, rows, entry.truth,
                               f"expected {TOGETHER}: cut the source (`end`), or give another truth")

    with SeekableVideo(target_frames) as lookup:
        for t, (row, motion, truth) in enumerate(zip(rows, motions, truths)):
            truth = motion if entry.reconstruction else truth
            placed = _placed(driving, columns, t) if truth is None else None
            seen = target.of(row if entry.reconstruction else target.view.about["reference"])
            copy_row = int(training[nearest[t]]) if nearest[t] >= 0 else None
            compared = truth is not None and copy_row is not None
            yield Reference(
                row=int(row), take=int(played.take[row]), pose=pose[t],
                motion=motion if truth is None else truth, motion_seen=source.of(row) if truth is None else seen,
                placed=placed, truth=truth, seen=seen,
                copy_row=copy_row, copy=lookup[copy_row] if compared else None,
                copy_seen=both(seen, target.of(copy_row)) if compared else None,
                real=lookup[int(training[t % len(training)])] if truth is None else truth,
            )
    most = round(LONGER * about["fps"])
    if len(list(islice(shown, most + 1))) > most:
        raise InputError(f"{entry.truth}: goes on for more than {LONGER:g} s after the last of the source's "
                         f"{rows[-1] + 1} frames; expected {TOGETHER}: cut it")


def _placed(driving: Path, columns: dict, t: int) -> SimilarityTransform:
    if "scale" not in columns:
        raise InputError(f"{driving}: does not say how the source's poses were moved: run retargeting again")
    return SimilarityTransform(float(columns["scale"][t]), columns["offset"][t])


def fingerprint(measured: dict[str, Path], entry: "Transfer") -> str:
    """Of the files that `references` reads: another one where the truth or the transfer has changed."""
    files = [measured[name] for name in sorted(measured)]
    if entry.truth and not entry.reconstruction:
        truth = Path(entry.truth)
        files += list_images(truth) if truth.is_dir() else [truth]
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Sight:
    """What a camera saw of the square, frame by frame."""

    view: View
    crop: list[float]
    size: int

    def of(self, row: int) -> np.ndarray | None:
        return self.view.visible(int(row), self.crop, self.size) if self.view.about["moving"] else None


def both(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    """What is in both masks; None is everything."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def true_frames(file: str, about: dict, view: View, fps: float) -> Iterator[np.ndarray]:
    """A video of the target at `fps`, cut and resized like the target's own, of whose clock `about` is; taken by a
    camera that stands still and, where the target's own moves, as that stood in its reference frame."""
    width, height = view.about["frame_size"]
    for index, picture in enumerate(footage.open_footage(file, fps).pictures()):
        if picture.shape[1::-1] != (width, height):
            raise InputError(f"{file}: frame {index} is {picture.shape[1]} x {picture.shape[0]}; expected a video from "
                             f"the same camera as {about['file']}: {width} x {height}")
        if view.about["moving"]:
            yield stabilised_crop(picture, view.camera[view.about["reference"]], about["crop"], about["size"])
        else:
            yield footage.crop_square(picture, about["crop"], about["size"])
