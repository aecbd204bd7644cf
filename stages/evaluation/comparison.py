"""Two methods' scores of the same transfer: how far they are apart, and whether frames and seeds can tell.

In: per-frame scores of both, of one training or of several seeds. Out: for each score the mean of the first less the
second over seeds and the frames that both have, with its 95 % interval. Frame is subtracted from frame, and seed from
seed, so that what makes a frame hard for both cancels out.

The interval is that of frames, by the moving-block bootstrap of the mean over seeds, and that of seeds, by Student's t,
as independent errors: the squares of their halves add up. It holds for further frames of this person and further
trainings, not for other people. Of one training it is that of the frames alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.special import stdtrit

from stages import InputError
from stages.evaluation.confidence_intervals import SHARE, intervals
from stages.evaluation.scoring import NAMES
from stages.media.files import existing

Difference = tuple[float, float | None, float | None]  # of means; ends of its interval, None where there is none


def differences(pairs: Sequence[tuple[Path, Path]], fps: float) -> dict[str, Difference]:
    """By score; those that no frame has in both are left out. pairs: the files of both, one a seed. fps: of the
    transfer. InputError where they are not of the same frames."""
    apart = [_apart(first, second) for first, second in pairs]
    if len({len(one) for one in apart}) > 1:
        raise InputError(f"{pairs[0][0]} and the scores of other seeds are not of the same frames; run them again")
    apart = np.stack(apart)  # (seeds, frames, scores)
    out = {}
    for name, mean, ends in zip(NAMES, means(apart).mean(0).tolist(), both(apart, fps).tolist()):
        if np.isfinite(mean):
            out[name] = (mean, *((None, None) if np.isnan(ends).any() else ends))
    return out


def both(values: np.ndarray, fps: float) -> np.ndarray:
    """Ends (scores, 2) of the interval of frames and seeds, of values (seeds, frames, scores); NaN: there is none."""
    ends = intervals(np.where(np.isfinite(values).all(0), values.mean(0), np.nan), fps)  # of frames
    if len(values) == 1:
        return ends
    seeds = means(values)
    mean, width = seeds.mean(0), np.array([half(column) for column in seeds.T])
    return np.stack([mean - np.hypot(ends[:, 0] - mean, width), mean + np.hypot(ends[:, 1] - mean, width)], 1)


def means(values: np.ndarray) -> np.ndarray:
    """Of values (seeds, frames, scores) over the frames that all seeds have, (seeds, scores); NaN where none is."""
    known = np.isfinite(values).all(0)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(1) / known.sum(0)


def of_seeds(values: Sequence[float]) -> Difference:
    """The mean of what each seed has one value of, such as a difference of FIDs, and Student's interval of it."""
    mean, width = float(np.mean(values)), half(values)
    return (mean, None, None) if np.isnan(width) else (mean, mean - width, mean + width)


def half(values: Sequence[float]) -> float:
    """Half the width of the 95 % interval of a mean, by Student's t; NaN of a single value."""
    if len(values) < 2:
        return float("nan")
    return float(stdtrit(len(values) - 1, (1 + SHARE) / 2) * np.std(values, ddof=1) / np.sqrt(len(values)))


def _apart(first: Path, second: Path) -> np.ndarray:
    """The first's scores less the second's, (frames, scores)."""
    tables = [pq.read_table(existing(path, "scores; evaluate the transfer")) for path in (first, second)]
    frames = [table["frame"].to_pylist() for table in tables]
    if frames[0] != frames[1]:
        raise InputError(f"{second}: scores of {len(frames[1])} frames, not of the {len(frames[0])} that {first} has; "
                         "the transfer has changed: evaluate again")
    values = [np.array([table[name].to_numpy() for name in NAMES], float).T for table in tables]
    return values[0] - values[1]
