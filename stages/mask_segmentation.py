"""Mask segmentation (paper section 2.1): computes the person's alpha matte in every frame.

The first pass uses a segmentation network: the silhouettes of pose_extraction if the same estimator computed them,
otherwise masks that are prompted with a box around the pose. With `against_plate`, a second pass compares each frame
with the plate, the temporal median of a sample of training frames. The sample contains no held-out frames, so that
training masks do not depend on them. Without `against_plate`, only the edges of the network's mask are aligned with
those of the image.

Output: `masks`, one 8-bit alpha matte for each frame. It is 0 where there is no person and outside the camera's view.
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
from stages.media.pose_table import read_poses
from stages.media.prefetch import batches, ordered_map, prefetched
from stages.media.sampling import evenly_spaced
from stages.media.timeline import Timeline, read_timeline
from stages.media.view import View, read_view
from stages.params import MaskSegmentation
from stages.pose.skeleton import L_HIP, R_HIP, Pose
from stages.progress import Progress
from stages.tracking.boxes import Person

PROMPT_RADIUS = 0.9  # half side of the prompt box, in radii of the circle around the hips that contains all points
SAMPLE = 100   # largest number of frames from which the plate is computed
COVERED = 12   # mask value (of 255) from which a pixel may show the person
HALO = 0.004   # margin around the mask in which the person still affects colours, share of S


def run(*, frames: Path, timeline: Path, view: Path, poses: Path, silhouettes: Path, masks: Path,
        params: MaskSegmentation) -> None:
    scene, times = read_view(view), read_timeline(timeline)
    crop, size = times.about["crop"], times.about["size"]
    pose, _, estimated = read_poses(poses)
    given = silhouettes if estimated["silhouettes"] == params.estimator else None
    fps, radius = video_file.frame_rate(frames), max(1, round(params.refine_radius * size))
    pairs, coverage = soft_masks(frames, given, pose, scene, params), []
    with TemporaryDirectory(dir=masks.parent, prefix=".masks_") as folder:
        if params.against_plate:
            soft_file = Path(folder) / "soft.mkv"
            matting = DifferenceMatting.from_plate(make_plate(pairs, soft_file, fps, scene, times))
            soft_again = (soft.astype(np.float32) / 255 for soft in video_file.frames(soft_file, "gray"))
            pairs = zip(video_file.frames(frames), soft_again)
        made_by = {"estimator": params.estimator, "model": params.model}
        with video_file.lossless(masks, fps, "gray", metadata=made_by) as add:
            def finish(item: tuple[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
                t, (frame, soft) = item
                shown = scene.visible(t, crop, size)
                if params.against_plate:
                    alpha = matting.alpha(frame, alpha_matte.with_hands(soft, pose[t]), shown)
                    return alpha_matte.cleaned(alpha, pose[t]) * shown
                return alpha_matte.refine(frame, soft, radius, pose[t]) * shown

            alphas = ordered_map(finish, prefetched(enumerate(pairs)))
            for alpha in Progress(alphas, "mask_segmentation", len(pose), unit="frame"):
                add(np.rint(255 * alpha).astype(np.uint8))
                coverage.append(alpha.mean())
    coverage = np.array(coverage)
    found = coverage > 0
    print(f"mask_segmentation: a person in {found.sum()} of {len(found)} masks"
          + (f", covering {coverage[found].min():.1%} to {coverage[found].max():.1%} of the frame"
             if found.any() else ""))


def soft_masks(frames: Path, silhouettes: Path | None, pose: Pose, scene: View, params: MaskSegmentation
               ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields every frame (S, S, 3) uint8 with the network's soft mask (S, S) float32 in [0, 1]: the silhouette from
    pose_extraction or, if that is empty, the segmenter's mask for the person's box."""
    given = video_file.frames(silhouettes, "gray") if silhouettes else repeat(np.zeros((1, 1), np.uint8), len(pose))
    network, t = None, 0
    for batch in batches(zip_strict(frames, video_file.frames(frames), given), params.batch):
        pictures, outlines = zip(*batch)
        people = [None if outline.any() else prompt_box(pose[t + i], scene.box[t + i])
                  for i, outline in enumerate(outlines)]
        if any(people):
            network = network or segmenter(params)
            outlines = [outline if mask is None else 255 * mask
                        for outline, mask in zip(outlines, network.masks(pictures, people))]
        for picture, outline in zip(pictures, outlines):
            yield picture, np.broadcast_to(outline * np.float32(1 / 255), picture.shape[:2])
        t += len(batch)


def zip_strict(frames: Path, pictures: Iterator, silhouettes: Iterator) -> Iterator[tuple]:
    """Yields pairs of picture and silhouette. Raises InputError if their numbers differ."""
    try:
        yield from zip(pictures, silhouettes, strict=True)
    except ValueError:
        raise InputError(f"{frames}: not as many frames as poses or silhouettes; run pose_extraction again") from None


def prompt_box(pose: Pose, box: np.ndarray) -> Person | None:
    """The box to prompt the segmenter with: around the hips of the pose, or else the tracked box; None if both are
    unknown."""
    points = pose.points(face=False)  # (64, 3)
    known, hips = points[points[:, 2] > 0, :2], pose.body[[R_HIP, L_HIP]]
    hips = hips[hips[:, 2] > 0, :2]
    if len(known) >= 4 and len(hips):
        x, y = (float(value) for value in hips.mean(0))
        radius = PROMPT_RADIUS * float(np.linalg.norm(known - (x, y), axis=1).max())
        return Person((x - radius, y - radius, x + radius, y + radius))
    return Person(tuple(box.tolist())) if np.isfinite(box).all() else None


def make_plate(pairs: Iterator, soft_file: Path, fps: float, scene: View, times: Timeline) -> plate.Plate:
    """Reads all frames and soft masks once. Writes the masks to `soft_file` and returns the plate, computed from a
    sample of the training frames."""
    count, usable, size = len(scene.box), times.usable(), times.about["size"]
    sample = evenly_spaced(usable, SAMPLE).tolist()
    pictures, covered = np.empty((len(sample), size, size, 3), np.uint8), np.empty((len(sample), size, size), bool)
    around = np.ones((2 * max(1, round(HALO * size)) + 1,) * 2, np.uint8)
    with video_file.lossless(soft_file, fps, "gray") as keep:
        for t, (frame, soft) in enumerate(Progress(prefetched(pairs), "mask_segmentation: plate", count, unit="frame")):
            soft = np.rint(255 * soft).astype(np.uint8)
            keep(soft)
            if t in sample:
                i = sample.index(t)
                pictures[i] = frame
                covered[i] = (cv2.dilate(soft, around) >= COVERED) | ~scene.visible(t, times.about["crop"], size)
    return plate.estimate_plate(pictures, covered)
