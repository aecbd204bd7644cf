"""The person's pose in every frame (paper section 2.1): joints, hands, feet and face points with scores.

Inputs: the frames, their timeline, and the view, which has the person's box in each frame. Outputs: `poses`
(parquet.POSES) in pixels of the S x S frame, cleaned and smoothed over time; and `silhouettes`, the soft masks that the
estimator's network computes in the same pass (8-bit grey, black for frames without a mask). Short gaps are filled and
marked. Points are unknown in longer gaps and outside the camera's view.
"""

from collections.abc import Iterator
from itertools import chain, starmap, zip_longest
from pathlib import Path

import numpy as np

from stages import InputError
from stages.estimators import pose_estimator
from stages.estimators.pose_estimator import PoseDetection
from stages.media import parquet, video_file
from stages.media.footage import crop_to_frame
from stages.media.prefetch import batches, prefetched
from stages.media.timeline import Timeline, read_timeline
from stages.media.view import View, read_view
from stages.params import PoseExtraction
from stages.pose.cleaning import clean_poses, without, without_detached_hands
from stages.pose.skeleton import Pose, person_height
from stages.progress import Progress
from stages.tracking.boxes import Person

MARGIN = 0.1   # around a person's box, in shares of its longer side: the median of the joints must lie within
BORDER = 0.01  # distance that a point may lie outside the camera's view, share of S
SMALL = 64     # pixels of the user's video: a smaller person gives a warning


def run(*, frames: Path, timeline: Path, view: Path, poses: Path, silhouettes: Path, params: PoseExtraction) -> None:
    times, scene = read_timeline(timeline), read_view(view)
    fps, size, detected_poses = times.about["fps"], times.about["size"], []
    estimator, no_mask = pose_estimator.build_pose_estimator(params), np.zeros((size, size), np.uint8)
    with video_file.lossless(silhouettes, fps, "gray") as add:
        results = detect_poses(frames, scene, estimator, params.batch)
        for detection in Progress(results, "pose_extraction", len(scene.box), unit="frame"):
            detected_poses.append(detection.pose if detection else Pose.unknown())
            mask = detection and detection.silhouette
            add(no_mask if mask is None else np.rint(255 * mask).astype(np.uint8))

    pose = Pose.stack(detected_poses).map(lambda points: pose_estimator.hide_unknown(points, params.min_score))
    pose = pose.map(lambda points: without(points, ~in_view(points, times, scene)))
    detected = (pose.body[..., 2] > 0).any(1)
    if not detected.any():
        raise InputError(f"{times.about['file']}: no person in any of {len(pose)} frames; "
                         "expected one person, whole and upright")
    pose, interpolated = clean_poses(pose, times.take, fps, params.smoothing, int(params.max_gap_seconds * fps))
    pose = pose.map(lambda points: without(points, ~in_view(points, times, scene)))  # smoothing may move points
    pose = without_detached_hands(pose)
    parquet.write(poses, parquet.POSES, {
        "frame": np.arange(len(pose)), **pose.columns(), "detected": detected, "interpolated": interpolated,
        "people": scene.people,
    }, {"estimator": params.estimator, "model": params.model, "details": params.details,
        "mirrored": params.mirrored, "fps": fps,
        "smoothing": params.smoothing, "silhouettes": params.estimator if estimator.provides_silhouettes else None})
    print(summary(pose, detected, interpolated, scene.people) + warning(pose, detected, times))


def detect_poses(frames: Path, scene: View, estimator: pose_estimator.PoseEstimator, batch: int
                 ) -> Iterator[PoseDetection | None]:
    """The pose and silhouette of the person in each frame; None if the person is not found, or if the pose is of another
    person. One thread decodes and one estimates while the caller uses the results."""
    people = [Person(tuple(map(float, box))) if np.isfinite(box).all() else None for box in scene.box]

    def estimate(pictures: list[np.ndarray], people_in: list[Person | None]) -> list[PoseDetection | None]:
        if len(pictures) != len(people_in):
            raise InputError(f"{frames}: not the {len(people)} frames of its view; run frames again")
        return [detection if detection and matches(detection.pose, person) else None
                for detection, person in zip(estimator.estimate(pictures, people_in), people_in)]

    pictures = prefetched(batches(video_file.frames(frames), batch))
    pairs = zip_longest(pictures, batches(people, batch), fillvalue=())
    return chain.from_iterable(prefetched(starmap(estimate, pairs)))


def matches(pose: Pose, person: Person) -> bool:
    """Whether a pose can be that of the person: the median of its joints lies in their box or close to it."""
    known = pose.body[pose.body[:, 2] > 0, :2]
    if not len(known):
        return False
    limit = np.array(person.size) / 2 + MARGIN * max(person.size)
    return bool((np.abs(np.median(known, axis=0) - person.centre) <= limit).all())


def in_view(points: np.ndarray, times: Timeline, scene: View) -> np.ndarray:
    """Which points (T, n, 3) lie in the camera's view, (T, n) bool."""
    size = times.about["size"]
    crop = np.vstack([crop_to_frame(times.about["crop"], size), [0, 0, 1]])
    homogeneous = np.concatenate([points[..., :2] - 0.5, np.ones_like(points[..., :1])], -1)  # (T, n, 3) pixel centres
    projected = np.einsum("tij,tnj->tni", np.linalg.inv(scene.camera) @ crop, homogeneous)  # in the video's frame
    projected = projected[..., :2] / projected[..., 2:] + 0.5
    border = BORDER * times.about["crop"][2]
    return ((projected >= -border) & (projected <= np.array(scene.about["frame_size"]) + border)).all(-1)


def summary(pose: Pose, detected: np.ndarray, interpolated: np.ndarray, people: np.ndarray) -> str:
    hands = np.stack([pose.left_hand, pose.right_hand])
    line = (f"pose_extraction: a person in {detected.sum()} of {len(detected)} frames, "
            f"{np.mean(pose.body[..., 2] > 0):.0%} of the joints, "
            f"a face in {np.mean((pose.face[..., 2] > 0.5).all(1)):.0%}, hands in {np.mean(hands[..., 0, 2] > 0):.0%}; "
            f"{int(interpolated.sum())} frames with joints interpolated")
    if (people > 1).any():
        line += f"; {people.max()} people in {int((people > 1).sum())} frames, one is tracked"
    return line


def warning(pose: Pose, detected: np.ndarray, times: Timeline) -> str:
    missing, scale = int((~detected).sum()), times.about["crop"][2] / times.about["size"]
    height, line = scale * np.nanmedian(person_height(pose.body)), ""
    if missing > len(detected) / 2:
        line += (f"; WARNING: no person found in {missing} frames, more than half: "
                 "is the whole person in view, and close enough?")
    if height < SMALL:
        line += (f"; WARNING: the person is {height:.0f} pixels high in the video, fewer than {SMALL}: "
                 "expect wrong joints; film from a shorter distance")
    return line
