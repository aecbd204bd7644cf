"""Pose coverage: how much of the driving motion lies near poses that the target was filmed in. Not in the paper; told
before anything is trained, so that what is missing is filmed instead of waited for.

In: the driving poses, the target's poses and clock, and the frames of both to show what is meant. Out: `coverage`, a
COVERAGE table (about: near, share), and `farthest`, a picture of what to film: above the driving frames that are
farthest from all that was filmed, in the middle their poses, below the target's frames of the nearest poses.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.imaging import contact_sheets
from stages.media import parquet, png, video_file
from stages.media.clock import read_clock
from stages.media.pose_table import read_poses
from stages.pose.pose_distance import distance_to_nearest
from stages.pose.skeleton import Pose
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import PoseCoverage, Transfer


def run(*, driving: Path, target_poses: Path, target_clock: Path, target_frames: Path, source_frames: Path,
        source_clock: Path, coverage: Path, farthest: Path, params: "PoseCoverage", entry: "Transfer") -> None:
    poses, columns, _ = read_poses(driving)
    filmed = read_clock(target_clock).usable()  # the frames that will be learned from
    with Progress(total=len(poses), desc="pose_coverage", unit="frame") as progress:
        found, which = distance_to_nearest(poses, read_poses(target_poses)[0][filmed])
        progress.update(len(poses))
    nearest = np.where(which >= 0, filmed[which], -1)
    share = float((found <= params.near).sum() / max(1, np.isfinite(found).sum()))
    about = {"near": params.near, "share": share}
    parquet.write(coverage, parquet.COVERAGE, {"frame": columns["frame"], "distance": found, "nearest": nearest}, about)
    seconds = read_clock(source_clock).seconds[columns["frame"]]
    worst = to_film(found, poses, params.near, params.frames)
    if not len(worst):
        raise InputError(f"no pose of {entry.source} shows enough of the body to be compared with {entry.target}'s; expected "
                         "videos in which hips and most joints can be seen")
    shown = video_file.pick(source_frames, columns["frame"][worst])
    known = video_file.pick(target_frames, nearest[worst])
    above = [contact_sheets.with_skeleton(np.zeros_like(known[nearest[i]]), poses[i]) for i in worst]
    png.write(farthest, contact_sheets.sheet([
        [shown[frame] for frame in columns["frame"][worst]], above, [known[frame] for frame in nearest[worst]]]))
    told = ", ".join(f"{seconds[i]:.1f} s ({found[i]:.2f})" for i in worst)
    print(f"pose coverage: {share:.0%} of {len(poses)} frames are as {entry.target} was filmed (within {params.near:g} "
          f"of a torso); farthest at {told}: see {farthest}")


def to_film(found: np.ndarray, poses: Pose, near: float, count: int) -> np.ndarray:
    """At most `count` of the driving frames, the farthest first: who films their poses has filmed those that are left
    out, too. The farthest one alone where all count as filmed; none where none can be compared."""
    left = np.flatnonzero(found > near)
    if not len(left) and np.isfinite(found).any():
        left = np.array([np.nanargmax(found)])
    chosen: list[int] = []
    while len(left) and len(chosen) < count:
        chosen.append(int(left[found[left].argmax()]))
        alike = distance_to_nearest(poses[left], poses[chosen[-1:]])[0] <= near
        left = left[~alike & (left != chosen[-1])]
    return np.array(chosen, int)
