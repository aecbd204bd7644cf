"""Two systems' scores of the same transfer: how far they are apart, and whether the frames can tell.

In: per-frame scores of both. Out: for each score the mean over the frames that both have of the first minus the
second, with the 95 % interval of that mean. Frame is subtracted from frame, so that what makes a frame hard for both
cancels out.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stages import InputError
from stages.measures.intervals import intervals
from stages.measures.scoring import NAMES
from stages.media.files import existing

Difference = tuple[float, float | None, float | None]  # of means; ends of its interval, None where frames are too few


def differences(first: Path, second: Path, fps: float) -> dict[str, Difference]:
    """By score; those that no frame has in both are left out. fps: of the transfer."""
    tables = [pq.read_table(existing(path, "scores; evaluate the transfer")) for path in (first, second)]
    frames = [table["frame"].to_pylist() for table in tables]
    if frames[0] != frames[1]:
        raise InputError(f"{second}: scores of {len(frames[1])} frames, not of the {len(frames[0])} that {first} has; "
                         "the transfer has changed: evaluate again")
    values = [np.array([table[name].to_numpy() for name in NAMES], float).T for table in tables]  # (frames, scores)
    apart = values[0] - values[1]
    out = {}
    for name, column, (low, high) in zip(NAMES, apart.T, intervals(apart, fps).tolist()):
        if np.isfinite(column).any():
            known = not np.isnan([low, high]).any()
            out[name] = (float(np.nanmean(column)), *((low, high) if known else (None, None)))
    return out
