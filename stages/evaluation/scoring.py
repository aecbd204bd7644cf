"""Scoring of the generated frames of any system: scores of each frame, and their means with 95 % intervals.

Input are the frames in order, a `Reference` for each and, for our own, the same frames in the final video. Frames are
streamed and scored by `threads.workers()` threads; only the numbers of each frame are kept.
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
from stages.evaluation.confidence_intervals import bootstrap_intervals, jackknife_half_width
from stages.evaluation.delivered_video import DeliveredFrame
from stages.evaluation.image_similarity import (
    PixelBox, certain_person_mask, person_scores, region_boxes, similarity_scores,
)
from stages.evaluation.metric_names import (
    CONSISTENCY_SCORES, DELIVERY_LPIPS, FRAME_SCORES, LPIPS_SCORES, PERSON_BOX, REDETECTION_SCORES, REGIONS,
    RETRIEVAL_SCORES, SET_SCORES, TRUTH_SCORES, UNITS, VIDEO_SCORES,
)
from stages.evaluation.metric_suite import FrameScorer
from stages.evaluation.references import Reference, combine_masks
from stages.imaging import image_quality
from stages.imaging.optical_flow import FlowModel, FlowPair, temporal_consistency
from stages.media.prefetch import ordered_map, prefetched

NO_TRUTH = "no true frames: params.yaml names no `truth` for this transfer"
NO_VIDEO = "these frames do not come from a video that FakeMotion made"
PERSON_MARGIN = 0.06  # share of the frame's side around the certain person mask: hair, clothes and hands
PER_FRAME = pa.schema([
    ("frame", pa.int32()),               # of the source
    ("box", pa.list_(pa.float32(), 4)),  # left, top, right, bottom of the person's box, pixels
    ("retrieval_frame", pa.int32()),     # the target's training frame whose pose is nearest
    *((name, pa.float64()) for name in FRAME_SCORES),
])


@dataclass(frozen=True)
class FrameData:
    """A generated frame and what it is compared with."""

    picture: np.ndarray           # (S, S, 3) uint8
    reference: Reference
    delivered: np.ndarray | None  # the same frame in the final video, (S, S, 3) uint8

    @property
    def scored_pictures(self) -> dict[str, np.ndarray]:
        """The pictures to score, by the prefix of their scores' names."""
        return {"": self.picture} | ({} if self.delivered is None else {"video_": self.delivered})


@dataclass(frozen=True)
class Score:
    value: float | None
    unit: str | None = None
    reason: str | None = None   # why there is no value
    low: float | None = None    # ends of the 95 % interval, if there is one
    high: float | None = None


@dataclass(frozen=True)
class Scores:
    metrics: dict[str, Score]
    per_frame: pa.Table  # PER_FRAME
    size: int            # S, of the frames, pixels
    paired: bool         # whether there were true frames
    pairs: int           # of consecutive frames
    static_pairs: int    # pairs without TCM, because the reference does not move


def score(generated: Iterable[np.ndarray], references: Iterable[Reference], fps: float, flow: FlowModel,
          scorers: list[FrameScorer], name: str, remedy: str,
          delivered: Iterable[DeliveredFrame] | None = None) -> Scores:
    """Scores generated frames (S, S, 3) uint8, one for each reference, at `fps`.

    delivered: the same frames in the final video, if there is one. InputError if numbers or shapes of frames do not
    match; name: of the frames, for the error; remedy: what the user can do about it."""
    frames = _matched(prefetched(generated), references, name, remedy, delivered)
    columns, paired, pairs = defaultdict(list), False, 0
    for frame, regions, row in ordered_map(partial(_score_frame, flow), pairwise(chain(frames, [None]))):
        reference = frame.reference
        for scorer in scorers:
            scorer.add(frame.picture, reference, regions, frame.delivered)
        paired |= reference.truth is not None
        pairs += "tcm" in row
        columns["frame"].append(reference.source_frame)
        columns["box"].append(regions.get(PERSON_BOX))
        columns["retrieval_frame"].append(reference.retrieval_frame)
        for key in FRAME_SCORES:
            columns[key].append(row.get(key, np.nan))
    count, totals, statistics = len(columns["frame"]), {}, {}
    reasons = _default_reasons(paired, pairs, delivered is not None)
    for scorer in scorers:
        columns |= scorer.columns()
        totals |= scorer.totals()
        statistics |= scorer.statistics()
        reasons |= scorer.reasons
    values = np.array([columns.get(key, [np.nan] * count) for key in FRAME_SCORES]).T  # (frames, scores)
    metrics = mean_scores(values, fps, reasons)
    for key in SET_SCORES:
        value = totals.get(key)
        half_width = jackknife_half_width(statistics[key], count, fps) if key in statistics else np.nan
        ends = (None, None) if np.isnan(half_width) else (value - half_width, value + half_width)
        metrics[key] = Score(value, None, reasons[key] if value is None else None, *ends)
    numbers = {key: pa.array(column, from_pandas=True) for key, column in zip(FRAME_SCORES, values.T)}  # NaN -> null
    table = pa.table({key: columns[key] for key in ("frame", "box", "retrieval_frame")} | numbers, PER_FRAME)
    known_pairs = int(np.isfinite(values[:, FRAME_SCORES.index("tcm")]).sum())
    return Scores(metrics, table, len(frame.picture), paired, pairs, pairs - known_pairs)


def mean_scores(values: np.ndarray, fps: float, reasons: dict[str, str]) -> dict[str, Score]:
    """The mean of each score over the frames that have it, with its interval, or the reason why no frame has it.
    values: (frames, scores)."""
    out = {}
    for name, column, ends in zip(FRAME_SCORES, values.T, bootstrap_intervals(values, fps)):
        known = column[np.isfinite(column)]
        if len(known):
            low, high = (None, None) if np.isnan(ends).any() else map(float, ends)
            out[name] = Score(float(known.mean()), UNITS.get(name), None, low, high)
        else:
            out[name] = Score(None, UNITS.get(name), reasons[name])
    return out


def _matched(generated: Iterable[np.ndarray], references: Iterable[Reference], name: str, remedy: str,
             delivered: Iterable[DeliveredFrame] | None) -> Iterator[FrameData]:
    """Pairs frames with references; InputError if their numbers or shapes do not match."""
    generated, references, video, count = iter(generated), iter(references), iter(delivered or ()), 0
    for picture, reference in zip_longest(generated, references):
        if picture is None or reference is None:
            given, expected = (count + (one is not None) + sum(1 for _ in rest)
                               for one, rest in ((picture, generated), (reference, references)))
            raise InputError(f"{name}: {given} frames; expected {expected}, one for each driving pose: {remedy}")
        shape = reference.real.shape
        if picture.dtype != np.uint8 or picture.shape != shape:
            raise InputError(f"{name}: frame {count} is {_format(picture.shape)} of {picture.dtype}; expected "
                             f"{_format(shape)} of uint8, like the frames that it is compared with: {remedy}")
        video_frame = next(video, None)
        if delivered is not None and video_frame is None:
            raise InputError(f"{name}: more frames than the {count} of the video that was made of them: {remedy}")
        yield FrameData(picture, reference, None if video_frame is None else video_frame.without_label(picture))
        count += 1
    if not count:
        raise InputError(f"{name}: no frames: {remedy}")
    if next(video, None) is not None:
        raise InputError(f"{name}: {count} frames, fewer than the video that was made of them has: {remedy}")


def _format(shape: tuple[int, ...]) -> str:
    """Width x height x channels."""
    return " x ".join(map(str, shape[1::-1] + shape[2:]))


def _score_frame(flow: FlowModel, pair: tuple[FrameData, FrameData | None]
                 ) -> tuple[FrameData, dict[str, PixelBox], dict[str, float]]:
    """The first frame of the pair, its regions and its scores; the second is needed for temporal consistency."""
    frame, next_frame = pair
    reference, size = frame.reference, len(frame.picture)
    regions, row = region_boxes(reference.pose, size), {}
    person_only = {region: box for region, box in regions.items() if region == PERSON_BOX}
    mask = reference.truth_mask
    if reference.truth is not None:
        inside = certain_person_mask(reference.pose, size)
        for prefix, picture in frame.scored_pictures.items():
            scores = similarity_scores(picture, reference.truth, person_only if prefix else regions, mask)
            scores |= person_scores(picture, reference.truth, regions.get(PERSON_BOX), inside, mask)
            row |= {f"{prefix}{key}": value for key, value in scores.items()}
    if reference.retrieved is not None:
        scores = similarity_scores(reference.retrieved, reference.truth, person_only, reference.retrieved_mask)
        row |= {f"retrieval_{key}": value for key, value in scores.items()}
    next_moment = reference.source_frame + 1, reference.take
    if next_frame and (next_frame.reference.source_frame, next_frame.reference.take) == next_moment:
        motion = _reference_motion(flow, reference, next_frame.reference, size)
        row["reference_warp_error"] = motion.error
        for prefix, picture in frame.scored_pictures.items():
            row[f"{prefix}tcm"], error = temporal_consistency(motion, (picture, next_frame.scored_pictures[prefix]))
            row.setdefault("warp_error", error)
    return frame, regions, row


def _reference_motion(flow: FlowModel, first: Reference, second: Reference, size: int) -> FlowPair:
    """Optical flow between two consecutive frames, of the truth or, without one, of the source, mapped to where
    retargeting placed it."""
    mask = combine_masks(first.motion_mask, second.motion_mask)
    pictures = first.motion_picture, second.motion_picture
    if first.placement is None:
        return FlowPair.measure(flow, pictures, mask)
    side = 2 * round(PERSON_MARGIN * size) + 1
    person = cv2.dilate(certain_person_mask(first.pose, size).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return FlowPair.transferred(flow, pictures, (first.placement, second.placement), person, mask)


def _default_reasons(paired: bool, pairs: int, has_video: bool) -> dict[str, str]:
    """Why a score has no value, unless its scorer gives a more precise reason."""
    if not paired:
        out = dict.fromkeys(TRUTH_SCORES, NO_TRUTH)
    else:
        out = {name: f"in no frame is the {region.replace('_', ' ')} known, in view and at least "
                     f"{image_quality.WINDOW} pixels large"
               for region in REGIONS for name in TRUTH_SCORES if name.endswith(region)}
        out["sharpness"] = out["video_sharpness"] = "in no frame is the person known and in view"
        out = {name: "no training frame's pose can be compared" for name in RETRIEVAL_SCORES} | out
        out = dict.fromkeys(TRUTH_SCORES, "the camera saw no pixel of any frame") | out
    no_motion = "nothing moves between two frames" if pairs else "no two consecutive frames"
    out |= dict.fromkeys(CONSISTENCY_SCORES, no_motion)
    out |= {} if has_video else dict.fromkeys((*VIDEO_SCORES, DELIVERY_LPIPS), NO_VIDEO)
    return dict.fromkeys((*SET_SCORES, *REDETECTION_SCORES, *LPIPS_SCORES), "not computed") | out
