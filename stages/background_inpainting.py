"""The room without the person (paper section 2.3): temporal median of what the person does not cover, and
OpenCV's inpainting where they always stand.

Training frames only. Out: `background` (S x S) with `seen` (255 where it was seen at least once) and
`full_background`, the same for the whole frame of the user's video. A moving camera is refused.
"""

from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from stages import InputError, params as config
from stages.media import footage, pictures, video
from stages.media.clock import Clock, read_clock
from stages.vision import camera
from stages.vision.median import uncovered_median

SAMPLE = 160     # frames at most in the median
CAMERA = 24      # of these, frames at most in which the camera is measured
COVERED = 12     # alpha of 255 from which a pixel is the person's


def run(
    frames: Path, clock: Path, full_frames: Path, masks: Path, background: Path, seen: Path, full_background: Path,
    params: config.BackgroundInpainting,
) -> None:
    timeline = read_clock(clock)
    usable = timeline.usable()
    chosen = np.unique(np.linspace(0, len(usable) - 1, min(SAMPLE, len(usable))).round().astype(int))
    whole = timeline.about["full_frames"]
    shown, covered, alphas = collect(frames, masks, usable[chosen], whole, params.dilate)
    moved = still(shown, covered, timeline, params.max_camera_motion)

    plate, known = uncovered_median(shown, covered)
    pictures.write(background, fill(plate, known, params.inpaint_radius))
    pictures.write(seen, np.where(known, 255, 0).astype(np.uint8))

    full = np.stack(list(video.frames(full_frames)))  # (n, height, width, 3)
    full_covered = np.stack([uncropped(alpha, timeline, full.shape[1:3]) for alpha in alphas])
    full_covered = grown(full_covered, params.dilate * timeline.about["crop"][2])
    full_plate, full_known = uncovered_median(full, full_covered)
    pictures.write(full_background, fill(full_plate, full_known, params.inpaint_radius))
    print(f"background_inpainting: {known.mean():.1%} of the pixels seen in {len(shown)} frames, the rest inpainted"
          f"; the camera moves by {moved:.2f} pixels" + (" (no texture to measure it by)" if np.isnan(moved) else ""))


def collect(frames: Path, masks: Path, chosen: np.ndarray, whole: list[int], dilate: float) -> tuple[np.ndarray, ...]:
    """The chosen frames (T, S, S, 3), where the person covers them (T, S, S) bool, and the alphas of the frames that
    are kept whole (n, S, S)."""
    pictures, covered, alphas, wanted = [], [], [], set(chosen.tolist())
    pairs = zip(video.frames(frames), video.frames(masks, "gray"))
    for index, (picture, alpha) in enumerate(tqdm(pairs, "background_inpainting", int(chosen[-1]) + 1, unit="frame")):
        if index in wanted:
            pictures.append(picture)
            covered.append(alpha)
        if index in whole:
            alphas.append(alpha)
        if index == max(chosen[-1], whole[-1]):
            break
    if len(pictures) < len(chosen) or len(alphas) < len(whole):
        raise InputError(f"{masks}: fewer masks than the {chosen[-1] + 1} training frames; run mask_segmentation again")
    covered = grown(np.stack(covered) >= COVERED, dilate * pictures[0].shape[0])
    return np.stack(pictures), covered, np.stack(alphas)


def still(pictures: np.ndarray, covered: np.ndarray, timeline: Clock, most: float) -> float:
    """How far the background moves, in pixels of the S x S frame; InputError where it is more than `most` of S."""
    some = np.unique(np.linspace(0, len(pictures) - 1, min(CAMERA, len(pictures))).round().astype(int))
    moved = camera.displacements([pictures[i] for i in some], [covered[i] for i in some])
    if np.isnan(moved).all():
        return np.nan
    worst, size = float(np.nanquantile(moved, 0.95, method="higher")), pictures.shape[1]
    if worst > most * size:
        told = (f"by {worst:.1f} pixels, {worst / size:.1%} of the frame's side" if np.isfinite(worst)
                else "so far that the background is not found again")
        raise InputError(f"{timeline.about['file']}: the camera moves {told}; at most {most:.1%} is allowed "
                         "(background_inpainting.max_camera_motion). Use a tripod, or stabilise the video first")
    return worst


def grown(covered: np.ndarray, radius: float) -> np.ndarray:
    """(T, H, W) bool, each grown by a disc of `radius` pixels."""
    side = 2 * max(1, round(radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.stack([cv2.dilate(one.astype(np.uint8), disc) > 0 for one in covered])


def uncropped(alpha: np.ndarray, timeline: Clock, shape: tuple[int, int]) -> np.ndarray:
    """Where a mask of the square covers the full frame, (height, width) bool."""
    matrix = footage.placing(timeline.about["crop"], len(alpha))
    return cv2.warpAffine(alpha, matrix, shape[::-1], flags=cv2.INTER_LINEAR) >= COVERED


def fill(plate: np.ndarray, known: np.ndarray, radius: float) -> np.ndarray:
    """The plate with what was never seen inpainted from what lies around it."""
    if not known.any():
        raise InputError("background_inpainting: the person covers every pixel in every frame; "
                         "step back from the camera")
    unknown = np.where(known, 0, 255).astype(np.uint8)
    return cv2.inpaint(plate, unknown, max(2.0, radius * len(plate)), cv2.INPAINT_TELEA) if unknown.any() else plate
