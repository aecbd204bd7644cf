"""Retargeting: computes the driving poses, in pixels of the target's S x S square.

Reconstruction (target == source, the paper's Person Reconstruction): the poses of the held-out frames, unchanged.
Action imitation: every pose of the source after global pose normalisation (`pose.pose_normalisation`). The same scale
and translation is applied to body, hands, feet and face.

Input: poses and timelines of both. Output: `driving`, a DRIVING table whose `frame` is the source's frame. Its metadata:
fps, first (source frame), reconstruction, scale (median), outside (share of the known joints outside the square).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.media import parquet
from stages.media.pose_table import read_poses
from stages.media.timeline import Timeline, read_timeline
from stages.pose import pose_normalisation
from stages.pose.skeleton import Pose
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import Retargeting, Transfer

MAX_OUTSIDE = 0.01  # share of joints outside of the target's square; a larger share causes a warning


def run(*, target_poses: Path, target_timeline: Path, source_poses: Path, source_timeline: Path, driving: Path,
        params: "Retargeting", entry: "Transfer") -> None:
    """Writes the driving poses. Raises InputError if there is no held-out part to reconstruct, or if a video does not
    show the whole person."""
    pose, columns, _ = read_poses(source_poses)
    timeline, side = read_timeline(source_timeline), read_timeline(target_timeline).about["size"]
    with Progress(total=len(pose), desc="retargeting", unit="frame") as progress:
        if entry.reconstruction:
            rows = held_out(timeline)
            pose, scales, offsets = pose[rows], np.ones(len(rows)), np.zeros((len(rows), 2))
        else:
            target = _stance(target_poses, target_timeline, "target")
            source = _stance(source_poses, source_timeline, "source")
            rows = np.arange(len(pose))
            scales, offsets = pose_normalisation.normalise(target, source, params.median_frames)
            pose = transformed(pose, scales, offsets)
        progress.update(progress.total)

    scale, outside = float(np.median(scales)), outside_share(pose.body, side)
    about = {
        "fps": timeline.about["fps"], "first": int(rows[0]), "reconstruction": entry.reconstruction,
        "scale": scale, "outside": outside,
    }
    columns = {name: column[rows] for name, column in columns.items()} | {"scale": scales, "offset": offsets}
    parquet.write(driving, parquet.DRIVING, pose.columns() | columns, about)
    warning = f"; {outside:.1%} of the joints are outside of the target's square" if outside > MAX_OUTSIDE else ""
    kind = "held-out poses, unchanged" if entry.reconstruction else f"poses, scale {scale:.3f}"
    print(f"retargeting: {len(rows)} {kind}{warning}")


def held_out(timeline: Timeline) -> np.ndarray:
    """The indices of the test frames. Raises InputError if the video has none."""
    if not timeline.is_split():
        raise InputError(
            f"{timeline.about['file']}: no held-out frames to reconstruct: {timeline.about['split_reason']}. Give a longer "
            "video, or a smaller frames.gap_seconds or frames.train_share"
        )
    return np.flatnonzero(timeline.split == "test")


def transformed(pose: Pose, scale: np.ndarray, offset: np.ndarray) -> Pose:
    """Maps every point p of frame t to p * scale[t] + offset[t]; scale (T,), offset (T, 2). Scores do not change."""
    factor = np.column_stack([scale, scale, np.ones(len(scale))])[:, None]   # (T, 1, 3)
    shift = np.column_stack([offset, np.zeros(len(scale))])[:, None]         # (T, 1, 3)
    return pose.map(lambda points: (points * factor + shift).astype(np.float32))


def outside_share(body: np.ndarray, side: int) -> float:
    """Share of the known joints of bodies (T, 18, 3) that are outside of the side x side square."""
    known = body[..., 2] > 0
    out = ((body[..., :2] < 0) | (body[..., :2] > side)).any(-1) & known
    return float(out.sum() / max(1, known.sum()))


def _stance(poses: Path, timeline: Path, role: str) -> pose_normalisation.Stance:
    """Measures the stance of the person in a video. Only training frames of the target are used, so that the result
    does not depend on its held-out frames. role: `target` or `source`. Raises InputError if the ankles or the head are
    never visible."""
    times, body = read_timeline(timeline), read_poses(poses)[0].body
    about = times.about
    (left, _, side), size = about["crop"], about["size"]
    middle = (about["full_size"][0] / 2 - left) * size / side
    try:
        rows = times.usable() if role == "target" else times.frame
        return pose_normalisation.measure_stance(body[rows], times.take[rows], about["fps"], middle)
    except ValueError as error:
        raise InputError(
            f"{poses}: cannot place the {role}: {error}. Expected a video that shows the whole person, feet included; "
            "give one, or use pose_extraction.min_score lower than the ankles' scores"
        ) from None
