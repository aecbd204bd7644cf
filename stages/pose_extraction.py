"""The person's pose in every frame (paper section 2.1): joints, hands, feet and face points with scores.

In: frames.mkv and its clock. Out: `poses` (tables.POSES), pixels of the S x S frame. Short gaps are filled and
marked; where nobody is found for longer, the points are unknown.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import InputError, params as config
from stages.estimators import pose as estimator
from stages.estimators.person import MediaPipeDetector
from stages.media import tables, video
from stages.media.clock import read_clock
from stages.vision import gaps
from stages.vision.skeleton import Pose
from stages.vision.tracks import main_person

COUNT_EVERY = 0.4  # seconds between two counts of the people


def run(frames: Path, clock: Path, poses: Path, params: config.PoseExtraction) -> None:
    timeline = read_clock(clock)
    fps, file = timeline.about["fps"], timeline.about["file"]
    estimate, detector = estimator.build(params.estimator, params.complexity), MediaPipeDetector()
    found, people, every = [], [], max(1, round(COUNT_EVERY * fps))
    for index, frame in enumerate(tqdm(video.frames(frames), "pose_extraction", len(timeline.frame), unit="frame")):
        pose = estimate(frame)
        found.append(pose.map(lambda points: estimator.hide_unknown(points, params.min_score)) if pose else None)
        if index % every == 0:
            several = len(detector.detect(frame))
        people.append(max(several, int(pose is not None)))

    pose, detected = follow(found)
    if not detected.any():
        raise InputError(f"{file}: no person in any of {len(found)} frames; expected one person, whole and upright")
    pose, interpolated = bridge(pose, int(params.max_gap_seconds * fps))
    tables.write(poses, tables.POSES, {
        "frame": np.arange(len(found)), **pose.columns(), "detected": detected, "interpolated": interpolated,
        "people": people,
    }, {"estimator": params.estimator, "fps": fps})
    print(summary(pose, detected, interpolated, np.array(people)))


def follow(found: list[Pose | None]) -> tuple[Pose, np.ndarray]:
    """The poses of the main person, and in which frames they are. A pose that leaps away is somebody else's: it is
    dropped, unless that other person turns out to be the larger and steadier one."""
    chosen = main_person([_sighting(pose) for pose in found])
    poses = [pose if which == 0 else Pose.unknown() for pose, which in zip(found, chosen)]
    return Pose.stack(poses), np.array(chosen) == 0


def bridge(pose: Pose, longest: int) -> tuple[Pose, np.ndarray]:
    """Fills gaps of at most `longest` frames, point by point, and tells the frames where a body joint was filled."""
    filled = {name: gaps.fill(points, longest) for name, points in pose.columns().items()}
    return Pose(**{name: points for name, (points, _) in filled.items()}), filled["body"][1].any(1)


def summary(pose: Pose, detected: np.ndarray, interpolated: np.ndarray, people: np.ndarray) -> str:
    missing = int((~detected).sum())
    line = (f"pose_extraction: a person in {len(detected) - missing} of {len(detected)} frames, {np.mean(pose.body[..., 2] > 0):.0%} "
            f"of the joints, a face in {np.mean((pose.face[..., 2] > 0.5).all(1)):.0%}, "
            f"hands in {np.mean([(hand[:, 0, 2] > 0).mean() for hand in (pose.left_hand, pose.right_hand)]):.0%}; "
            f"{int(interpolated.sum())} frames with joints interpolated")
    if missing > len(detected) / 2:
        line += f"; WARNING: nobody is found in {missing} frames, more than half: is the person whole, and near enough?"
    if (people > 1).any():
        line += f"; {people.max()} people in {int((people > 1).sum())} frames, the larger and steadier is followed"
    return line


def _sighting(pose: Pose | None) -> np.ndarray:
    """Middle and extent of a pose for `main_person`, (1, 3); (0, 3) where there is none."""
    known = pose.body[pose.body[:, 2] > 0, :2] if pose else np.empty((0, 2))
    if len(known) < 4:
        return np.empty((0, 3))
    low, high = known.min(0), known.max(0)
    return np.array([[*(low + high) / 2, np.linalg.norm(high - low)]])
