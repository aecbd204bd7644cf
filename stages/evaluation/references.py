"""References: what the generated frames of a transfer are compared with (paper section 3.1). They do not depend on the
system that generated the frames.

Each driving pose has one `Reference`. Its `truth` is the target's own held-out frame (reconstruction) or a frame of the
`truth` video, which shows the target doing the source's motion (imitation, if params.yaml names one). Its motion
picture is the true frame or, without one, the source's frame: temporal consistency is measured against its optical
flow. The training frame with the nearest pose is a baseline, called retrieval: it shows what copying frames would
reach. Pictures are (S, S, 3) uint8 RGB.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.imaging.optical_flow import SimilarityTransform
from stages.media import footage, video_file
from stages.media.files import sha256
from stages.media.images import list_images
from stages.media.pose_table import read_poses
from stages.media.seek import SeekableVideo, select_frames
from stages.media.timeline import read_timeline
from stages.media.view import View, read_view, stabilised_crop
from stages.pose.pose_distance import nearest_poses
from stages.pose.skeleton import Pose

if TYPE_CHECKING:
    from stages.params import Transfer


SAME_MOTION = "a video of the target doing what the source does, from its first moment to its last"
MAX_OVERRUN = 0.5  # seconds by which the truth may be longer than the source


@dataclass(frozen=True)
class Reference:
    """What one frame is compared with. Masks are (S, S) bool and mark the pixels in the view of a moving camera: only
    these are scored. None means all."""

    source_frame: int                  # index; within a take, consecutive indices are consecutive moments
    take: int                          # of the source, index
    pose: Pose                         # driving pose, pixels
    motion_picture: np.ndarray         # the true frame or, without one, the source's
    motion_mask: np.ndarray | None
    placement: SimilarityTransform | None       # of the motion picture in the target's square; None if it is the truth
    truth: np.ndarray | None           # the true frame, if it is known
    truth_mask: np.ndarray | None
    retrieval_frame: int | None        # index of the training frame whose pose is nearest, if any can be compared
    retrieved: np.ndarray | None       # that frame, if there is also a truth to compare it with
    retrieved_mask: np.ndarray | None  # pixels that both it and the truth show
    real: np.ndarray                   # a real frame of the target: the truth or, without one, a training frame

    def fill_unseen(self, picture: np.ndarray) -> np.ndarray:
        """The picture (S, S, 3) with the pixels outside of `truth_mask` taken from the truth."""
        if self.truth is None or self.truth_mask is None:
            return picture
        return np.where(self.truth_mask[..., None], picture, self.truth)


def references(
    driving: Path, target_frames: Path, target_timeline: Path, target_view: Path, target_poses: Path,
    source_frames: Path, source_timeline: Path, source_view: Path, entry: "Transfer",
) -> Iterator[Reference]:
    """The references of a transfer, one for each driving pose, in order. The paths are those of layout.INPUTS.

    InputError if the truth is shorter than the source, longer by more than MAX_OVERRUN, or of another frame size."""
    pose, columns, about = read_poses(driving)
    source_rows, times = columns["frame"], read_timeline(target_timeline)
    size, training = times.about["size"], times.usable()
    nearest = nearest_poses(pose, read_poses(target_poses)[0][training])
    target = _CameraCoverage(read_view(target_view), times.about["crop"], size)
    source_times = read_timeline(source_timeline)
    source = _CameraCoverage(read_view(source_view), source_times.about["crop"], source_times.about["size"])
    source_pictures = select_frames(video_file.frames(source_frames), source_rows, source_frames)
    truths, truth_video = repeat(None), iter([])
    if entry.truth and not entry.reconstruction:
        truth_video = truth_frames(entry.truth, times.about, target.view, about["fps"])
        truths = select_frames(truth_video, source_rows, entry.truth,
                        f"expected {SAME_MOTION}: cut the source (`end`), or give another truth")

    with SeekableVideo(target_frames) as target_pictures:
        for t, (row, source_picture, truth) in enumerate(zip(source_rows, source_pictures, truths)):
            truth = source_picture if entry.reconstruction else truth
            placement = _placement(driving, columns, t) if truth is None else None
            mask = target.mask(row if entry.reconstruction else target.view.about["reference"])
            retrieval_frame = int(training[nearest[t]]) if nearest[t] >= 0 else None
            compared = truth is not None and retrieval_frame is not None
            yield Reference(
                source_frame=int(row), take=int(source_times.take[row]), pose=pose[t],
                motion_picture=source_picture if truth is None else truth,
                motion_mask=source.mask(row) if truth is None else mask,
                placement=placement, truth=truth, truth_mask=mask, retrieval_frame=retrieval_frame,
                retrieved=target_pictures[retrieval_frame] if compared else None,
                retrieved_mask=combine_masks(mask, target.mask(retrieval_frame)) if compared else None,
                real=target_pictures[int(training[t % len(training)])] if truth is None else truth,
            )
    max_overrun = round(MAX_OVERRUN * about["fps"])
    if len(list(islice(truth_video, max_overrun + 1))) > max_overrun:
        raise InputError(f"{entry.truth}: goes on for more than {MAX_OVERRUN:g} s after the last of the source's "
                         f"{source_rows[-1] + 1} frames; expected {SAME_MOTION}: cut it")


def _placement(driving: Path, columns: dict, t: int) -> SimilarityTransform:
    """Where retargeting placed the source's pose t."""
    if "scale" not in columns:
        raise InputError(f"{driving}: has no column `scale`: run retargeting again")
    return SimilarityTransform(float(columns["scale"][t]), columns["offset"][t])


def fingerprint(measured: dict[str, Path], entry: "Transfer") -> str:
    """SHA-256 over the files that `references` reads. It changes when the truth or the transfer changes."""
    files = [measured[name] for name in sorted(measured)]
    if entry.truth and not entry.reconstruction:
        truth = Path(entry.truth)
        files += list_images(truth) if truth.is_dir() else [truth]
    return hashlib.sha256(b"".join(bytes.fromhex(sha256(path)) for path in files)).hexdigest()


@dataclass(frozen=True)
class _CameraCoverage:
    """Which pixels of the square are in the view of a moving camera."""

    view: View
    crop: list[float]
    size: int

    def mask(self, row: int) -> np.ndarray | None:
        """(size, size) bool of one frame; None if the camera stands still."""
        return self.view.visible(int(row), self.crop, self.size) if self.view.about["moving"] else None


def combine_masks(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    """The pixels that are in both masks; None stands for a mask of all pixels."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def truth_frames(file: str, about: dict, view: View, fps: float) -> Iterator[np.ndarray]:
    """The frames of a truth video at `fps`, cropped and resized like the target's own, (S, S, 3).

    about and view: of the target's own video. The truth must come from the same camera, standing still. If the target's
    own camera moves, the truth must be filmed from its position in the reference frame. InputError if the frame size
    differs."""
    width, height = view.about["frame_size"]
    for index, picture in enumerate(footage.open_footage(file, fps).pictures()):
        if picture.shape[1::-1] != (width, height):
            raise InputError(f"{file}: frame {index} is {picture.shape[1]} x {picture.shape[0]}; expected a video from "
                             f"the same camera as {about['file']}: {width} x {height}")
        if view.about["moving"]:
            yield stabilised_crop(picture, view.camera[view.about["reference"]], about["crop"], about["size"])
        else:
            yield footage.crop_square(picture, about["crop"], about["size"])
