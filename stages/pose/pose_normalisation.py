"""Global pose normalisation (Everybody Dance Now, Chan et al. 2019, in the form of Kappel et al. 2021, HF-NHMT): a
scale and a translation for each frame that map the source person's pose to the position and size that the target person
would have.

`measure_stance` computes a `Stance` from a person's body joints (T, 18, 3), in pixels of that person's S x S frame.
`normalise` computes one scale and one offset for each frame from two stances. The published method uses the height and
the ankle line of single frames, which change in squats, kicks and jumps. Here the height is that of the upright frames
(the stature), and the ankle line is replaced by the ground line below the person, which does not change in a jump. So
the published lower bound of `far`, which compensates for jumps, is not needed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import grey_closing, median_filter

from stages.pose.skeleton import L_ANKLE, L_HIP, R_ANKLE, R_HIP, person_height

GROUND_SECONDS = 1.0  # longer than a jump: the lowest ankle position within this time is on the ground
ONE_DEPTH = 0.05      # statures: if the range of the ground line is smaller, the distance to the camera is constant
UPRIGHT = 95          # the stature is this percentile of the distance nose - ankles, which squats and kicks reduce
LIFTED = 0.03         # statures: if the lower ankle is higher above the ground, the person is in the air
ABOVE = 0.95          # weight of heights above the fitted line; those below have 1 - ABOVE (expectile regression)
MIDDLE = 0.06         # statures: if the person's mean x is this close to the middle of the full picture, `centre` is
                      # the middle, because the camera was probably pointed at this place


@dataclass(frozen=True)
class Stance:
    """The positions of a person on the ground, and the person's height in pixels there. far <= med <= close are the
    1st, 50th and 99th percentile of the ground line (y in pixels): far from the camera, median, and close to it."""

    take: np.ndarray        # (T,) number of each frame's take, ascending
    ground: np.ndarray      # (T,) ground line: y of the ground below the person in pixels; NaN if unknown
    confidence: np.ndarray  # (T,) mean score of the ankles; 0 if the ground is unknown
    centre: float           # mean x of the person, in pixels
    close: float
    med: float
    far: float
    stature_close: float    # height of the upright person in pixels at `close`
    stature_far: float      # the same at `far`


def measure_stance(body: np.ndarray, take: np.ndarray, fps: float, middle: float) -> Stance:
    """The stance of one person over T frames.

    body    (T, 18, 3) joints in pixels
    take    (T,) number of each frame's take, ascending
    fps     frames per second
    middle  x of the middle of the full picture, in pixels
    Raises ValueError if no frame shows the ankles, or none shows them together with the head.
    """
    known = body[..., 2] > 0                                              # (T, 18)
    ankles, hips = [R_ANKLE, L_ANKLE], [R_HIP, L_HIP]
    toe = np.where(known[:, ankles], body[:, ankles, 1], -np.inf).max(1)  # (T,)
    ground = np.concatenate([_ground(toe[take == one], fps) for one in np.unique(take)])
    standing = np.isfinite(toe) & np.isfinite(ground)
    if not standing.any():
        raise ValueError("the ankles are not visible in any two frames")
    ground = np.where(standing, ground, np.nan)
    far, med, close = np.percentile(ground[standing], [1, 50, 99])

    height = np.where(standing, person_height(body), np.nan)              # (T,)
    if not np.isfinite(height).any():
        raise ValueError("the head is not visible in any frame that shows the ankles")
    stature = at_close = at_far = np.nanpercentile(height, UPRIGHT)
    if close - far < ONE_DEPTH * stature:
        close = far = med
    else:
        on_ground = np.isfinite(height) & (ground - toe < LIFTED * stature)
        at_close, at_far = np.polyval(_upright_line(ground[on_ground], height[on_ground]), [close, far])

    hip_points = body[:, hips][known[:, hips].all(1)]                     # (n, 2, 3)
    centre = float((hip_points if len(hip_points) else body[known])[..., 0].mean())
    if abs(centre - middle) < MIDDLE * stature:
        centre = middle
    confidence = np.where(standing, body[:, ankles, 2].mean(1), 0)
    lines = (float(value) for value in (close, med, far, at_close, at_far))
    return Stance(take, ground, confidence, centre, *lines)


def normalise(target: Stance, source: Stance, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale (T,) and offset (T, 2) in pixels for each of T source frames: a source point k is mapped to k * scale +
    offset.

    Both are smoothed by a median over `frames` frames within each take, weighted by the source's confidence. Frames
    without known ankles have the transform of the previous frame with known ankles."""
    if source.close > source.far:
        p = np.clip((source.ground - source.far) / (source.close - source.far), -0.2, 1.2)  # (T,)
        anchor = source.ground
    else:  # if the source's distance to the camera is constant, the target is placed at its median distance
        p = (target.med - target.far) / (target.close - target.far) if target.close > target.far else 0.0
        p, anchor = np.where(np.isfinite(source.ground), p, np.nan), source.med
    line = target.far + p * (target.close - target.far)
    scale = _stature_at(target, p) / _stature_at(source, p)
    offset = np.stack([target.centre - source.centre * scale, line - anchor * scale], axis=1)  # (T, 2)
    values = np.column_stack([scale, offset])  # (T, 3)
    smooth = weighted_median(values, source.confidence, source.take, frames)
    return smooth[:, 0], smooth[:, 1:]


def weighted_median(values: np.ndarray, weights: np.ndarray, take: np.ndarray, frames: int) -> np.ndarray:
    """Weighted median of each column of values (T, n) over a centred window of `frames` rows, with weights (T,), within
    each take (T,).

    Rows of weight 0 are ignored. Their result is that of the previous row with a weight or, at the start of a take,
    that of the next one."""
    half, out = frames // 2, np.full(values.shape, np.nan)
    usable = (weights > 0) & np.isfinite(values).all(1)
    for t in np.flatnonzero(usable):
        window = np.arange(max(0, t - half), min(len(values), t + half + 1))
        window = window[usable[window] & (take[window] == take[t])]
        order = np.argsort(values[window], axis=0, kind="stable")                       # (w, n)
        mass = np.cumsum(weights[window][order], axis=0)                                # (w, n)
        middle = (mass >= mass[-1] / 2).argmax(0)                                       # (n,)
        out[t] = np.take_along_axis(values[window], np.take_along_axis(order, middle[None], 0), 0)[0]
    known, rows = np.flatnonzero(usable), np.arange(len(values))
    last = known[np.maximum(np.searchsorted(known, rows, "right") - 1, 0)]
    first = known[np.minimum(np.searchsorted(known, rows), len(known) - 1)]
    return out[np.where((take[last] != take) & (take[first] == take), first, last)]


def _ground(toe: np.ndarray, fps: float) -> np.ndarray:
    """The ground line (T,) from y of the lower ankle (T,): a morphological closing over GROUND_SECONDS removes jumps,
    but does not change walking."""
    window = max(3, round(GROUND_SECONDS * fps) | 1)
    toe = median_filter(toe, size=3, mode="nearest")  # removes single outliers
    return grey_closing(toe, window, mode="nearest")


def _upright_line(ground: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The coefficients (2,) of the stature as a linear function of the ground line, which holds under perspective.
    Fitted by expectile regression: heights above the line have a larger weight than those below, so that the line
    fits the upright frames."""
    weights = np.ones(len(height))
    for _ in range(30):
        line = np.polyfit(ground, height, 1, w=np.sqrt(weights))
        weights = np.where(height > np.polyval(line, ground), ABOVE, 1 - ABOVE)
    return line


def _stature_at(stance: Stance, p: np.ndarray) -> np.ndarray:
    """The stature in pixels at p, linear between far (p = 0) and close (p = 1). Under perspective the stature is linear
    in the ground line, unlike the scale, which the published method interpolates."""
    return stance.stature_far + p * (stance.stature_close - stance.stature_far)
