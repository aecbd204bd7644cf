"""Another system's frames of a transfer: a folder of images or a video, in the order of the transfer's driving poses.

Each is as large as the target's square (S x S) or, where its camera stands still, as its full frame, which is then cut
like the target's own frames. Out: (S, S, 3) uint8 RGB.
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
from stages.media.clock import read_clock
from stages.media.decoding import VideoDecoder
from stages.media.images import list_images
from stages.media.view import read_view

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer

REMEDY = "give one for each frame of the transfer's video.mp4, in its order"


def run(frames: Path, measured: dict[str, Path], metrics: Path, per_frame: Path, params: "Metrics", entry: "Transfer",
        key: str, code: str) -> Scores:
    """Scores `frames` like the transfer's own; `measured` as in the stage `metrics`. code: which one scores, as whoever
    asks tells it apart; it is kept with the scores."""
    if frames.is_dir():
        check_numbers(list_images(frames))
    squares = read(frames, measured["target_clock"], measured["target_view"])
    return evaluate(squares, measured, metrics, per_frame, params, entry, key, str(frames), REMEDY, {"code": code})


def check_numbers(files: list[Path]) -> None:
    """InputError where images are told apart by one number, and it does not rise evenly: one is missing or there twice.
    Names of another kind are taken in their natural order."""
    parts = [re.split(r"(\d+)", file.stem) for file in files]
    differing = [column for column in zip(*parts) if len(set(column)) > 1]
    if len(set(map(len, parts))) > 1 or len(differing) != 1 or not all(map(str.isdigit, differing[0])):
        return
    steps = np.diff([int(number) for number in differing[0]])
    if len(odd := np.flatnonzero(steps != np.median(steps))):
        before, after = files[odd[0] : odd[0] + 2]
        raise InputError(f"{after}: comes next to {before.name}, while the other numbers rise by {np.median(steps):g}; "
                         f"a frame is missing or there twice: {REMEDY}")


def read(path: Path, clock: Path, view: Path) -> Iterator[np.ndarray]:
    about, sight = read_clock(clock).about, read_view(view)
    size, crop = about["size"], about["crop"]
    full = None if sight.about["moving"] else tuple(sight.about["frame_size"])
    for index, picture in enumerate(_pictures(path)):
        found = picture.shape[1::-1]
        if found == (size, size):
            yield picture
        elif found == full:
            yield footage.crop_square(picture, crop, size)
        else:
            whole = f", or {full[0]} x {full[1]}, its full frame" if full else ""
            raise InputError(f"{path}: frame {index} is {found[0]} x {found[1]}; expected {size} x {size}, the "
                             f"target's square{whole}")


def _pictures(path: Path) -> Iterator[np.ndarray]:
    """Every one, at whatever time a video shows it."""
    film = footage.open_footage(path, None)  # refuses what cannot be read
    if path.is_dir():
        yield from film.pictures()
        return
    decoding = VideoDecoder(path)
    for _, frame in decoding.frames():
        yield footage.DecodedFrame(frame, decoding.aspect).picture()
    if decoding.skipped:
        times = ", ".join(f"{time:.2f}" for time in decoding.skipped[:8])
        raise InputError(f"{path}: frames at {times} s cannot be decoded, so that its frames cannot be counted; "
                         "export it again, or give a folder of images")
