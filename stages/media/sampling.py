"""Even sampling of sequences."""

import numpy as np


def evenly_spaced(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values (n,), evenly spaced and in order, including the first and the last."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))]
