"""The user's video as square frames at a constant rate (paper section 3.1).

Two passes over the file, one frame in memory at a time. The first finds the main person on a sample of frames and
one static square that holds them in all of these, with a margin; the second cuts, resizes and writes. Out:
`frames` (S x S), `clock` (tables.CLOCK) and `full_frames`, a few whole frames for the full-size background.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import InputError, params as config
from stages.estimators.person import MediaPipeDetector, MediaPipeSegmenter, places, reduced
from stages.media import footage, tables, video
from stages.media.clock import split
from stages.vision.tracks import main_person

SAMPLE = 64        # frames at most in which the person is looked for
LOOK = 384         # pixels, longer side of what the estimator sees
FULL_FRAMES = 32


def run(frames: Path, clock: Path, full_frames: Path, params: config.Frames, entry: config.Video) -> None:
    film = footage.open_footage(entry.file, params.fps)
    survey = look_through(film)
    extent, people = person_extent(survey, entry.file)
    crop = square_around(extent, survey.size, params.margin, params.size)

    seconds = np.arange(survey.count) / film.fps
    parts, reason = split(seconds, film.fps, params.train_share, params.gap_seconds)
    usable = parts.count("train") or survey.count
    whole = sorted({round(i) for i in np.linspace(0, usable - 1, min(FULL_FRAMES, usable))})

    with ExitStack() as stack:
        sound = {"audio": film.path, "start": film.start} if film.audio else {}
        add = stack.enter_context(video.lossless(frames, film.fps, **sound))
        add_whole = stack.enter_context(video.lossless(full_frames, film.fps))
        for index, picture in enumerate(tqdm(film.pictures(), "frames", survey.count, unit="frame")):
            if picture.shape[1::-1] != survey.size:
                raise InputError(f"{entry.file}: frame {index} is {picture.shape[1]} x {picture.shape[0]}, the first "
                                 f"{survey.size[0]} x {survey.size[1]}; all must have one size")
            add(footage.square(picture, crop, params.size))
            if index in whole:
                add_whole(picture)
    tables.write(clock, tables.CLOCK, {"frame": np.arange(survey.count), "seconds": seconds, "split": parts}, {
        "fps": film.fps, "file": entry.file, "full_size": list(survey.size), "crop": list(crop), "size": params.size,
        "full_frames": whole, "people": people, "split_reason": reason, **film.remarks,
    })
    if damage := film.remarks.get("damaged"):
        print(f"WARNING: {entry.file}: damaged or cut off: {damage['decoded']} frames could be decoded of "
              f"{damage['promised'] or 'an unknown number'}, {damage['broken']} broken; going on with these",
              file=sys.stderr)
    print(f"frames: {survey.count} frames at {film.fps:.2f} frames/s, {survey.size[0]} x {survey.size[1]}; "
          f"the square of {crop[2]} pixels at ({crop[0]}, {crop[1]}) as {params.size} x {params.size}; "
          f"{parts.count('train')} training and {parts.count('test')} held-out frames"
          + (f"; {people} people at once, the larger and steadier is followed" if people > 1 else "")
          + (f"; no split: {reason}" if reason else "")
          + (f"; images without a rate, taken as {film.fps:g} frames/s" if "assumed_fps" in film.remarks else ""))


@dataclass
class Survey:
    count: int
    size: tuple[int, int]    # width, height
    sample: list[np.ndarray]  # evenly spaced frames, reduced


def look_through(film: footage.Footage) -> Survey:
    """The number of frames, their size and an evenly spaced sample, in one pass: when the sample is full, every
    second frame of it is dropped and the spacing doubled."""
    every, sample, count, size = 1, [], 0, None
    for shot in tqdm(film.shots(), "looking through", unit="frame"):
        if count % every == 0:
            picture = shot()
            size = size or picture.shape[1::-1]
            sample.append(reduced(picture, LOOK))
            if len(sample) > SAMPLE:
                every, sample = 2 * every, sample[::2]
        count += 1
    if count < footage.LEAST:
        raise InputError(f"{film.path}: {count} frame{'s' * (count != 1)}, but at least {footage.LEAST} are needed; "
                         "give a longer video")
    return Survey(count, size, sample)


def person_extent(survey: Survey, file: str) -> tuple[np.ndarray, int]:
    """Left, top, right, bottom of the main person over the whole sample, in pixels of the full frame, and how many
    people are seen at once at most."""
    detector, segmenter = MediaPipeDetector(), MediaPipeSegmenter()
    seen = [detector.detect(picture) for picture in survey.sample]
    chosen = main_person([places(people) for people in seen], reach=1.0)
    boxes = []
    for picture, people, which in zip(survey.sample, seen, chosen):
        if which < 0 or (mask := segmenter.mask(picture, people[which])) is None or mask.max() < 0.5:
            continue
        rows, columns = np.nonzero(mask > 0.5)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    if not boxes:
        raise InputError(f"{file}: no person in any of {len(survey.sample)} frames looked at; expected one person, "
                         "whole, upright and at least a quarter of the picture high")
    boxes = np.array(boxes) * survey.size[0] / survey.sample[0].shape[1]
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]), max(map(len, seen))


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
