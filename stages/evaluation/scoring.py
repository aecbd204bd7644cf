"""The scores of generated frames, whoever generated them: frame by frame, and their means with 95 % intervals.

In: the frames in order and, for each, its `Reference` and, of our own, what the video shows of it. Out: `Scores`.
Frames stream by, a few at a time, and are measured by `threads.workers()` threads; what stays of a frame is one
row of numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise, zip_longest

import cv2
import numpy as np
import pyarrow as pa

from stages import InputError
from stages.evaluation.confidence_intervals import intervals, jackknife
from stages.evaluation.delivered_video import Delivered
from stages.evaluation.image_similarity import Box, boxes, inner, of_person, similarity_scores
from stages.evaluation.metric_names import (
    CHANGE, COPIED, NAMES, PAIRED, PERCEIVED, PERSON, PLACES, REDETECTED, STEADY, TOTALS, UNITS, VIDEO,
)
from stages.evaluation.metric_suite import FrameScorer
from stages.evaluation.references import Reference, both
from stages.imaging import image_quality
from stages.imaging.optical_flow import FlowModel, FlowPair, temporal_consistency
from stages.media.prefetch import ordered_map, prefetched

NO_TRUTH = "no true frames: params.yaml names no `truth` for this transfer"
NO_VIDEO = "these frames are not those of a video that was made here"
REACH = 0.06  # around what is surely the person, share of the frame's side: hair, clothes and hands too
PER_FRAME = pa.schema([
    ("frame", pa.int32()),               # of the source
    ("box", pa.list_(pa.float32(), 4)),  # left, top, right, bottom of the person's box, pixels
    ("retrieval_frame", pa.int32()),     # the target's training frame whose pose is nearest
    *((name, pa.float64()) for name in NAMES),
])


@dataclass(frozen=True)
class Frame:
    picture: np.ndarray           # (S, S, 3) uint8
    reference: Reference          # what it is measured against
    delivered: np.ndarray | None  # what the video shows of it, (S, S, 3) uint8

    @property
    def shown(self) -> dict[str, np.ndarray]:
        """What is scored, by what its scores' names begin with."""
        return {"": self.picture} | ({} if self.delivered is None else {"video_": self.delivered})


@dataclass(frozen=True)
class Score:
    value: float | None
    unit: str | None = None
    reason: str | None = None   # where there is no value
    low: float | None = None    # ends of the 95 % interval, where there is one
    high: float | None = None


@dataclass(frozen=True)
class Scores:
    metrics: dict[str, Score]
    per_frame: pa.Table  # PER_FRAME
    size: int            # S, of the frames, pixels
    paired: bool         # whether there were true frames
    pairs: int           # of consecutive frames
    static_pairs: int    # of them, in which the reference stands still, so that there is no TCM


def score(generated: Iterable[np.ndarray], references: Iterable[Reference], fps: float, flow: FlowModel,
          judges: list[FrameScorer], name: str, remedy: str, delivered: Iterable[Delivered] | None = None) -> Scores:
    """generated: (S, S, 3) uint8, one for each reference, at `fps`. name: what they are called in errors, and remedy:
    what to do where they do not fit. delivered: what the video shows of each, where there is one."""
    delivered = None if delivered is None else prefetched(delivered)
    matched = _matched(prefetched(generated), references, name, remedy, delivered)
    columns, paired, pairs = defaultdict(list), False, 0
    for frame, places, row in ordered_map(partial(_measured, flow), pairwise(chain(matched, [None]))):
        reference = frame.reference
        for judge in judges:
            judge.add(frame.picture, reference, places, frame.delivered)
        paired |= reference.truth is not None
        pairs += "tcm" in row
        columns["frame"].append(reference.row)
        columns["box"].append(places.get(PERSON))
        columns["retrieval_frame"].append(reference.copy_row)
        for key in NAMES:
            columns[key].append(row.get(key, np.nan))
    count, totals, statistics = len(columns["frame"]), {}, {}
    reasons = _reasons(paired, pairs, delivered is not None)
    for judge in judges:
        columns |= judge.columns()
        totals |= judge.totals()
        statistics |= judge.statistics()
        reasons |= judge.reasons
    values = np.array([columns.get(key, [np.nan] * count) for key in NAMES]).T  # (frames, scores)
    metrics = means(values, fps, reasons)
    for key in TOTALS:
        value = totals.get(key)
        half = jackknife(statistics[key], count, fps) if key in statistics else np.nan
        ends = (None, None) if np.isnan(half) else (value - half, value + half)
        metrics[key] = Score(value, None, reasons[key] if value is None else None, *ends)
    numbers = {key: pa.array(column, from_pandas=True) for key, column in zip(NAMES, values.T)}  # null for NaN
    table = pa.table({key: columns[key] for key in ("frame", "box", "retrieval_frame")} | numbers, PER_FRAME)
    known = int(np.isfinite(values[:, NAMES.index("tcm")]).sum())
    return Scores(metrics, table, len(frame.picture), paired, pairs, pairs - known)


def means(values: np.ndarray, fps: float, reasons: dict[str, str]) -> dict[str, Score]:
    """Of values (frames, scores) over the frames that have each score, with their intervals; or why none has it."""
    out = {}
    for name, column, ends in zip(NAMES, values.T, intervals(values, fps)):
        known = column[np.isfinite(column)]
        if len(known):
            low, high = (None, None) if np.isnan(ends).any() else map(float, ends)
            out[name] = Score(float(known.mean()), UNITS.get(name), None, low, high)
        else:
            out[name] = Score(None, UNITS.get(name), reasons[name])
    return out


def _matched(generated: Iterable[np.ndarray], references: Iterable[Reference], name: str, remedy: str,
             delivered: Iterable[Delivered] | None) -> Iterator[Frame]:
    """Frame by frame, as long as all last, or InputError."""
    generated, references, shown, count = iter(generated), iter(references), iter(delivered or ()), 0
    for picture, reference in zip_longest(generated, references):
        if picture is None or reference is None:
            given, wanted = (count + (one is not None) + sum(1 for _ in rest)
                             for one, rest in ((picture, generated), (reference, references)))
            raise InputError(f"{name}: {given} frames; expected {wanted}, one a driving pose: {remedy}")
        wanted = reference.real.shape
        if picture.dtype != np.uint8 or picture.shape != wanted:
            raise InputError(f"{name}: frame {count} is {_told(picture.shape)} of {picture.dtype}; expected "
                             f"{_told(wanted)} of uint8, like the frames that it is compared with: {remedy}")
        one = next(shown, None)
        if delivered is not None and one is None:
            raise InputError(f"{name}: more frames than the {count} of the video that was made of them: {remedy}")
        yield Frame(picture, reference, None if one is None else one.over(picture))
        count += 1
    if not count:
        raise InputError(f"{name}: no frames: {remedy}")
    if next(shown, None) is not None:
        raise InputError(f"{name}: {count} frames, fewer than the video that was made of them has: {remedy}")


def _told(shape: tuple[int, ...]) -> str:
    """Width x height x channels."""
    return " x ".join(map(str, shape[1::-1] + shape[2:]))


def _measured(flow: FlowModel, two: tuple[Frame, Frame | None]) -> tuple[Frame, dict[str, Box], dict[str, float]]:
    """A frame's places and scores; the next one is needed for its steadiness."""
    frame, after = two
    reference, size = frame.reference, len(frame.picture)
    places, row = boxes(reference.pose, size), {}
    person = {place: box for place, box in places.items() if place == PERSON}
    if reference.truth is not None:
        inside = inner(reference.pose, size)
        for begin, picture in frame.shown.items():
            found = similarity_scores(picture, reference.truth, places if not begin else person, reference.seen)
            found |= of_person(picture, reference.truth, places.get(PERSON), inside, reference.seen)
            row |= {f"{begin}{key}": value for key, value in found.items()}
    if reference.copy is not None:
        copied = similarity_scores(reference.copy, reference.truth, person, reference.copy_seen)
        row |= {f"retrieval_{key}": value for key, value in copied.items()}
    if after and (after.reference.row, after.reference.take) == (reference.row + 1, reference.take):
        motion = _motion(flow, reference, after.reference, size)
        row["reference_warp_error"] = motion.error
        for begin, picture in frame.shown.items():
            row[f"{begin}tcm"], error = temporal_consistency(motion, (picture, after.shown[begin]))
            row.setdefault("warp_error", error)
    return frame, places, row


def _motion(flow: FlowModel, one: Reference, next_one: Reference, size: int) -> FlowPair:
    """From one frame to the next: in the truth or, where there is none, in the source, carried to where retargeting
    placed it."""
    seen, pictures = both(one.motion_seen, next_one.motion_seen), (one.motion, next_one.motion)
    if one.placed is None:
        return FlowPair.measure(flow, pictures, seen)
    side = 2 * round(REACH * size) + 1
    person = cv2.dilate(inner(one.pose, size).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return FlowPair.transferred(flow, pictures, (one.placed, next_one.placed), person, seen)


def _reasons(paired: bool, pairs: int, filmed: bool) -> dict[str, str]:
    """Why a score has no value, where no judge knows better."""
    if not paired:
        out = dict.fromkeys(PAIRED, NO_TRUTH)
    else:
        out = {name: f"in no frame is the {place.replace('_', ' ')} known, in view and {image_quality.WINDOW} pixels large"
               for place in PLACES for name in PAIRED if name.endswith(place)}
        out["sharpness"] = out["video_sharpness"] = "in no frame is the person known and in view"
        whole = "nothing of any frame was seen by the camera"
        out = {name: "no training frame's pose can be compared" for name in COPIED} | out
        out = dict.fromkeys(PAIRED, whole) | out
    steady = "nothing moves between two frames" if pairs else "no two consecutive frames"
    out |= dict.fromkeys(STEADY, steady) | ({} if filmed else dict.fromkeys((*VIDEO, CHANGE), NO_VIDEO))
    return dict.fromkeys((*TOTALS, *REDETECTED, *PERCEIVED), "nobody was asked") | out
