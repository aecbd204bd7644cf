"""Comparison of two methods on the same transfer: the differences of their scores, with confidence intervals.

Input are the per-frame scores of both, from one training or from several seeds. Scores are subtracted frame by frame
and seed by seed, so that frames which are difficult for both cancel out. The mean is over seeds and over the frames
that have the score in both.

The 95 % interval has two parts: over frames, from the moving-block bootstrap of the mean over seeds, and over seeds,
from Student's t. They are treated as independent: the squares of their half widths add up. With one training there is
only the part over frames. The interval holds for further frames of this person and further trainings, not for other
people.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.special import stdtrit

from stages import InputError
from stages.evaluation.confidence_intervals import CONFIDENCE, bootstrap_intervals
from stages.evaluation.metric_names import FRAME_SCORES
from stages.media.files import existing

Difference = tuple[float, float | None, float | None]  # mean and the ends of its interval; None if there is none


def differences(pairs: Sequence[tuple[Path, Path]], fps: float) -> dict[str, Difference]:
    """The first method's score minus the second's, by score. Scores that no frame has in both are left out.

    pairs: the per_frame.parquet files of both methods, one pair for each seed. fps: of the transfer. InputError if the
    files do not have the same frames."""
    by_seed = [_score_differences(first, second) for first, second in pairs]
    if len({len(values) for values in by_seed}) > 1:
        raise InputError(f"{pairs[0][0]} and the scores of other seeds are not of the same frames; run them again")
    values = np.stack(by_seed)  # (seeds, frames, scores)
    means, intervals, out = seed_means(values).mean(0).tolist(), combined_intervals(values, fps).tolist(), {}
    for name, mean, ends in zip(FRAME_SCORES, means, intervals):
        if np.isfinite(mean):
            out[name] = (mean, *((None, None) if np.isnan(ends).any() else ends))
    return out


def combined_intervals(values: np.ndarray, fps: float) -> np.ndarray:
    """The intervals over frames and seeds, of values (seeds, frames, scores): low and high ends (scores, 2), NaN where
    there is none."""
    ends = bootstrap_intervals(np.where(np.isfinite(values).all(0), values.mean(0), np.nan), fps)  # over frames
    if len(values) == 1:
        return ends
    means = seed_means(values)
    mean, width = means.mean(0), np.array([half_width(column) for column in means.T])
    return np.stack([mean - np.hypot(ends[:, 0] - mean, width), mean + np.hypot(ends[:, 1] - mean, width)], 1)


def seed_means(values: np.ndarray) -> np.ndarray:
    """The means of values (seeds, frames, scores) over the frames that have a value in all seeds, (seeds, scores); NaN
    where there is no such frame."""
    known = np.isfinite(values).all(0)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(1) / known.sum(0)


def seed_difference(values: Sequence[float]) -> Difference:
    """The mean of one value for each seed, such as a difference of FIDs, and its interval by Student's t."""
    mean, width = float(np.mean(values)), half_width(values)
    return (mean, None, None) if np.isnan(width) else (mean, mean - width, mean + width)


def half_width(values: Sequence[float]) -> float:
    """Half the width of the 95 % interval of the mean, by Student's t; NaN for a single value."""
    if len(values) < 2:
        return float("nan")
    return float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * np.std(values, ddof=1) / np.sqrt(len(values)))


def _score_differences(first: Path, second: Path) -> np.ndarray:
    """The first method's scores minus the second's, (frames, scores)."""
    tables = [pq.read_table(existing(path, "scores; evaluate the transfer")) for path in (first, second)]
    frames = [table["frame"].to_pylist() for table in tables]
    if frames[0] != frames[1]:
        raise InputError(f"{second}: scores of {len(frames[1])} frames, not of the {len(frames[0])} that {first} has; "
                         "the transfer has changed: evaluate again")
    values = [np.array([table[name].to_numpy() for name in FRAME_SCORES], float).T for table in tables]
    return values[0] - values[1]
