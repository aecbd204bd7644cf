"""Corrects poses over time: removes swaps of left and right limbs, outliers, and noise.

Points are (T, n, 3): x, y in pixels and score; an unknown point is NaN with score 0. All filters use both previous and
following frames, so the motion is not delayed.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import solveh_banded

from stages.pose.skeleton import (
    L_ANKLE, L_ELBOW, L_HIP, L_KNEE, L_SHOULDER, L_WRIST, R_ANKLE, R_ELBOW, R_HIP, R_KNEE, R_SHOULDER, R_WRIST, Pose,
)

CUT_OFF = 6.0      # Hz, at strength 1; human motion has lower frequencies (Winter, Biomechanics of human movement)
_ORDER = 3         # order of the penalised differences: with order 3, parabolas over time do not change
_MIN_JUMP = 0.05   # smallest jump of an outlier, in body sizes
_ABRUPT = 2.5      # smallest ratio of an outlier's jump to the largest step of the frames around it
_BRIEF = 0.24      # seconds, longest duration of an outlier
_SWAP_COST = 0.5   # body sizes per second: cost of each swapped frame, compared with the acceleration that it removes
_FILLED = 0.01     # factor of the weight of a filled point; the weight of a detected point is its score
_ARMS = ([R_SHOULDER, R_ELBOW, R_WRIST], [L_SHOULDER, L_ELBOW, L_WRIST])
_LEGS = ([R_HIP, R_KNEE, R_ANKLE], [L_HIP, L_KNEE, L_ANKLE])


def body_size(body: np.ndarray) -> float:
    """Body size in pixels: the longer side of the body's bounding box, 90th percentile over the frames."""
    points = body[(body[..., 2] > 0).any(1), :, :2]
    return float(np.percentile((np.nanmax(points, 1) - np.nanmin(points, 1)).max(1), 90))


def without_swapped_sides(pose: Pose, fps: float) -> Pose:
    """The pose (T) with arms (and hands) and legs (and feet) exchanged in the frames in which the estimator swapped
    left and right."""
    body, feet, depth, size = pose.body.copy(), pose.feet.copy(), pose.depth.copy(), body_size(pose.body)
    legs = np.concatenate([body[:, _LEGS[0]], feet[:, :2]], 1), np.concatenate([body[:, _LEGS[1]], feet[:, 2:]], 1)
    swapped = swapped_frames(body[:, _ARMS[0]], body[:, _ARMS[1]], size, fps)
    left, right = pose.left_hand.copy(), pose.right_hand.copy()
    left[swapped], right[swapped] = pose.right_hand[swapped], pose.left_hand[swapped]
    for values in (body, depth):
        _swap(values, swapped, *_ARMS)
    swapped = swapped_frames(*legs, size, fps)
    for values in (body, depth):
        _swap(values, swapped, *_LEGS)
    _swap(feet, swapped, [0, 1], [2, 3])
    return replace(pose, body=body, left_hand=left, right_hand=right, feet=feet, depth=depth)


def swapped_frames(right: np.ndarray, left: np.ndarray, size: float, fps: float) -> np.ndarray:
    """The frames (T,) bool in which two limbs (T, n, 3) are swapped.

    Finds the assignment of sides with the least total cost, by the Viterbi algorithm over the assignments of two
    successive frames. The cost is the acceleration (sum of the norms of the joints' second differences), plus a cost
    for each swapped frame. size: body size in pixels."""
    count, n = right.shape[:2]
    if count < 3:
        return np.zeros(count, bool)
    assigned = np.stack([np.concatenate([right, left], 1), np.concatenate([left, right], 1)])[..., :2] / size
    costs = np.zeros((count, 2, 2, 2))  # frame; assignment two frames before, one before, now
    for first, second, third in np.ndindex(2, 2, 2):
        second_difference = assigned[third, 2:] - 2 * assigned[second, 1:-1] + assigned[first, :-2]
        costs[2:, first, second, third] = np.nansum(np.linalg.norm(second_difference, axis=-1), 1) / 2
    swap_cost = _SWAP_COST / fps * n * np.array([0, 1])
    total, best = swap_cost[:, None] + swap_cost, np.zeros((count, 2, 2), int)
    for t in range(2, count):
        options = total[:, :, None] + costs[t] + swap_cost
        best[t], total = options.argmin(0), options.min(0)
    path = list(np.unravel_index(total.argmin(), (2, 2)))[::-1]  # now, one before, ...
    for t in range(count - 1, 1, -1):
        path.append(best[t, path[-1], path[-2]])
    return np.array(path[::-1], bool)


def _swap(points: np.ndarray, frames: np.ndarray, right: list[int], left: list[int]) -> None:
    points[np.ix_(frames, right + left)] = points[np.ix_(frames, left + right)]


def outliers(points: np.ndarray, size: float, fps: float) -> np.ndarray:
    """Which points (T, n) bool are outliers: those between a jump away and a jump back that are both much longer than
    the steps before, between and after them. Fast motion is not detected, because its steps change gradually. size:
    body size in pixels."""
    steps = np.linalg.norm(np.diff(points[..., :2], axis=0), axis=-1)  # (T - 1, n); NaN where either end is unknown
    outlier = np.zeros(points.shape[:2], bool)
    for length in range(1, int(_BRIEF * fps)):
        if len(steps) < length + 3:
            break
        around = np.lib.stride_tricks.sliding_window_view(steps, length + 3, axis=0)  # (T - length - 3, n, length + 3)
        jumps = around[..., [1, -2]].min(-1)
        distance = np.linalg.norm(points[length + 2 : -1, :, :2] - points[1 : -length - 2, :, :2], axis=-1)
        steady = np.maximum(np.delete(around, [1, length + 1], axis=-1).max(-1), distance / (length + 1))
        found = (jumps > distance) & (jumps > np.maximum(_ABRUPT * steady, _MIN_JUMP * size))
        for k in range(length):
            outlier[2 + k : 2 + k + len(found)] |= found
    return outlier


def smooth(points: np.ndarray, filled: np.ndarray, strength: float, fps: float) -> np.ndarray:
    """Smooths each point over time, with its score as the weight. `filled` (T, n) bool marks interpolated points.

    A low-pass filter: the amplitude at the frequency CUT_OFF / strength is halved."""
    result, known = points.copy(), points[..., 2] > 0
    for j in np.flatnonzero(known.any(0)):
        weight = np.where(filled[:, j], _FILLED, 1.0) * points[:, j, 2]
        smoothed = _whittaker(points[:, j, :2], weight, known[:, j], CUT_OFF / strength / fps)
        result[known[:, j], j, :2] = smoothed[known[:, j]]
    return result


def _whittaker(values: np.ndarray, weight: np.ndarray, known: np.ndarray, cut_off: float) -> np.ndarray:
    """Whittaker smoother of values (T, 2): minimises the weighted squared deviations plus the squared third differences
    within each run of consecutive known frames. cut_off: the frequency in cycles per frame whose amplitude is halved at
    weight 1."""
    coefficients, length = np.array([-1.0, 3, -3, 1]), len(values) - _ORDER
    smoothness = (2 * np.sin(np.pi * min(cut_off, 0.5))) ** (-2 * _ORDER)
    bands = np.zeros((_ORDER + 1, len(values)))  # of the lower triangle
    bands[0] = np.where(known, weight, 1)
    if length > 0:
        within = smoothness * np.lib.stride_tricks.sliding_window_view(known, _ORDER + 1).all(1)  # (T - 3,)
        for row in range(_ORDER + 1):
            for column in range(row + 1):
                bands[row - column, column : column + length] += coefficients[row] * coefficients[column] * within
    right_side = np.where(known[:, None], values * weight[:, None], 0)
    return solveh_banded(bands, right_side, lower=True)
