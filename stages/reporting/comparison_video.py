"""The comparison video: source, skeleton, result and truth as the four quarters of one video, so that the views stay in
sync."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from stages.evaluation.references import SAME_MOTION, truth_frames
from stages.imaging import compositing, contact_sheets
from stages.media import png, video_file
from stages.media.seek import SeekableVideo, select_frames
from stages.media.view import read_view
from stages.pose import skeleton
from stages.provenance.label import Label
from stages.reporting import html_page
from stages.reporting.report_inputs import ReportInputs

SIDES = ((600, 384), (1500, 256), (3000, 192))  # up to this number of frames: largest side of a quarter, pixels
CRF, KEY_FRAMES = 24, 25  # quality of the video, and distance of its key frames: one a second, for fast seeking
BLOCK = 16                # pixels that H.264 encodes together: sides are multiples, so no block covers two quarters
RESULT = 2                # the generated quarter
OPAQUE = 128              # alpha from which on a foreground hides the background
NOTICE = "AI-generated video made with FakeMotion"


@dataclass(frozen=True)
class ComparisonVideo:
    url: str                        # the MP4 as a data URL
    side: int                       # pixels of a quarter
    views: list[tuple[str, str]]    # name and label of the quarters: top left, top right, bottom left, bottom right
    frames: int                     # of the video, at most T
    unseen_background: np.ndarray   # (T,) share of the square's pixels that show background which no frame has shown
    stills: dict[int, np.ndarray]   # by frame: the four quarters side by side, (side, 4 side, 3)


def make_comparison_video(inputs: ReportInputs, still_frames: set[int]) -> ComparisonVideo:
    """still_frames: frames of the result that are also kept as stills."""
    total, size, fps = len(inputs.source_frames), inputs.timeline("target").about["size"], inputs.about["fps"]
    max_side = next((side for frames, side in SIDES if total <= frames), SIDES[-1][1])
    side = max(BLOCK, min(max_side, size) // BLOCK * BLOCK)
    label = Label((side, side)) if inputs.entry.label else None
    unseen, unseen_background, stills = unseen_pixels(inputs.paths["seen"]), np.zeros(total), {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "comparison.mp4"
        with video_file.h264(path, fps, CRF, {"comment": NOTICE}, keyframe_interval=KEY_FRAMES) as write:
            for t, (quarters, alpha) in enumerate(quarter_pictures(inputs, side)):
                unseen_background[t] = np.mean(unseen & (alpha < OPAQUE))
                tiles = [contact_sheets.fit_tile(picture, side) for picture in quarters]
                if label:
                    tiles[RESULT] = label.apply(tiles[RESULT])
                if t < SIDES[-1][0]:
                    write(np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])]))
                if t in still_frames:
                    stills[t] = np.hstack(tiles)
        url = html_page.mp4_url(path)
    return ComparisonVideo(url, side, views(inputs), min(total, SIDES[-1][0]), unseen_background, stills)


def views(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Name and label of each quarter. In a reconstruction the source is the truth. Without a truth, its quarter shows
    the training frame with the nearest pose."""
    entry = inputs.entry
    truth, source = ("truth", f"{entry.target}, as filmed"), ("source", f"{entry.source}, the source")
    has_truth_video = entry.truth and not entry.reconstruction
    return [truth if entry.reconstruction else source, ("skeleton", "skeleton"),
            ("result", f"{entry.target}, generated"),
            truth if has_truth_video else ("nearest", "nearest training frame")]


def quarter_pictures(inputs: ReportInputs, side: int) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """For each frame of the result the pictures of the four quarters, and the foreground's alpha (S, S)."""
    paths, entry, rows = inputs.paths, inputs.entry, inputs.source_frames
    plate = png.read(paths["background"])
    sources = select_frames(video_file.frames(paths["source_frames"]), rows, paths["source_frames"])
    truths = repeat(None)
    if entry.truth and not entry.reconstruction:
        about, view = inputs.timeline("target").about, read_view(paths["target_view"])
        truths = select_frames(truth_frames(entry.truth, about, view, inputs.about["fps"]), rows, entry.truth,
                               f"expected {SAME_MOTION}")
    foregrounds = select_frames(video_file.frames(paths["foreground"], "rgba"), np.arange(len(rows)),
                                paths["foreground"])
    with SeekableVideo(paths["target_frames"]) as target_frames:
        for t, (source, truth, foreground) in enumerate(zip(sources, truths, foregrounds)):
            if truth is None:
                retrieved = inputs.retrieval_frames[t]
                truth = np.zeros_like(plate) if retrieved is None else target_frames[retrieved]
            drawn = skeleton.draw(inputs.driving[t], side, side / len(plate), skeleton.DRAWN_PARTS)
            yield [source, drawn, compositing.compose(foreground, plate), truth], foreground[..., 3]


def unseen_pixels(path: Path) -> np.ndarray:
    """The background's pixels that no frame has shown, (S, S) bool; path: of background_seen.png."""
    return cv2.cvtColor(png.read(path), cv2.COLOR_RGB2GRAY) == 0
