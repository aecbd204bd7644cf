"""The person's pose in every frame (paper section 2.1): joints, hands, feet and face points with scores.

In: frames.mkv, its clock, and the view, which tells where the person is. Out: `poses` (tables.POSES), pixels of the
S x S frame, cleaned and smoothed over time; and `silhouettes`, the soft masks that the estimator's network gives in the
same pass (8-bit grey, black where it gives none). Short gaps are filled and marked. Where nobody is found for longer,
and outside of what the camera saw, points are unknown.
"""

from collections.abc import Iterator
from itertools import chain, starmap, zip_longest
from pathlib import Path

import numpy as np

from stages import InputError
from stages.estimators.pose import PoseEstimator, Sighting, build_pose_estimator, hide_unknown
from stages.media import parquet, video_file
from stages.media.clock import Clock, read_clock
from stages.media.footage import crop_to_frame
from stages.media.prefetch import batches, prefetched
from stages.media.view import View, read_view
from stages.params import PoseExtraction
from stages.pose import gaps, smoothing
from stages.pose.skeleton import Pose, person_height
from stages.progress import Progress
from stages.tracking.boxes import Person

ROOM = 0.1     # of its longer side is added around a person's box; the middle of their joints lies within
BORDER = 0.01  # of S: as far outside of what the camera saw a point may lie
SMALL = 64     # pixels of the user's video


def run(*, frames: Path, clock: Path, view: Path, poses: Path, silhouettes: Path, params: PoseExtraction) -> None:
    timeline, scene = read_clock(clock), read_view(view)
    fps, size, found = timeline.about["fps"], timeline.about["size"], []
    estimator, nothing = build_pose_estimator(params), np.zeros((size, size), np.uint8)
    with video_file.lossless(silhouettes, fps, "gray") as add:
        looks = sightings(frames, scene, estimator, params.batch)
        for sighting in Progress(looks, "pose_extraction", len(scene.box), unit="frame"):
            found.append(sighting.pose if sighting else Pose.unknown())
            soft = sighting and sighting.silhouette
            add(nothing if soft is None else np.rint(255 * soft).astype(np.uint8))

    pose = Pose.stack(found).map(lambda points: hide_unknown(points, params.min_score))
    pose = pose.map(lambda points: hidden(points, ~in_picture(points, timeline, scene)))
    detected = (pose.body[..., 2] > 0).any(1)
    if not detected.any():
        raise InputError(f"{timeline.about['file']}: no person in any of {len(found)} frames; "
                         "expected one person, whole and upright")
    pose, interpolated = over_time(pose, timeline.take, fps, params.smoothing, int(params.max_gap_seconds * fps))
    parquet.write(poses, parquet.POSES, {
        "frame": np.arange(len(found)), **pose.columns(), "detected": detected, "interpolated": interpolated,
        "people": scene.people,
    }, {"estimator": params.estimator, "model": params.model, "details": params.details, "fps": fps,
        "smoothing": params.smoothing, "silhouettes": params.estimator if estimator.silhouettes else None})
    print(summary(pose, detected, interpolated, scene.people) + warning(pose, detected, timeline))


def sightings(frames: Path, scene: View, estimator: PoseEstimator, batch: int
              ) -> Iterator[Sighting | None]:
    """The person in each frame; None where they are not, or where somebody else was seen in their place. One thread
    decodes and one looks, while the caller uses what was seen."""
    people = [Person(tuple(map(float, box))) if np.isfinite(box).all() else None for box in scene.box]

    def look(pictures: list[np.ndarray], told: list[Person | None]) -> list[Sighting | None]:
        if len(pictures) != len(told):
            raise InputError(f"{frames}: not the {len(people)} frames of its view; run frames again")
        return [sighting if sighting and agree(sighting.pose, person) else None
                for sighting, person in zip(estimator.sightings(pictures, told), told)]

    pictures = prefetched(batches(video_file.frames(frames), batch))
    return chain.from_iterable(prefetched(starmap(look, zip_longest(pictures, batches(people, batch), fillvalue=()))))


def agree(pose: Pose, person: Person) -> bool:
    """Whether a pose can be that of the person: the middle of its joints lies in their box, or close by."""
    known = pose.body[pose.body[:, 2] > 0, :2]
    if not len(known):
        return False
    reach = np.array(person.size) / 2 + ROOM * max(person.size)
    return bool((np.abs(np.median(known, axis=0) - person.centre) <= reach).all())


def in_picture(points: np.ndarray, timeline: Clock, scene: View) -> np.ndarray:
    """Which points (T, n) lie in what the camera saw, and not in what goes on beyond it."""
    size = timeline.about["size"]
    crop = np.vstack([crop_to_frame(timeline.about["crop"], size), [0, 0, 1]])
    shifted = np.concatenate([points[..., :2] - 0.5, np.ones_like(points[..., :1])], -1)  # (T, n, 3) pixel centres
    there = np.einsum("tij,tnj->tni", np.linalg.inv(scene.camera) @ crop, shifted)  # (T, n, 3) of the video's frame
    there = there[..., :2] / there[..., 2:] + 0.5
    spare = BORDER * timeline.about["crop"][2]
    return ((there >= -spare) & (there <= np.array(scene.about["frame_size"]) + spare)).all(-1)


def over_time(pose: Pose, take: np.ndarray, fps: float, strength: float, longest: int) -> tuple[Pose, np.ndarray]:
    """The pose without swapped sides, outliers and noise, its gaps of at most `longest` frames filled point by point,
    and the frames (T,) where a body joint was filled; each take, of which `take` (T,) has the number, by itself.
    Strength 0 leaves what was detected as it is."""
    poses, filled = zip(*(within_take(pose[take == one], fps, strength, longest) for one in np.unique(take)))
    return Pose.concatenate(poses), np.concatenate(filled)


def within_take(pose: Pose, fps: float, strength: float, longest: int) -> tuple[Pose, np.ndarray]:
    if strength and (pose.body[..., 2] > 0).any():
        pose = smoothing.without_swapped_sides(pose, fps)
        size = smoothing.body_size(pose.body)
        pose = pose.map(lambda points: hidden(points, smoothing.outliers(points, size, fps)))
    columns, filled = {}, {}
    for name, points in pose.columns().items():
        columns[name], filled[name] = gaps.fill(points, longest)
        if strength:
            columns[name] = smoothing.smooth(columns[name], filled[name], strength, fps)
    return Pose(**columns), filled["body"].any(1)


def hidden(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The points (T, n, 3) with some (T, n) made unknown."""
    return np.where(which[..., None], np.float32([np.nan, np.nan, 0]), points)


def summary(pose: Pose, detected: np.ndarray, interpolated: np.ndarray, people: np.ndarray) -> str:
    hands = np.stack([pose.left_hand, pose.right_hand])
    line = (f"pose_extraction: a person in {detected.sum()} of {len(detected)} frames, "
            f"{np.mean(pose.body[..., 2] > 0):.0%} of the joints, "
            f"a face in {np.mean((pose.face[..., 2] > 0.5).all(1)):.0%}, hands in {np.mean(hands[..., 0, 2] > 0):.0%}; "
            f"{int(interpolated.sum())} frames with joints interpolated")
    if (people > 1).any():
        line += f"; {people.max()} people in {int((people > 1).sum())} frames, one is followed"
    return line


def warning(pose: Pose, detected: np.ndarray, timeline: Clock) -> str:
    missing, scale = int((~detected).sum()), timeline.about["crop"][2] / timeline.about["size"]
    tall, line = scale * np.nanmedian(person_height(pose.body)), ""
    if missing > len(detected) / 2:
        line += f"; WARNING: nobody is found in {missing} frames, more than half: is the person whole, and near enough?"
    if tall < SMALL:
        line += (f"; WARNING: the person is {tall:.0f} pixels high in the video, fewer than {SMALL}: "
                 "expect wrong joints; film from nearer")
    return line
