"""The user's video as square frames at a constant rate, of a camera that stands still (paper section 3.1).

The video is looked through once for its cuts and for who is in view (survey.py), a second time where the camera moves
or the light changes (steady.py), and a last time to be cut and written. Out: `frames` (S x S), `clock`
(tables.CLOCK), `view` (tables.VIEW: the followed person's place, the camera and the light of each frame) and
`full_frames`, a few whole frames for the full-size background.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from stages import InputError
from stages.camera import lighting
from stages.estimators.person import Segmenter, detector, segmenter
from stages.frames.stabilisation import Stabilisation, stabilise
from stages.frames.survey import Survey, reject_cuts, survey_video
from stages.media import footage, parquet, takes, video_file
from stages.media.clock import split
from stages.media.prefetch import prefetched
from stages.media.view import stabilised_crop, warp_to_canvas
from stages.params import Frames, Video
from stages.progress import Progress
from stages.tracking.boxes import Person
from stages.tracking.track import Track, choose_track

FULL_FRAMES = 32


def run(*, frames: Path, clock: Path, view: Path, full_frames: Path, params: Frames, entry: Video) -> None:
    film = takes.open_takes(entry.file, params.fps, entry.start, entry.end)
    survey = survey_video(film, detector(params), params.batch)
    reject_cuts(film, survey)
    mine = followed(film, survey, entry.person)
    steadied = stabilise(film, survey, params)
    extent = person_extent(survey, mine, steadied, segmenter(params), entry.file)
    crop = square_around(extent, steadied.size, params.margin, params.size)

    seconds = np.arange(survey.count) / film.fps
    take = film.take_indices(survey.count)
    parts, reason = split(take, film.fps, params.train_share, params.gap_seconds)
    usable = parts.count("train") or survey.count
    whole = sorted({round(i) for i in np.linspace(0, usable - 1, min(FULL_FRAMES, usable))})
    write_pictures(film, survey, steadied, crop, whole, frames, full_frames, params.size)

    people = survey.people()
    columns = {"frame": np.arange(survey.count), "seconds": seconds, "split": parts, "take": take}
    parquet.write(clock, parquet.CLOCK, columns, {
        "fps": film.fps, "file": entry.file, "full_size": list(steadied.size), "crop": list(crop), "size": params.size,
        "full_frames": whole, "people": int(people.max()), "split_reason": reason,
        "sha256": film.checksums(), **film.remarks,
    })
    onto = lambda frame, box: mapped(box / survey.scale, steadied.cameras[frame])
    boxes = np.concatenate([track.mapped(onto).boxes(survey.count)[take == n] for n, track in enumerate(mine)])
    boxes = (boxes - [*crop[:2], *crop[:2]]) * params.size / crop[2]
    parquet.write(view, parquet.VIEW, {
        "frame": np.arange(survey.count), "box": boxes, "people": people,
        "camera": steadied.cameras.reshape(-1, 9), "light": steadied.lights,
    }, {"moving": steadied.moving, "reference": steadied.reference, "frame_size": list(survey.size),
        "residual": steadied.residual, "estimator": params.estimator, "model": params.model})
    tell(film, survey, steadied, crop, parts, reason, params.size)


def write_pictures(film: takes.Takes, survey: Survey, steadied: Stabilisation, crop: tuple[int, int, int],
                   whole: list[int], frames: Path, full_frames: Path, size: int) -> None:
    """The square of every frame, with the sound, and some whole frames."""
    with ExitStack() as stack:
        add = stack.enter_context(video_file.lossless(frames, film.fps, **film.audio))
        add_whole = stack.enter_context(video_file.lossless(full_frames, film.fps))
        pictures = prefetched(cut_out(film, survey, steadied, crop, whole, size))
        for square, full in Progress(pictures, "frames", survey.count, unit="frame"):
            add(square)
            if full is not None:
                add_whole(full)


def cut_out(film: takes.Takes, survey: Survey, steadied: Stabilisation, crop: tuple[int, int, int],
            whole: list[int], size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The square of every frame, still and in the clip's own light, and where it is one of `whole`, the full frame."""
    for index, picture in enumerate(film.pictures()):
        if picture.shape[1::-1] != survey.size:
            raise InputError(f"{film.describe_frame(index)} is {picture.shape[1]} x {picture.shape[0]}, the first "
                             f"{survey.size[0]} x {survey.size[1]}; all must have one size")
        picture, camera = lighting.apply_light(picture, steadied.lights[index]), steadied.cameras[index]
        if steadied.moving:
            full = warp_to_canvas(picture, camera, steadied.size) if index in whole else None
            yield stabilised_crop(picture, camera, crop, size), full
        else:
            yield footage.crop_square(picture, crop, size), picture if index in whole else None


def followed(film: takes.Takes, survey: Survey, person: None | int | tuple) -> list[Track]:
    """The person's track in each take: of the first, who is meant in params.yaml; of a later one, who is dressed most
    like them."""
    mine = []
    for take, tracks in zip(film.takes, survey.tracks):
        if mine and tracks:
            mine.append(max(tracks, key=lambda track: track.clothes.similarity(mine[0].clothes)))
        else:
            mine.append(choose_track(tracks, person, survey.scale, film.fps, str(take.path)))
    return mine


def person_extent(survey: Survey, mine: list[Track], steadied: Stabilisation, segment: Segmenter, file: str) -> np.ndarray:
    """Left, top, right, bottom of the person over the whole sample, in pixels of the still, full frame."""
    places = {frame: place for track in mine for frame, place in zip(track.frames.tolist(), track.detections)}
    boxes = []
    for frame, picture in survey.sample.items():
        if frame not in places:
            continue
        mask, = segment.masks([picture], [Person(tuple(places[frame]))])
        if mask is None or mask.max() < 0.5:
            continue
        rows, columns = np.nonzero(mask > 0.5)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / survey.scale
        boxes.append(mapped(box, steadied.cameras[frame]))
    if not boxes:
        raise InputError(f"{file}: no person in any of {len(survey.sample)} frames looked at; expected one person, "
                         "whole, upright and at least a quarter of the picture high")
    boxes = np.array(boxes)
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def mapped(box: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The upright box around where a homography takes a box; both count pixels from their corners."""
    left, top, right, bottom = box - 0.5
    corners = np.float64([[[left, top]], [[right, top]], [[right, bottom]], [[left, bottom]]])
    there = cv2.perspectiveTransform(corners, camera)[:, 0] + 0.5  # (4, 2)
    return np.concatenate([there.min(0), there.max(0)])


def tell(film: takes.Takes, survey: Survey, steadied: Stabilisation, crop: tuple[int, int, int], parts: list,
         reason: str | None, size: int) -> None:
    """One line of what was found, and a warning where the file is damaged."""
    for file, damage in film.remarks.get("damaged", {}).items():
        times = damage["skipped"]
        at = f" (at {', '.join(f'{time:.2f}' for time in times[:8])}{', ...' * (len(times) > 8)} s)" if times else ""
        print(f"WARNING: {file}: damaged or cut off: {damage['decoded']} frames could be decoded of "
              f"{damage['promised'] or 'an unknown number'}, {damage['broken']} skipped{at}; going on with these",
              file=sys.stderr)
    people = int(survey.people().max())
    several = f"{len(film.takes)} takes, " if len(film.takes) > 1 else ""
    print(f"frames: {several}{survey.count} frames at {film.fps:.2f} frames/s, {survey.size[0]} x {survey.size[1]}; "
          f"the square of {crop[2]} pixels at ({crop[0]}, {crop[1]}) as {size} x {size}; "
          f"{parts.count('train')} training and {parts.count('test')} held-out frames" + steadied.describe()
          + (f"; {people} people at once" if people > 1 else "")
          + (f"; no split: {reason}" if reason else "")
          + (f"; images without a rate, taken as {film.fps:g} frames/s" if "assumed_fps" in film.remarks else ""))


def square_around(extent: np.ndarray, full_size: tuple[int, int], margin: float, size: int) -> tuple[int, int, int]:
    """Left, top and side of the square: the extent with its margin on each side, as far as the picture goes.

    It lies inside the picture where it fits, and takes its whole shorter side where it nearly does."""
    full, low, high = np.array(full_size), extent[:2], extent[2:]
    spare = margin * (high - low).max()
    low, high = np.maximum(low - spare, 0), np.minimum(high + spare, full)
    side = int(np.ceil((high - low).max()))
    shorter = int(full.min())
    if 0.85 * shorter < side < shorter:
        side = shorter
    corner = np.round((low + high - side) / 2)
    fits = side <= full
    corner = np.where(fits, np.clip(corner, 0, full - side), np.round((full - side) / 2))
    return int(corner[0]), int(corner[1]), side
