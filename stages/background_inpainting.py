"""Background inpainting (paper section 2.3): estimates the background without the person from the frames in which it is
uncovered, and inpaints the part that the person always covers.

Uses only training frames. Outputs: `full_background`, the background of the whole frame of the user's video (for a
moving camera a mosaic of all its views); `background`, that of the S x S square; and `seen`, a mask with 255 where the
square was uncovered at least once.
"""

from pathlib import Path

import cv2
import numpy as np

from stages import InputError
from stages.learning import inpainter_training
from stages.matting.background import clearance, estimate_background
from stages.matting.poisson import integrate
from stages.media import footage, png, video_file
from stages.media.sampling import evenly_spaced
from stages.media.timeline import read_timeline
from stages.media.view import read_view
from stages.params import BackgroundInpainting
from stages.progress import Progress

SAMPLE = 160     # largest number of S x S frames that are used
COVERED = 12     # alpha (of 255) from which a pixel counts as covered by the person
AROUND = 0.5     # width of the context around a hole, share of the hole's longer side
MAX_SIDE = 512   # pixels, largest longer side of the input of OpenCV's inpainters
METHODS = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}


def run(*, frames: Path, timeline: Path, view: Path, full_frames: Path, masks: Path, background: Path, seen: Path,
        full_background: Path, params: BackgroundInpainting) -> None:
    times, camera = read_timeline(timeline), read_view(view)
    usable, crop = times.usable(), times.about["crop"]
    chosen = evenly_spaced(usable, SAMPLE)
    whole = times.about["full_frames"]
    shown, alphas, whole_alphas = collect(frames, masks, chosen, whole)

    size, radius = shown.shape[1], params.dilate * shown.shape[1]
    still = not camera.about["moving"]
    clear = np.stack([clearance(alpha >= COVERED, camera.visible(frame, crop, size), radius)
                      for frame, alpha in zip(chosen, alphas)])
    plate, known = estimate_background(shown, clear, radius, still)

    full, radius = np.stack(list(video_file.frames(full_frames))), params.dilate * crop[2]  # (n, height, width, 3)
    viewed = np.stack([camera.visible_full(frame, full.shape[2:0:-1]) for frame in whole])
    clear = np.stack([clearance(uncropped(alpha, crop, full.shape[1:3]), inside, radius)
                      for alpha, inside in zip(whole_alphas, viewed)])
    full_plate, full_known = estimate_background(full, clear, radius, still)

    full_plate, filled = fill(full_plate, full_known, viewed.any(0), params)
    png.write(full_background, full_plate)
    png.write(background, completed(plate, known, footage.crop_square(full_plate, crop, size)))
    png.write(seen, np.where(known, 255, 0).astype(np.uint8))
    print(f"background_inpainting: {known.mean():.1%} of the pixels seen in {len(shown)} frames, {filled}")


def collect(frames: Path, masks: Path, chosen: np.ndarray, whole: list[int]) -> tuple[np.ndarray, ...]:
    """The chosen frames (T, S, S, 3), their alphas (T, S, S), and the alphas of the full frames (n, S, S)."""
    shown, alphas, whole_alphas, wanted = [], [], [], set(chosen.tolist())
    last = max(int(chosen[-1]), whole[-1])
    pairs = zip(video_file.frames(frames), video_file.frames(masks, "gray"))
    for index, (picture, alpha) in enumerate(Progress(pairs, "background_inpainting", last + 1, unit="frame")):
        if index in wanted:
            shown.append(picture)
            alphas.append(alpha)
        if index in whole:
            whole_alphas.append(alpha)
        if index == last:
            break
    if len(shown) < len(chosen) or len(whole_alphas) < len(whole):
        raise InputError(f"{masks}: fewer masks than the {last + 1} training frames; run mask_segmentation again")
    return np.stack(shown), np.stack(alphas), np.stack(whole_alphas)


def uncropped(alpha: np.ndarray, crop: list[float], shape: tuple[int, int]) -> np.ndarray:
    """The mask alpha (S, S) uint8 of the square, mapped to the full frame of `shape`: (height, width) bool."""
    matrix = footage.crop_to_frame(crop, len(alpha))
    return cv2.warpAffine(alpha, matrix, shape[::-1], flags=cv2.INTER_LINEAR) >= COVERED


def completed(plate: np.ndarray, known: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The plate (H, W, 3) with its unknown part filled from `other`, another plate of the same view, by Poisson image
    editing (Perez et al. 2003). Returns `other` if nothing is known."""
    if not known.any():
        return other
    start, wanted, missing = np.where(known[..., None], plate, other), other.astype(np.float32), ~known
    joined = integrate(start, np.diff(wanted, axis=1), np.diff(wanted, axis=0), missing[:, 1:] | missing[:, :-1],
                       missing[1:] | missing[:-1], 1.0 * known)
    return np.where(known[..., None], plate, np.rint(joined).clip(0, 255)).astype(np.uint8)


def fill(plate: np.ndarray, known: np.ndarray, viewed: np.ndarray, params: BackgroundInpainting
         ) -> tuple[np.ndarray, str]:
    """Completes the plate (H, W, 3). Areas that the person always covers are inpainted from their surroundings, at a
    limited resolution. Areas outside all views of the camera (the corners of a mosaic) get the colour of the nearest
    known pixel.

    Returns the plate, and a text for the log that says how it was filled. Raises InputError if nothing is known."""
    if not known.any():
        raise InputError("background_inpainting: the person covers every pixel in every frame; "
                         "step back from the camera")
    hidden = viewed & ~known
    plate = plate if viewed.all() else nearest(plate, known)
    if not hidden.any():
        return plate, "nothing to inpaint"
    inpainter, why = chosen_inpainter(hidden, params)
    place = surroundings(hidden, params.size)
    region, unknown = plate[place], ~known[place]
    longer = max(unknown.shape)
    scale = min(1.0, (params.size if inpainter == "gated" else MAX_SIDE) / longer)
    small, hole = reduced(region, unknown, scale)
    if inpainter == "gated":
        filled = inpainter_training.inpaint(small, hole, params)
    else:
        filled = opencv(small, hole, max(2.0, params.inpaint_radius * len(plate) * scale), inpainter)
    filled = filled if scale == 1 else cv2.resize(filled, unknown.shape[::-1], interpolation=cv2.INTER_CUBIC)
    plate = plate.copy()
    plate[place] = np.where(hidden[place][..., None], filled, region)
    return plate, f"the rest inpainted ({inpainter}: {why})"


def opencv(picture: np.ndarray, hole: np.ndarray, radius: float, method: str) -> np.ndarray:
    """Inpaints with one of OpenCV's methods; `fsr` is frequency selective reconstruction (Seiler and Kaup 2010)."""
    if method != "fsr":
        return cv2.inpaint(picture, hole.astype(np.uint8), radius, METHODS[method])
    filled = np.zeros_like(picture)
    cv2.xphoto.inpaint(np.ascontiguousarray(picture), np.where(hole, 0, 255).astype(np.uint8), filled,
                       cv2.xphoto.INPAINT_FSR_FAST)
    return filled


def chosen_inpainter(hidden: np.ndarray, params: BackgroundInpainting) -> tuple[str, str]:
    """The name of the inpainter for a hole (H, W) bool, and the reason as a text. For small or narrow holes it is
    `small_inpainter`, because training a network would improve them little."""
    side = min(hidden.shape)
    share = hidden.sum() / side**2
    depth = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5).max() / side
    size = f"{share:.1%} of the square of the frame's shorter side, {depth:.1%} of that side deep"
    large = share >= params.large_share and depth >= params.large_depth
    return (params.inpainter if large else params.small_inpainter), f"a {'large' if large else 'small'} hole, {size}"


def surroundings(hidden: np.ndarray, least: int) -> tuple[slice, slice]:
    """Rows and columns of all holes with their context, at least `least` pixels wide and high if the picture allows."""
    spans = [np.flatnonzero(hidden.any(axis))[[0, -1]] + [0, 1] for axis in (1, 0)]  # rows, columns
    around = AROUND * max(high - low for low, high in spans)
    place = []
    for (low, high), side in zip(spans, hidden.shape):
        spare = max(around, (least - (high - low)) / 2)
        place.append(slice(max(0, int(low - spare)), min(side, int(np.ceil(high + spare)))))
    return tuple(place)


def reduced(picture: np.ndarray, unknown: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Downscales the picture and the mask of unknown pixels. A reduced pixel is unknown if any part of it is."""
    if scale == 1:
        return picture, unknown
    size = tuple(max(8, round(scale * side)) for side in unknown.shape[::-1])
    share = cv2.resize(unknown.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), share > 0


def nearest(plate: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Replaces every unknown pixel by the nearest known one."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.uint8)
    colours[labels[known]] = plate[known]
    return colours[labels]
