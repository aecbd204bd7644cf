"""Pose coverage (not in the paper): measures which share of the driving poses is similar to a training pose of the
target. It is computed before the training, so that missing poses can be filmed first.

Input: the driving poses, the target's poses and timeline, and the frames of both for the picture. Output: `coverage`, a
COVERAGE table (its metadata: near, share), and `farthest`, a picture of poses to film. Its first row shows the driving
frames that are farthest from all training poses, the second row their poses, the third row the nearest training frames.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.imaging import contact_sheets
from stages.media import parquet, png, video_file
from stages.media.pose_table import read_poses
from stages.media.timeline import read_timeline
from stages.pose import pose_distance
from stages.pose.skeleton import Pose
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import PoseCoverage, Transfer


def run(*, driving: Path, target_poses: Path, target_timeline: Path, target_frames: Path, source_frames: Path,
        source_timeline: Path, coverage: Path, farthest: Path, params: "PoseCoverage", entry: "Transfer") -> None:
    """Writes table and picture. Raises InputError if no driving pose can be compared with a training pose, because too
    few joints are known."""
    poses, columns, _ = read_poses(driving)
    training = read_timeline(target_timeline).usable()
    with Progress(total=len(poses), desc="pose_coverage", unit="frame") as progress:
        distances, which = pose_distance.distance_to_nearest(poses, read_poses(target_poses)[0][training])
        progress.update(len(poses))
    nearest = np.where(which >= 0, training[which], -1)
    share = float((distances <= params.near).sum() / max(1, np.isfinite(distances).sum()))
    about = {"near": params.near, "share": share}
    table = {"frame": columns["frame"], "distance": distances, "nearest": nearest}
    parquet.write(coverage, parquet.COVERAGE, table, about)
    to_film = poses_to_film(distances, poses, params.near, params.frames)
    if not len(to_film):
        raise InputError(f"no pose of {entry.source} shows enough of the body to be compared with {entry.target}'s; "
                         "expected videos in which hips and most joints can be seen")
    rows = columns["frame"][to_film]
    source = video_file.pick(source_frames, rows)
    target = video_file.pick(target_frames, nearest[to_film])
    skeletons = [contact_sheets.with_skeleton(np.zeros_like(target[nearest[i]]), poses[i]) for i in to_film]
    png.write(farthest, contact_sheets.sheet([
        [source[row] for row in rows], skeletons, [target[row] for row in nearest[to_film]]]))
    seconds = read_timeline(source_timeline).seconds[columns["frame"]]
    moments = ", ".join(f"{seconds[i]:.1f} s ({distances[i]:.2f})" for i in to_film)
    print(f"pose coverage: {share:.0%} of {len(poses)} frames are near a training pose of {entry.target} (within "
          f"{params.near:g} torso lengths); farthest at {moments}: see {farthest}")


def poses_to_film(distances: np.ndarray, poses: Pose, near: float, count: int) -> np.ndarray:
    """Indices of at most `count` driving poses that should be filmed, in descending order of their distance.

    distances (T,): to the nearest training pose, in torso lengths. Poses within the distance `near` of one that is
    already chosen are left out. If no distance is larger than `near`, the result is the pose with the largest one; if
    all are NaN, it is empty."""
    left = np.flatnonzero(distances > near)
    if not len(left) and np.isfinite(distances).any():
        left = np.array([np.nanargmax(distances)])
    chosen: list[int] = []
    while len(left) and len(chosen) < count:
        chosen.append(int(left[distances[left].argmax()]))
        covered = pose_distance.distance_to_nearest(poses[left], poses[chosen[-1:]])[0] <= near
        left = left[~covered & (left != chosen[-1])]
    return np.array(chosen, int)
