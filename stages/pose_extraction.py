"""The person's pose in every frame (paper section 2.1): joints, hands, feet and face points with scores.

In: frames.mkv and its clock. Out: `poses` (tables.POSES), pixels of the S x S frame. Short gaps are filled and
marked; where nobody is found for longer, the points are unknown.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import InputError, params as config
from stages.estimators import pose as estimator
from stages.estimators.person import MediaPipeDetector, Person, places
from stages.media import tables, video
from stages.media.clock import read_clock
from stages.vision import gaps
from stages.vision.skeleton import Pose
from stages.vision.tracks import main_person

LOOK_EVERY = 0.2   # seconds between two looks at everyone in the frame
LOST_AFTER = 5     # looks in a row without the main person, until what is followed is no longer believed


def run(frames: Path, clock: Path, poses: Path, params: config.PoseExtraction) -> None:
    timeline = read_clock(clock)
    fps, count = timeline.about["fps"], len(timeline.frame)
    every = max(1, round(LOOK_EVERY * fps))
    estimate, found = estimator.build(params.estimator, params.complexity), []
    looks, people = look(frames, every, count)
    for pose in tqdm(follow(video.frames(frames), looks, every, estimate), "pose_extraction", count, unit="frame"):
        pose = pose or Pose.unknown()
        found.append(pose.map(lambda points: estimator.hide_unknown(points, params.min_score)))

    pose = Pose.stack(found)
    detected = (pose.body[..., 2] > 0).any(1)
    if not detected.any():
        raise InputError(f"{timeline.about['file']}: no person in any of {len(found)} frames; "
                         "expected one person, whole and upright")
    pose, interpolated = bridge(pose, int(params.max_gap_seconds * fps))
    tables.write(poses, tables.POSES, {
        "frame": np.arange(len(found)), **pose.columns(), "detected": detected, "interpolated": interpolated,
        "people": people,
    }, {"estimator": params.estimator, "fps": fps})
    print(summary(pose, detected, interpolated, np.array(people)))


def look(frames: Path, every: int, count: int) -> tuple[list[Person | None], list[int]]:
    """The main person in every `every`-th frame and in the last one, and for each frame how many people were seen at
    the last look."""
    detector, seen, people = MediaPipeDetector(), [], []
    for index, frame in enumerate(tqdm(video.frames(frames), "looking for people", count, unit="frame")):
        if index % every == 0 or index == count - 1:
            seen.append(detector.detect(frame))
        people.append(len(seen[-1]))
    chosen = main_person([places(look) for look in seen], reach=1.0)
    return [look[which] if which >= 0 else None for look, which in zip(seen, chosen)], people


def follow(frames: Iterable[np.ndarray], looks: list[Person | None], every: int, estimate: estimator.PoseEstimator
           ) -> Iterator[Pose | None]:
    """The main person's pose in each frame. The last pose tells where to look; where it does not agree with who was
    seen there, or nobody was seen for long, what is followed is somebody or something else and is let go."""
    person, unseen = None, 0
    for index, frame in enumerate(frames):
        here = looks[index // every]
        if index % every == 0:
            unseen = 0 if here else unseen + 1
            if unseen > LOST_AFTER or (here and person and apart(here, person)):
                person = None
        nearby = here or looks[min(index // every + 1, len(looks) - 1)]
        results = (estimate(frame, place) for place in (person, nearby) if place)
        pose, person = next(filter(None, results), (None, None))
        yield pose


def apart(one: Person, other: Person) -> bool:
    return np.hypot(one.x - other.x, one.y - other.y) > 0.6 * max(one.radius, other.radius)


def bridge(pose: Pose, longest: int) -> tuple[Pose, np.ndarray]:
    """Fills gaps of at most `longest` frames, point by point, and tells the frames where a body joint was filled."""
    filled = {name: gaps.fill(points, longest) for name, points in pose.columns().items()}
    return Pose(**{name: points for name, (points, _) in filled.items()}), filled["body"][1].any(1)


def summary(pose: Pose, detected: np.ndarray, interpolated: np.ndarray, people: np.ndarray) -> str:
    missing, hands = int((~detected).sum()), np.stack([pose.left_hand, pose.right_hand])
    line = (f"pose_extraction: a person in {len(detected) - missing} of {len(detected)} frames, "
            f"{np.mean(pose.body[..., 2] > 0):.0%} of the joints, "
            f"a face in {np.mean((pose.face[..., 2] > 0.5).all(1)):.0%}, hands in {np.mean(hands[..., 0, 2] > 0):.0%}; "
            f"{int(interpolated.sum())} frames with joints interpolated")
    if missing > len(detected) / 2:
        line += f"; WARNING: nobody is found in {missing} frames, more than half: is the person whole, and near enough?"
    if (people > 1).any():
        line += f"; {people.max()} people in {int((people > 1).sum())} frames, the larger and steadier is followed"
    return line
