"""Frames of a transfer that another system generated: a folder of images or a video, one frame for each driving pose,
in their order.

Each frame is either as large as the target's square (S x S) or, if the target's camera stands still, as its full frame,
which is then cropped like the target's own frames.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import InputError
from stages.evaluation.evaluate import evaluate
from stages.evaluation.scoring import Scores
from stages.media import footage
from stages.media.decoding import VideoDecoder
from stages.media.images import list_images
from stages.media.timeline import read_timeline
from stages.media.view import read_view

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer

REMEDY = "give one for each frame of the transfer's video.mp4, in its order"


def run(frames: Path, measured: dict[str, Path], metrics: Path, per_frame: Path, params: "Metrics", entry: "Transfer",
        key: str, code: str) -> Scores:
    """Scores `frames` like the transfer's own, and writes `metrics` and `per_frame`.

    measured: as in the stage `metrics`. code: identifies the code that scores; it is stored with the scores."""
    if frames.is_dir():
        check_numbering(list_images(frames))
    squares = read_frames(frames, measured["target_timeline"], measured["target_view"])
    return evaluate(squares, measured, metrics, per_frame, params, entry, key, str(frames), REMEDY, {"code": code})


def check_numbering(files: list[Path]) -> None:
    """InputError if the file names differ in one number that does not rise evenly: an image is missing or duplicated.
    Names of another pattern are accepted, in natural order."""
    parts = [re.split(r"(\d+)", file.stem) for file in files]
    differing = [column for column in zip(*parts) if len(set(column)) > 1]
    if len(set(map(len, parts))) > 1 or len(differing) != 1 or not all(map(str.isdigit, differing[0])):
        return
    steps = np.diff([int(number) for number in differing[0]])
    if len(uneven := np.flatnonzero(steps != np.median(steps))):
        before, after = files[uneven[0] : uneven[0] + 2]
        raise InputError(f"{after}: comes next to {before.name}, while the other numbers rise by {np.median(steps):g}; "
                         f"a frame is missing or duplicated: {REMEDY}")


def read_frames(path: Path, timeline: Path, view: Path) -> Iterator[np.ndarray]:
    """The frames as squares (S, S, 3) uint8 RGB. timeline and view: of the target. InputError for a frame of another
    size."""
    about, target_view = read_timeline(timeline).about, read_view(view)
    size, crop = about["size"], about["crop"]
    full_size = None if target_view.about["moving"] else tuple(target_view.about["frame_size"])
    for index, picture in enumerate(_pictures(path)):
        found = picture.shape[1::-1]
        if found == (size, size):
            yield picture
        elif found == full_size:
            yield footage.crop_square(picture, crop, size)
        else:
            alternative = f", or {full_size[0]} x {full_size[1]}, its full frame" if full_size else ""
            raise InputError(f"{path}: frame {index} is {found[0]} x {found[1]}; expected {size} x {size}, the "
                             f"target's square{alternative}")


def _pictures(path: Path) -> Iterator[np.ndarray]:
    """Every image of a folder, or every frame of a video whatever its time stamps."""
    opened = footage.open_footage(path, None)  # rejects files that cannot be read
    if path.is_dir():
        yield from opened.pictures()
        return
    decoding = VideoDecoder(path)
    for _, frame in decoding.frames():
        yield footage.DecodedFrame(frame, decoding.aspect).picture()
    if decoding.skipped:
        times = ", ".join(f"{time:.2f}" for time in decoding.skipped[:8])
        raise InputError(f"{path}: frames at {times} s cannot be decoded, so its frames cannot be matched with poses; "
                         "export it again, or give a folder of images")
