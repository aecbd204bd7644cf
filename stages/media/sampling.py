"""Even sampling of sequences."""

import numpy as np


def evenly_spaced_indices(length: int, count: int) -> np.ndarray:
    """`count` evenly spaced indices from 0 to length - 1. If length < count, some indices repeat."""
    return np.linspace(0, length - 1, count).round().astype(int)


def evenly_spaced(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values (n,), evenly spaced and in order, including the first and the last."""
    return values[np.unique(evenly_spaced_indices(len(values), min(count, len(values))))]
