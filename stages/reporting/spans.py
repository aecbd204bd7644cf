"""Shortens lists of frames for the report: to spans, or to the worst frames."""

import numpy as np

MAX_SPANS = 6  # shown of one list of frames


def spans(frames: np.ndarray, gap: int = 5) -> list[tuple[int, int]]:
    """Ascending frame numbers as spans (first, last). Frames that differ by at most `gap` belong to one span."""
    frames = np.asarray(frames, int)
    if not len(frames):
        return []
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > gap) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


def longest(found: list[tuple[int, int]], most: int = MAX_SPANS) -> list[tuple[int, int]]:
    """The `most` longest spans, in their order."""
    kept = sorted(found, key=lambda span: span[0] - span[1])[:most]
    return sorted(kept)


def worst_frames(badness: np.ndarray, count: int, min_distance: int) -> list[int]:
    """At most `count` frames, those with the largest `badness` (T,) first, each more than `min_distance` frames from
    the others. Frames with NaN are left out."""
    found = []
    for frame in np.argsort(-badness, kind="stable"):
        if len(found) == count or np.isnan(badness[frame]):
            break
        if all(abs(int(frame) - other) > min_distance for other in found):
            found.append(int(frame))
    return found
