"""The person's soft alpha in every frame (paper section 2.1).

First a network: the pose estimator's own silhouettes where it is the same one, else its masks, pointed at the person by
the pose. Then, with `against_plate`, each frame is held against the empty background: the median of a sample of
training frames, so that no mask that is learned from knows the held-out ones. Without it the network's edges only move
onto the image's.

Out: `masks`, 8-bit alpha, one a frame; empty where there is nobody, and outside of what the camera saw.
"""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from stages import InputError
from stages.estimators.person import segmenter
from stages.matting import alpha_matte, plate
from stages.matting.background_difference import DifferenceMatting
from stages.media import video_file
from stages.media.clock import Clock, read_clock
from stages.media.pose_table import read_poses
from stages.media.prefetch import batches, ordered_map, prefetched
from stages.media.view import View, read_view
from stages.params import MaskSegmentation
from stages.pose.skeleton import L_HIP, R_HIP, Pose
from stages.progress import Progress
from stages.tracking.boxes import Person

SNUG = 0.9     # of the circle that holds all points: the network sees the person larger, which is measured to be best
SAMPLE = 100   # frames at most that the plate is made of
COVERED = 12   # soft mask of 255 from which a pixel may be the person's
HALO = 0.004   # share of S around it that they still colour


def run(*, frames: Path, clock: Path, view: Path, poses: Path, silhouettes: Path, masks: Path,
        params: MaskSegmentation) -> None:
    scene, timeline = read_view(view), read_clock(clock)
    crop, size = timeline.about["crop"], timeline.about["size"]
    pose, _, estimated = read_poses(poses)
    given = silhouettes if estimated["silhouettes"] == params.estimator else None
    pairs, shares, radius = softly(frames, given, pose, scene, params), [], max(1, round(params.refine_radius * size))
    with TemporaryDirectory(dir=masks.parent, prefix=".masks_") as folder:
        if params.against_plate:
            kept = Path(folder) / "soft.mkv"
            against = DifferenceMatting.from_plate(survey(pairs, kept, video_file.frame_rate(frames), scene, timeline))
            pairs = zip(video_file.frames(frames), (soft.astype(np.float32) / 255 for soft in video_file.frames(kept, "gray")))
        made_by = {"estimator": params.estimator, "model": params.model}
        with video_file.lossless(masks, video_file.frame_rate(frames), "gray", metadata=made_by) as add:
            def finish(item: tuple[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
                t, (frame, soft) = item
                shown = scene.visible(t, crop, size)
                if params.against_plate:
                    alpha = against.alpha(frame, alpha_matte.with_hands(soft, pose[t]), shown)
                    return alpha_matte.cleaned(alpha, pose[t]) * shown
                return alpha_matte.refine(frame, soft, radius, pose[t]) * shown

            alphas = ordered_map(finish, prefetched(enumerate(pairs)))
            for alpha in Progress(alphas, "mask_segmentation", len(pose), unit="frame"):
                add(np.rint(255 * alpha).astype(np.uint8))
                shares.append(alpha.mean())
    shares = np.array(shares)
    found = shares > 0
    print(f"mask_segmentation: a person in {found.sum()} of {len(found)} masks"
          + (f", covering {shares[found].min():.1%} to {shares[found].max():.1%} of the frame" if found.any() else ""))


def softly(frames: Path, silhouettes: Path | None, pose: Pose, scene: View, params: MaskSegmentation
           ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every frame with the network's soft mask, float32: its silhouette; where that is empty, what the network makes of
    the place where the person is said to be."""
    outlines = video_file.frames(silhouettes, "gray") if silhouettes else repeat(np.zeros((1, 1), np.uint8), len(pose))
    network, t = None, 0
    for batch in batches(zip_equal(frames, video_file.frames(frames), outlines), params.batch):
        pictures, shown = zip(*batch)
        people = [None if outline.any() else where(pose[t + i], scene.box[t + i]) for i, outline in enumerate(shown)]
        if any(people):
            network = network or segmenter(params)
            shown = [outline if mask is None else 255 * mask
                     for outline, mask in zip(shown, network.masks(pictures, people))]
        for picture, outline in zip(pictures, shown):
            yield picture, np.broadcast_to(outline * np.float32(1 / 255), picture.shape[:2])
        t += len(batch)


def zip_equal(frames: Path, pictures: Iterator, outlines: Iterator) -> Iterator[tuple]:
    """Pairs; InputError where there is not one outline for each picture."""
    try:
        yield from zip(pictures, outlines, strict=True)
    except ValueError:
        raise InputError(f"{frames}: not as many frames as poses or silhouettes; run pose_extraction again") from None


def where(pose: Pose, box: np.ndarray) -> Person | None:
    """Where to look for the person of a pose: around the hips, or where they were followed to; None if nowhere."""
    points = pose.points(face=False)  # (64, 3)
    known, hips = points[points[:, 2] > 0, :2], pose.body[[R_HIP, L_HIP]]
    hips = hips[hips[:, 2] > 0, :2]
    if len(known) >= 4 and len(hips):
        x, y = (float(value) for value in hips.mean(0))
        radius = SNUG * float(np.linalg.norm(known - (x, y), axis=1).max())
        return Person((x - radius, y - radius, x + radius, y + radius))
    return Person(tuple(box.tolist())) if np.isfinite(box).all() else None


def survey(pairs: Iterator, kept: Path, fps: float, scene: View, timeline: Clock) -> plate.Plate:
    """One pass over frames and soft masks: the plate of a sample of the usable ones, and the masks put in `kept`."""
    count, usable, size = len(scene.box), timeline.usable(), timeline.about["size"]
    sample = usable[np.unique(np.linspace(0, len(usable) - 1, min(SAMPLE, len(usable))).round().astype(int))].tolist()
    pictures, covered = np.empty((len(sample), size, size, 3), np.uint8), np.empty((len(sample), size, size), bool)
    around = np.ones((2 * max(1, round(HALO * size)) + 1,) * 2, np.uint8)
    with video_file.lossless(kept, fps, "gray") as keep:
        for t, (frame, soft) in enumerate(Progress(prefetched(pairs), "mask_segmentation: plate", count, unit="frame")):
            soft = np.rint(255 * soft).astype(np.uint8)
            keep(soft)
            if t in sample:
                i = sample.index(t)
                pictures[i] = frame
                covered[i] = (cv2.dilate(soft, around) >= COVERED) | ~scene.visible(t, timeline.about["crop"], size)
    return plate.of(pictures, covered)
