"""The scores of generated frames, whoever generated them: frame by frame, and their means with 95 % intervals.

In: the frames in order and, for each, its `Reference`. Out: `Scores`. Frames stream by, a few at a time, and are
measured by as many threads as there are cores; what stays of a frame is one row of numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise, zip_longest

import numpy as np
import pyarrow as pa

from stages import InputError
from stages.measures.intervals import intervals, jackknife
from stages.measures.likeness import MEASURES, PERSON, PLACES, Box, boxes, likeness
from stages.measures.panel import REDETECTED, Judge
from stages.measures.reference import Reference, both
from stages.media.ahead import ahead, in_order
from stages.vision import quality
from stages.vision.flow import Flow, steadiness

LIKE = tuple(f"{measure}{place}" for place in ("", *(f"_{place}" for place in PLACES)) for measure in MEASURES)
COPIED = tuple(f"retrieval_{measure}{place}" for place in ("", f"_{PERSON}") for measure in MEASURES)
STEADY = ("tcm", "warp_error", "reference_warp_error")  # of a frame and the next
PERCEIVED = ("lpips", f"lpips_{PERSON}")
PAIRED = (*LIKE, *PERCEIVED, *COPIED)  # that need a true frame
NAMES = (*PAIRED, *STEADY, *REDETECTED)      # of each frame, in the order in which they are told
TOTALS = ("reference_identity", "fid", "is")  # of all frames together
UNITS = {name: "dB" for name in PAIRED if "psnr" in name}

NO_TRUTH = "no true frames: params.yaml names no `truth` for this transfer"
PER_FRAME = pa.schema([
    ("frame", pa.int32()),               # of the source
    ("box", pa.list_(pa.float32(), 4)),  # left, top, right, bottom of the person's box, pixels
    ("retrieval_frame", pa.int32()),     # the target's training frame whose pose is nearest
    *((name, pa.float64()) for name in NAMES),
])

Pair = tuple[np.ndarray, Reference]  # a frame, and what it is measured against


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
    paired: bool         # whether there were true frames
    pairs: int           # of consecutive frames
    static_pairs: int    # of them, in which the reference stands still, so that there is no TCM


def score(generated: Iterable[np.ndarray], references: Iterable[Reference], fps: float, flow: Flow,
          judges: list[Judge], name: str, remedy: str) -> Scores:
    """generated: (S, S, 3) uint8, one for each reference, at `fps`. name: what they are called in errors, and remedy:
    what to do where they do not fit."""
    matched = _matched(ahead(generated), references, name, remedy)
    columns, paired, pairs = defaultdict(list), False, 0
    for (picture, reference), places, row in in_order(partial(_measured, flow), pairwise(chain(matched, [None]))):
        for judge in judges:
            judge.add(picture, reference, places)
        paired |= reference.truth is not None
        pairs += "tcm" in row
        columns["frame"].append(reference.row)
        columns["box"].append(places.get(PERSON))
        columns["retrieval_frame"].append(reference.copy_row)
        for key in (*LIKE, *COPIED, *STEADY):
            columns[key].append(row.get(key, np.nan))
    count, totals, statistics, reasons = len(columns["frame"]), {}, {}, _reasons(paired, pairs)
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
    return Scores(metrics, table, paired, pairs, pairs - int(np.isfinite(values[:, NAMES.index("tcm")]).sum()))


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


def _matched(generated: Iterable[np.ndarray], references: Iterable[Reference], name: str,
             remedy: str) -> Iterator[Pair]:
    """Frame by frame, as long as both last, or InputError."""
    generated, references, count = iter(generated), iter(references), 0
    for picture, reference in zip_longest(generated, references):
        if picture is None or reference is None:
            given, wanted = (count + (one is not None) + sum(1 for _ in rest)
                             for one, rest in ((picture, generated), (reference, references)))
            raise InputError(f"{name}: {given} frames; expected {wanted}, one a driving pose: {remedy}")
        wanted = reference.motion.shape
        if picture.dtype != np.uint8 or picture.shape != wanted:
            raise InputError(f"{name}: frame {count} is {_told(picture.shape)} of {picture.dtype}; expected "
                             f"{_told(wanted)} of uint8, like the frames that it is compared with: {remedy}")
        yield picture, reference
        count += 1
    if not count:
        raise InputError(f"{name}: no frames: {remedy}")


def _told(shape: tuple[int, ...]) -> str:
    """Width x height x channels."""
    return " x ".join(map(str, shape[1::-1] + shape[2:]))


def _measured(flow: Flow, two: tuple[Pair, Pair | None]) -> tuple[Pair, dict[str, Box], dict[str, float]]:
    """A frame's places and scores; the next one is needed for its steadiness."""
    (picture, reference), after = two
    places, row = boxes(reference.pose, len(picture)), {}
    if reference.truth is not None:
        row |= likeness(picture, reference.truth, places, reference.seen)
    if reference.copy is not None:
        person = {place: box for place, box in places.items() if place == PERSON}
        copied = likeness(reference.copy, reference.truth, person, reference.copy_seen)
        row |= {f"retrieval_{key}": value for key, value in copied.items()}
    if after and (after[1].row, after[1].take) == (reference.row + 1, reference.take):
        seen = both(reference.motion_seen, after[1].motion_seen)
        moved = reference.motion, after[1].motion
        row |= zip(STEADY, steadiness(flow, (picture, after[0]), moved, seen))
    return two[0], places, row


def _reasons(paired: bool, pairs: int) -> dict[str, str]:
    """Why a score has no value, where no judge knows better."""
    if not paired:
        out = dict.fromkeys(PAIRED, NO_TRUTH)
    else:
        out = {name: f"in no frame is the {place.replace('_', ' ')} known, in view and {quality.WINDOW} pixels large"
               for place in PLACES for name in PAIRED if name.endswith(place)}
        whole = "nothing of any frame was seen by the camera"
        out = {name: "no training frame's pose can be compared" for name in COPIED} | out
        out = dict.fromkeys(PAIRED, whole) | out
    steady = "nothing moves between two frames" if pairs else "no two consecutive frames"
    return dict.fromkeys((*TOTALS, *REDETECTED), "nobody was asked") | out | dict.fromkeys(STEADY, steady)
