"""Frames that belong together, as spans that a reader can look up."""

import numpy as np

MOST = 6  # spans that are named of one list of frames


def spans(frames: np.ndarray, gap: int = 5) -> list[tuple[int, int]]:
    """Rising frames as (first, last), where holes of less than `gap` frames are closed."""
    frames = np.asarray(frames, int)
    if not len(frames):
        return []
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > gap) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


def longest(found: list[tuple[int, int]], most: int = MOST) -> list[tuple[int, int]]:
    """The `most` longest of the spans, in their order."""
    kept = sorted(found, key=lambda span: span[0] - span[1])[:most]
    return sorted(kept)


def worst_frames(badness: np.ndarray, count: int, apart: int) -> list[int]:
    """At most `count` frames, the largest of `badness` (T,) first, each more than `apart` frames from the others; NaN
    is never among them."""
    found = []
    for frame in np.argsort(-badness, kind="stable"):
        if len(found) == count or np.isnan(badness[frame]):
            break
        if all(abs(int(frame) - other) > apart for other in found):
            found.append(int(frame))
    return found
