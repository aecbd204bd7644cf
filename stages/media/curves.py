"""Writes curves for `dvc plots`: a folder with one tab-separated file per curve, in the format of DVCLive."""

from pathlib import Path

import numpy as np

from stages.media.files import atomic_write

MAX_POINTS = 400  # per curve


def write(folder: Path, name: str, x: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Replaces `folder`. x: ascending integers (n,), with the axis title `name`; curves: values (n,) by title.

    NaN and infinite values are omitted, and so are curves that are 0 everywhere: their term was not used. Longer curves
    are reduced to MAX_POINTS means of consecutive values, each at the last x of its group."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        for title, values in curves.items():
            y = np.asarray(values, float)
            finite = np.flatnonzero(np.isfinite(y))
            if not y[finite].any():
                continue
            groups = np.array_split(finite, min(MAX_POINTS, len(finite)))
            rows = [f"{x[group[-1]]}\t{y[group].mean()}\n" for group in groups]
            (temporary / f"{title}.tsv").write_text(f"{name}\t{title}\n{''.join(rows)}", newline="\n", encoding="utf-8")
