"""The user's video as square frames at a constant rate, as if from a still camera (paper section 3.1).

The video is decoded up to three times: to detect cuts and people (survey.py), if the camera moves or the light changes
to measure both (stabilisation.py), and to crop and write the frames. Outputs: `frames` (S x S), `timeline`
(parquet.TIMELINE), `view` (parquet.VIEW: the box of the tracked person, the camera and the light of each frame) and
`full_frames`, a sample of whole frames for the full-size background.
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
from stages.frame_size import choose_frame_size
from stages.frames.stabilisation import Stabilisation, stabilise
from stages.frames.survey import Survey, reject_cuts, survey_video
from stages.media import footage, parquet, takes, video_file
from stages.media.prefetch import prefetched
from stages.media.view import stabilised_crop, warp_to_canvas
from stages.params import Frames, Video
from stages.media.sampling import evenly_spaced
from stages.media.timeline import split
from stages.progress import Progress
from stages.tracking.boxes import Person
from stages.tracking.track import Track, choose_track

FULL_FRAMES = 32  # whole frames kept at most


def run(*, frames: Path, timeline: Path, view: Path, full_frames: Path, params: Frames, entry: Video) -> None:
    video = takes.open_takes(entry.file, params.fps, entry.start, entry.end)
    survey = survey_video(video, detector(params), params.batch)
    reject_cuts(video, survey)
    tracks = choose_tracks(video, survey, entry.person)
    stabilisation = stabilise(video, survey, params)
    extent = person_extent(survey, tracks, stabilisation, segmenter(params), entry.file)
    crop, size = choose_square(extent, stabilisation.size, params)

    seconds = np.arange(survey.count) / video.fps
    take = video.take_indices(survey.count)
    parts, reason = split(take, video.fps, params.train_share, params.gap_seconds)
    usable = parts.count("train") or survey.count
    whole = evenly_spaced(np.arange(usable), FULL_FRAMES).tolist()
    write_pictures(video, survey, stabilisation, crop, whole, frames, full_frames, size)

    people = survey.people()
    columns = {"frame": np.arange(survey.count), "seconds": seconds, "split": parts, "take": take}
    parquet.write(timeline, parquet.TIMELINE, columns, {
        "fps": video.fps, "file": entry.file, "full_size": list(stabilisation.size), "crop": list(crop),
        "size": size, "full_frames": whole, "people": int(people.max()), "split_reason": reason,
        "sha256": video.checksums(), **video.remarks,
    })
    to_canvas = lambda frame, box: project_box(box / survey.scale, stabilisation.cameras[frame])
    boxes = np.concatenate([track.mapped(to_canvas).boxes(survey.count)[take == n] for n, track in enumerate(tracks)])
    boxes = (boxes - [*crop[:2], *crop[:2]]) * size / crop[2]
    parquet.write(view, parquet.VIEW, {
        "frame": np.arange(survey.count), "box": boxes, "people": people,
        "camera": stabilisation.cameras.reshape(-1, 9), "light": stabilisation.lights,
    }, {"moving": stabilisation.moving, "reference": stabilisation.reference, "frame_size": list(survey.size),
        "residual": stabilisation.residual, "estimator": params.estimator, "model": params.model})
    print_summary(video, survey, stabilisation, crop, parts, reason, size)


def write_pictures(video: takes.Takes, survey: Survey, stabilisation: Stabilisation, crop: tuple[int, int, int],
                   whole: list[int], frames: Path, full_frames: Path, size: int) -> None:
    """Writes the square crop of every frame, with the audio, and the frames in `whole` uncropped."""
    with ExitStack() as stack:
        add = stack.enter_context(video_file.lossless(frames, video.fps, **video.audio))
        add_whole = stack.enter_context(video_file.lossless(full_frames, video.fps))
        pictures = prefetched(stabilised_frames(video, survey, stabilisation, crop, whole, size))
        for square, full in Progress(pictures, "frames", survey.count, unit="frame"):
            add(square)
            if full is not None:
                add_whole(full)


def stabilised_frames(video: takes.Takes, survey: Survey, stabilisation: Stabilisation, crop: tuple[int, int, int],
            whole: list[int], size: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The square crop of every frame, stabilised and with the clip's typical lighting, and the full frame if it is in
    `whole`, else None."""
    for index, picture in enumerate(video.pictures()):
        if picture.shape[1::-1] != survey.size:
            raise InputError(f"{video.describe_frame(index)} is {picture.shape[1]} x {picture.shape[0]}, the first "
                             f"{survey.size[0]} x {survey.size[1]}; all must have one size")
        picture, camera = lighting.apply_light(picture, stabilisation.lights[index]), stabilisation.cameras[index]
        if stabilisation.moving:
            full = warp_to_canvas(picture, camera, stabilisation.size) if index in whole else None
            yield stabilised_crop(picture, camera, crop, size), full
        else:
            yield footage.crop_square(picture, crop, size), picture if index in whole else None


def choose_tracks(video: takes.Takes, survey: Survey, person: None | int | tuple) -> list[Track]:
    """The person's track in each take. In the first take it is the one given in params.yaml; in later takes the one
    with the most similar clothes."""
    chosen = []
    for take, tracks in zip(video.takes, survey.tracks):
        if chosen and tracks:
            chosen.append(max(tracks, key=lambda track: track.clothes.similarity(chosen[0].clothes)))
        else:
            chosen.append(choose_track(tracks, person, survey.scale, video.fps, str(take.path)))
    return chosen


def person_extent(survey: Survey, tracks: list[Track], stabilisation: Stabilisation, segment: Segmenter, file: str
                  ) -> np.ndarray:
    """The bounding box of the person over the whole sample: left, top, right, bottom in pixels of the canvas."""
    detections = {frame: box for track in tracks for frame, box in zip(track.frames.tolist(), track.detections)}
    boxes = []
    for frame, picture in survey.sample.items():
        if frame not in detections:
            continue
        mask, = segment.masks([picture], [Person(tuple(detections[frame]))])
        if mask is None or mask.max() < 0.5:
            continue
        rows, columns = np.nonzero(mask > 0.5)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / survey.scale
        boxes.append(project_box(box, stabilisation.cameras[frame]))
    if not boxes:
        raise InputError(f"{file}: no person in any of {len(survey.sample)} sampled frames; expected one person, "
                         "whole, upright and at least a quarter of the picture high")
    boxes = np.array(boxes)
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def project_box(box: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The bounding box of a box that is mapped through a homography. Box coordinates are pixels counted from the outer
    corner of the top left pixel."""
    left, top, right, bottom = box - 0.5
    corners = np.float64([[[left, top]], [[right, top]], [[right, bottom]], [[left, bottom]]])
    projected = cv2.perspectiveTransform(corners, camera)[:, 0] + 0.5  # (4, 2)
    return np.concatenate([projected.min(0), projected.max(0)])


def print_summary(video: takes.Takes, survey: Survey, stabilisation: Stabilisation, crop: tuple[int, int, int],
                  parts: list, reason: str | None, size: int) -> None:
    """Prints a line with the results, and a warning if the file is damaged."""
    for file, damage in video.remarks.get("damaged", {}).items():
        times = damage["skipped"]
        at = f" (at {', '.join(f'{time:.2f}' for time in times[:8])}{', ...' * (len(times) > 8)} s)" if times else ""
        print(f"WARNING: {file}: damaged or cut off: {damage['decoded']} frames could be decoded of "
              f"{damage['promised'] or 'an unknown number'}, {damage['broken']} skipped{at}; continuing with these",
              file=sys.stderr)
    people = int(survey.people().max())
    several = f"{len(video.takes)} takes, " if len(video.takes) > 1 else ""
    print(f"frames: {several}{survey.count} frames at {video.fps:.2f} frames/s, {survey.size[0]} x {survey.size[1]}; "
          f"the square of {crop[2]} pixels at ({crop[0]}, {crop[1]}) as {size} x {size}; "
          f"{parts.count('train')} training and {parts.count('test')} held-out frames" + stabilisation.describe()
          + (f"; {people} people at once" if people > 1 else "")
          + (f"; no split: {reason}" if reason else "")
          + (f"; images without a rate, taken as {video.fps:g} frames/s" if "assumed_fps" in video.remarks else ""))


def choose_square(extent: np.ndarray, full_size: tuple[int, int], params: Frames) -> tuple[tuple[int, int, int], int]:
    """The square crop (left, top, side), and S. The square is enlarged to S pixels if it then need not be resampled."""
    crop = square_around(extent, full_size, params.margin)
    size = choose_frame_size(crop[2], params.size, params.max_size)
    if params.size < crop[2] <= size:
        crop = square_around(extent, full_size, params.margin, size)
    return crop, size


def square_around(extent: np.ndarray, full_size: tuple[int, int], margin: float, side: int | None = None
                  ) -> tuple[int, int, int]:
    """Left, top and side of the square crop: the extent with a margin on each side, clipped to the picture.

    The square lies inside the picture if it fits. If it is nearly as large as the picture's shorter side, it takes that
    side. side: of a larger square with the same centre."""
    full, low, high = np.array(full_size), extent[:2], extent[2:]
    spare = margin * (high - low).max()
    low, high = np.maximum(low - spare, 0), np.minimum(high + spare, full)
    shorter = int(full.min())
    if side is None:
        side = int(np.ceil((high - low).max()))
        side = shorter if 0.85 * shorter < side < shorter else side
    corner = np.round((low + high - side) / 2)
    fits = side <= full
    corner = np.where(fits, np.clip(corner, 0, full - side), np.round((full - side) / 2))
    return int(corner[0]), int(corner[1]), side
