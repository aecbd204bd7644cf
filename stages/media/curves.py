"""Curves that `dvc plots` draws: a folder with one tab-separated table a curve, as DVCLive writes them."""

from pathlib import Path

import numpy as np

from stages.media.files import atomic_write

POINTS = 400  # of a curve


def write(folder: Path, name: str, x: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """x: whole numbers (n,) that rise, called `name`; curves: values (n,) by what they are called.

    Values that are no numbers are left out, and a curve that is 0 all along: what it is of was not used. Of more than
    POINTS, as many as go together stand as their mean, at the last x of them."""
    with atomic_write(folder) as temporary:
        temporary.mkdir()
        for title, values in curves.items():
            y = np.asarray(values, float)
            known = np.flatnonzero(np.isfinite(y))
            if not y[known].any():
                continue
            groups = np.array_split(known, min(POINTS, len(known)))
            rows = [f"{x[group[-1]]}\t{y[group].mean()}\n" for group in groups]
            (temporary / f"{title}.tsv").write_text(f"{name}\t{title}\n{''.join(rows)}", newline="\n", encoding="utf-8")
