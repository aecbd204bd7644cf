"""Global pose normalisation (Everybody Dance Now, in the form of HF-NHMT): the similarity transform that puts a
source person's pose where, and as large as, the target person would stand.

`measure` turns a person's body joints (T, 18, 3), in pixels of that person's S x S frame, into a `Stance`;
`normalise` turns two stances into a scale and an offset a frame. The published form takes height and toe line from
single frames, which a squat, a kick or a jump upsets. Here the height is that of the upright frames, and the toe line
is the ground below the person, which a jump does not move; the bound on `far` against jumps is then not needed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import grey_closing, median_filter

from stages.pose.skeleton import L_ANKLE, L_HIP, R_ANKLE, R_HIP, person_height

GROUND_SECONDS = 1.0  # a jump is shorter, so the lowest ankle within it stands on the ground
ONE_DEPTH = 0.05      # a ground line that moves less than this share of the stature: the person stays at one depth
UPRIGHT = 95          # percentile of |nose - ankles|: squats and kicks only shorten it
LIFTED = 0.03         # a lowest ankle this share of the stature above the ground is in the air
ABOVE = 0.95          # the same for a person who comes closer: weight of what is taller than the fitted stature
MIDDLE = 0.06         # who stands on average this close to the middle of the picture (share of the stature) has their
                      # spot there: the camera was pointed at it, and the rest is where the motion happened to lead


@dataclass(frozen=True)
class Stance:
    """Where a person stands and how tall they look there. far <= med <= close are ground lines (y, pixels)."""

    take: np.ndarray        # (T,) number of each frame's take, rising
    ground: np.ndarray      # (T,) y of the ground below the person, pixels; NaN where not known
    confidence: np.ndarray  # (T,) score of the ankles
    centre: float           # x around which the person moves, pixels
    close: float
    med: float
    far: float
    stature_close: float    # pixels, at `close`
    stature_far: float


def measure_stance(body: np.ndarray, take: np.ndarray, fps: float, middle: float) -> Stance:
    """The stance of one person over T frames, of which `take` (T,) has the numbers; `middle` is the x of the full
    picture's middle, pixels. Raises ValueError where no frame shows the ankles, or none the head with them."""
    known = body[..., 2] > 0                                              # (T, 18)
    ankles, hips = [R_ANKLE, L_ANKLE], [R_HIP, L_HIP]
    toe = np.where(known[:, ankles], body[:, ankles, 1], -np.inf).max(1)  # (T,)
    ground = np.concatenate([_ground(toe[take == one], fps) for one in np.unique(take)])
    standing = np.isfinite(toe) & np.isfinite(ground)
    if not standing.any():
        raise ValueError("the ankles are not seen in any two frames")
    ground = np.where(standing, ground, np.nan)
    far, med, close = np.percentile(ground[standing], [1, 50, 99])

    height = np.where(standing, person_height(body), np.nan)           # (T,)
    if not np.isfinite(height).any():
        raise ValueError("the head is not seen in any frame that shows the ankles")
    stature = at_close = at_far = np.nanpercentile(height, UPRIGHT)
    if close - far < ONE_DEPTH * stature:
        close = far = med
    else:
        seen = np.isfinite(height) & (ground - toe < LIFTED * stature)
        at_close, at_far = np.polyval(_upright_line(ground[seen], height[seen]), [close, far])

    seen = body[:, hips][known[:, hips].all(1)]                           # (n, 2, 3)
    centre = float((seen if len(seen) else body[known])[..., 0].mean())
    if abs(centre - middle) < MIDDLE * stature:
        centre = middle
    confidence = np.where(standing, body[:, ankles, 2].mean(1), 0)
    lines = (float(value) for value in (close, med, far, at_close, at_far))
    return Stance(take, ground, confidence, centre, *lines)


def normalise(target: Stance, source: Stance, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale (T,) and offset (T, 2), pixels, of every source frame: a point k of the source goes to k * scale +
    offset. A confidence-weighted median over `frames` frames of a take smooths both; bad frames keep its last
    transform."""
    if source.close > source.far:
        p = np.clip((source.ground - source.far) / (source.close - source.far), -0.2, 1.2)  # (T,)
        anchor = source.ground
    else:  # no depth to follow: the target stays where they usually stand
        p = (target.med - target.far) / (target.close - target.far) if target.close > target.far else 0.0
        p, anchor = np.where(np.isfinite(source.ground), p, np.nan), source.med
    line = target.far + p * (target.close - target.far)
    scale = _stature_at(target, p) / _stature_at(source, p)
    offset = np.stack([target.centre - source.centre * scale, line - anchor * scale], axis=1)  # (T, 2)
    values = np.column_stack([scale, offset])  # (T, 3)
    smooth = weighted_median(values, source.confidence, source.take, frames)
    return smooth[:, 0], smooth[:, 1:]


def weighted_median(values: np.ndarray, weights: np.ndarray, take: np.ndarray, frames: int) -> np.ndarray:
    """Median over a centred window of `frames` rows of (T, n), each row weighted (T,), within its take (T,). A row
    without weight counts for nothing and takes the last known result; at the start, or of a take, the first one."""
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
    """The ankles' line (T,) with what is shorter than a jump filled up to the ground: a walk leaves it as it is."""
    window = max(3, round(GROUND_SECONDS * fps) | 1)
    toe = median_filter(toe, size=3, mode="nearest")  # one wrong frame makes no ground
    return grey_closing(toe, window, mode="nearest")


def _upright_line(ground: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Stature as a line over the ground, to which perspective makes it: fitted to the upright frames by weighing
    what rises above it more than what squats below it (expectile regression)."""
    weights = np.ones(len(height))
    for _ in range(30):
        line = np.polyfit(ground, height, 1, w=np.sqrt(weights))
        weights = np.where(height > np.polyval(line, ground), ABOVE, 1 - ABOVE)
    return line


def _stature_at(stance: Stance, p: np.ndarray) -> np.ndarray:
    """Stature on the way from far (0) to close (1): under perspective it is linear in the ground line, where the
    scale, which the published form interpolates, is not."""
    return stance.stature_far + p * (stance.stature_close - stance.stature_far)
