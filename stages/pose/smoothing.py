"""Poses over time: sides that were swapped for a moment, points that jump away and back, and noise.

Point sets (T, n, 3) of x, y in pixels and score; an unknown point is NaN with score 0. Nothing here is causal: every
frame is judged and smoothed by what comes before and after it, so that no motion lags.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import solveh_banded

from stages.pose.skeleton import (
    L_ANKLE, L_ELBOW, L_HIP, L_KNEE, L_SHOULDER, L_WRIST, R_ANKLE, R_ELBOW, R_HIP, R_KNEE, R_SHOULDER, R_WRIST, Pose,
)

CUT_OFF = 6.0      # Hz, of strength 1; people's motion lies below (Winter, Biomechanics of human movement)
_ROUGH = 3         # the difference that is kept small: with the third, parabolas in time are left as they are
_OUTLIER = 0.05    # of the person's size: the least jump of a point that is taken for a wrong detection
_ABRUPT = 2.5      # times the steps around it
_BRIEF = 0.24      # seconds between a jump away and the jump back, less than
_SWAPPED = 0.5     # of the person's size, a second: what a swap of sides must spare in unsteadiness to be believed
_FILLED = 0.01     # weight of a filled point beside that of a detected one
_ARMS = ([R_SHOULDER, R_ELBOW, R_WRIST], [L_SHOULDER, L_ELBOW, L_WRIST])
_LEGS = ([R_HIP, R_KNEE, R_ANKLE], [L_HIP, L_KNEE, L_ANKLE])


def body_size(body: np.ndarray) -> float:
    """The longer side of the person's extent in pixels, as it is in the clip's larger tenth."""
    places = body[(body[..., 2] > 0).any(1), :, :2]
    return float(np.percentile((np.nanmax(places, 1) - np.nanmin(places, 1)).max(1), 90))


def without_swapped_sides(pose: Pose, fps: float) -> Pose:
    """The pose with arms and legs whose sides were swapped for a short time put back."""
    body, feet, size = pose.body.copy(), pose.feet.copy(), body_size(pose.body)
    legs = np.concatenate([body[:, _LEGS[0]], feet[:, :2]], 1), np.concatenate([body[:, _LEGS[1]], feet[:, 2:]], 1)
    crossed = swapped_frames(body[:, _ARMS[0]], body[:, _ARMS[1]], size, fps)
    left, right = pose.left_hand.copy(), pose.right_hand.copy()
    left[crossed], right[crossed] = pose.right_hand[crossed], pose.left_hand[crossed]
    _swap(body, crossed, *_ARMS)
    crossed = swapped_frames(*legs, size, fps)
    _swap(body, crossed, *_LEGS)
    _swap(feet, crossed, [0, 1], [2, 3])
    return replace(pose, body=body, left_hand=left, right_hand=right, feet=feet)


def swapped_frames(right: np.ndarray, left: np.ndarray, size: float, fps: float) -> np.ndarray:
    """The frames (T,) in which two limbs (T, n, 3) had better change names: the sequence of names that moves most
    steadily (the sum of the joints' second differences), where each swapped frame must be worth it.

    Viterbi's algorithm over the names in two frames."""
    count, n = right.shape[:2]
    if count < 3:
        return np.zeros(count, bool)
    names = np.stack([np.concatenate([right, left], 1), np.concatenate([left, right], 1)])[..., :2] / size
    bends = np.zeros((count, 2, 2, 2))  # frame; names two frames before, one before, now
    for first, second, third in np.ndindex(2, 2, 2):
        bend = names[third, 2:] - 2 * names[second, 1:-1] + names[first, :-2]
        bends[2:, first, second, third] = np.nansum(np.linalg.norm(bend, axis=-1), 1) / 2
    price = _SWAPPED / fps * n * np.array([0, 1])
    total, best = price[:, None] + price, np.zeros((count, 2, 2), int)
    for t in range(2, count):
        ways = total[:, :, None] + bends[t] + price
        best[t], total = ways.argmin(0), ways.min(0)
    path = list(np.unravel_index(total.argmin(), (2, 2)))[::-1]  # now, one before, ...
    for t in range(count - 1, 1, -1):
        path.append(best[t, path[-1], path[-2]])
    return np.array(path[::-1], bool)


def _swap(points: np.ndarray, frames: np.ndarray, right: list[int], left: list[int]) -> None:
    points[np.ix_(frames, right + left)] = points[np.ix_(frames, left + right)]


def outliers(points: np.ndarray, size: float, fps: float) -> np.ndarray:
    """Which points (T, n) are part of a short excursion: a jump away and a jump back, both much longer than every step
    before, between and after. Fast motion is no such thing: its steps grow and shrink."""
    steps = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=-1)  # (T - 1, n); NaN where either end is unknown
    off = np.zeros(points.shape[:2], bool)
    for length in range(1, int(_BRIEF * fps)):
        if len(steps) < length + 3:
            break
        around = np.lib.stride_tricks.sliding_window_view(steps, length + 3, axis=0)  # (T - length - 3, n, length + 3)
        jumps = around[..., [1, -2]].min(-1)
        way = np.linalg.norm(points[length + 2 : -1, :, :2] - points[1 : -length - 2, :, :2], axis=-1)
        calm = np.maximum(np.delete(around, [1, length + 1], axis=-1).max(-1), way / (length + 1))
        found = (jumps > way) & (jumps > np.maximum(_ABRUPT * calm, _OUTLIER * size))
        for k in range(length):
            off[2 + k : 2 + k + len(found)] |= found
    return off


def smooth(points: np.ndarray, filled: np.ndarray, strength: float, fps: float) -> np.ndarray:
    """The points on their smooth tracks, sure ones (by their score) kept closer to; `filled` (T, n) says which were
    not seen. What oscillates at CUT_OFF / strength is halved, slower motion is left, faster goes."""
    result, known = points.copy(), points[..., 2] > 0
    for j in np.flatnonzero(known.any(0)):
        weight = np.where(filled[:, j], _FILLED, 1.0) * points[:, j, 2]
        track = _fit(points[:, j, :2], weight, known[:, j], CUT_OFF / strength / fps)
        result[known[:, j], j, :2] = track[known[:, j]]
    return result


def _fit(places: np.ndarray, weight: np.ndarray, known: np.ndarray, cut_off: float) -> np.ndarray:
    """Whittaker's smoother of a track (T, 2): least squares of weighted deviations and of the third differences
    within each run of known frames. cut_off: cycles a frame; at weight 1 they are halved."""
    stencil, length = np.array([-1.0, 3, -3, 1]), len(places) - _ROUGH
    stiff = (2 * np.sin(np.pi * min(cut_off, 0.5))) ** (-2 * _ROUGH)
    bands = np.zeros((_ROUGH + 1, len(places)))  # of the lower triangle
    bands[0] = np.where(known, weight, 1)
    if length > 0:
        within = stiff * np.lib.stride_tricks.sliding_window_view(known, _ROUGH + 1).all(1)  # (T - 3,)
        for row in range(_ROUGH + 1):
            for column in range(row + 1):
                bands[row - column, column : column + length] += stencil[row] * stencil[column] * within
    pull = np.where(known[:, None], places * weight[:, None], 0)
    return solveh_banded(bands, pull, lower=True)
