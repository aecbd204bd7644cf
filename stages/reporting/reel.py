"""The reel: what went in, the skeleton, the result and what it should be, as the four quarters of one video.

One video cannot fall apart as four players would: each of its frames shows one moment of all four.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from stages.evaluation.references import TOGETHER, true_frames
from stages.imaging import compositing, contact_sheets
from stages.media import png, video_file
from stages.media.seek import SeekableVideo, select_frames
from stages.media.view import read_view
from stages.pose import skeleton
from stages.provenance.label import Label
from stages.reporting import html_page
from stages.reporting.report_inputs import Inputs

SIDES = ((600, 384), (1500, 256), (3000, 192))  # up to so many frames: pixels of a quarter's side at most
CRF, KEYS = 24, 25      # of the video; a key frame every second or so, so that a browser jumps fast
BLOCK = 16              # pixels that H.264 codes together: no block shows two quarters
RESULT = 2              # which quarter is generated
OPAQUE = 128            # alpha of a foreground that hides what is behind it
NOTICE = "AI-generated video made with FakeMotion"


@dataclass(frozen=True)
class Reel:
    address: str                      # the MP4, to stand in a page
    side: int                         # pixels of a quarter
    views: list[tuple[str, str]]      # name and label of each quarter: top left, top right, bottom left, bottom right
    frames: int                       # that it shows, of all
    bare: np.ndarray                  # (T,) share of the square's pixels that show background that nobody has seen
    stills: dict[int, np.ndarray]     # of the frames asked for: the quarters in a row, (side, 4 side, 3)


def film(inputs: Inputs, wanted: set[int]) -> Reel:
    """wanted: frames of the result to keep as stills."""
    total, size = len(inputs.rows), inputs.clock("target").about["size"]
    most = next((side for frames, side in SIDES if total <= frames), SIDES[-1][1])
    side = max(BLOCK, min(most, size) // BLOCK * BLOCK)
    label = Label((side, side)) if inputs.entry.label else None
    unseen, bare, stills = hidden(inputs.paths["seen"]), np.zeros(total), {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reel.mp4"
        with video_file.h264(path, inputs.about["fps"], CRF, {"comment": NOTICE}, keyframe_interval=KEYS) as show:
            for t, (quarters, alpha) in enumerate(moments(inputs, side)):
                bare[t] = np.mean(unseen & (alpha < OPAQUE))
                tiles = [contact_sheets.fit_tile(picture, side) for picture in quarters]
                if label:
                    tiles[RESULT] = label.apply(tiles[RESULT])
                if t < SIDES[-1][0]:
                    show(np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])]))
                if t in wanted:
                    stills[t] = np.hstack(tiles)
        return Reel(html_page.movie(path), side, views(inputs), min(total, SIDES[-1][0]), bare, stills)


def views(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and label of each quarter. The truth of a reconstruction is its source; where there is no truth, the
    training frame that the scores of copying are of stands in its place."""
    entry = inputs.entry
    truth, source = ("truth", f"{entry.target}, as filmed"), ("source", f"{entry.source}, the source")
    known = entry.truth and not entry.reconstruction
    return [truth if entry.reconstruction else source, ("skeleton", "skeleton"),
            ("result", f"{entry.target}, generated"), truth if known else ("nearest", "nearest training frame")]


def moments(inputs: Inputs, side: int) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """For each frame of the result the pictures of the four quarters, and the foreground's alpha (S, S)."""
    paths, entry, rows = inputs.paths, inputs.entry, inputs.rows
    plate = png.read(paths["background"])
    sources = select_frames(video_file.frames(paths["source_frames"]), rows, paths["source_frames"])
    truths = repeat(None)
    if entry.truth and not entry.reconstruction:
        about, view = inputs.clock("target").about, read_view(paths["target_view"])
        truths = select_frames(true_frames(entry.truth, about, view, inputs.about["fps"]), rows, entry.truth,
                               f"expected {TOGETHER}")
    foregrounds = select_frames(video_file.frames(paths["foreground"], "rgba"), np.arange(len(rows)),
                                paths["foreground"])
    with SeekableVideo(paths["target_frames"]) as training:
        for t, (source, truth, made) in enumerate(zip(sources, truths, foregrounds)):
            if truth is None:
                copied = inputs.copied[t]
                truth = np.zeros_like(plate) if copied is None else training[copied]
            drawn = skeleton.draw(inputs.driving[t], side, side / len(plate), skeleton.DRAWN_PARTS)
            yield [source, drawn, compositing.compose(made, plate), truth], made[..., 3]


def hidden(path: Path) -> np.ndarray:
    """Which pixels of the background nobody has seen, (S, S) bool."""
    return cv2.cvtColor(png.read(path), cv2.COLOR_RGB2GRAY) == 0
