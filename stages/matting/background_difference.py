"""The second pass of matting: a frame against the plate, the empty background, where the network is unsure.

1. Every pixel's log-odds of being the person: the network's, plus how much better its colour goes with the person's
   colours nearby than with the plate's. The plate may be darker by a factor, as in a shadow, which is expected to be
   that of the sure background nearby. Where person and plate look alike, and where a colour is neither's (somebody
   else, a ball), the network decides.
2. Edge pixels are a mixture: alpha is where their colour lies on the line from the background's to the person's.

Colours are luma and half the chroma: video stores chroma at half the resolution, so it bleeds over edges.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np

from stages.matting.alpha_matte import person_region
from stages.matting.plate import Plate

_OPPONENT = np.float32([[0.299, 0.587, 0.114], [0.25, -0.2095, -0.0405], [-0.0845, -0.1655, 0.25]])
_SUM = np.ones((1, 3), np.float32)
_LEAST_NOISE = 3.5         # 8-bit steps: of a codec, where something moves
_RELATIVE_NOISE = 0.015    # of the plate's luma
_SHADOW = (0.35, 1.15)     # the plate's brightness, between deepest shadow and a plate that was in shadow itself
_SHADOW_SPREAD = 0.04      # of a pixel's factor around that of the background nearby
_UNEXPECTED = 16.0         # squared distance, in noise, that a shadow of another depth costs
_VARIETY = 50.0            # 8-bit steps squared, least variance of the person's colours
_RARE = -16.0              # log density of colours found neither nearby on the person nor in the plate, of either
_EVIDENCE = 5.0            # log-odds that colour counts at most,
_GUESSED = 25.0            # and half of that where the plate's noise is this, 8-bit steps
_SPREAD = (1, 100.0)       # pixels that evidence reaches; fainter edges, in luma's variance, do not stop it
_PRIOR = (0.02, 1.5)       # the network is never surer than this, which colour cannot overrule; weight of its log-odds
_SURE = 0.8                # the network's alpha from which colours are the person's
_CERTAIN = 0.9             # probability from which a pixel is no mixture
_MIXED = 54.0              # squared distance of two colours, in noise, from which a mixture between them tells alpha
_FAINT = 0.1               # the network's alpha from which something may be the person
_INNER, _OUTER = 5, 6      # pixels of 256 that the second pass may move the first's edge in and out
_NEAR, _AROUND = 10, 30    # pixels of 256, radius of what is nearby, and of what counts where nothing is
_AROUND_WEIGHT = 0.02
_MARGIN = 16               # pixels of 256 around what may be the person that are looked at


@dataclass(frozen=True)
class DifferenceMatting:
    """The plate, prepared."""

    colour: np.ndarray     # (S, S, 3) opponent
    precision: np.ndarray  # (S, S, 3) one over the variance
    energy: np.ndarray     # (S, S) colour squared in noise
    volume: np.ndarray     # (S, S) log of the noise's standard deviations' product
    worth: np.ndarray      # (S, S) log-odds that a colour counts at most: little where the plate is a guess

    @classmethod
    def from_plate(cls, plate: Plate) -> "DifferenceMatting":
        colour = cv2.transform(plate.colour, _OPPONENT)
        noise = plate.noise * np.float32([1, 0.5, 0.5])
        variance = noise**2 + _LEAST_NOISE**2 + (_RELATIVE_NOISE * colour[..., :1]) ** 2
        worth = _EVIDENCE / (1 + (noise[..., 0] / _GUESSED) ** 2)
        return cls(colour, 1 / variance, (colour**2 / variance).sum(-1), np.log(variance).sum(-1) / 2, worth)

    def __getitem__(self, box) -> "DifferenceMatting":
        return DifferenceMatting(*(getattr(self, field.name)[box] for field in fields(self)))

    def alpha(self, rgb: np.ndarray, soft: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """A frame (S, S, 3) uint8, the network's soft mask (S, S) float32 and which pixels the camera saw (S, S) bool
        -> alpha (S, S) float32."""
        result, unit = np.zeros(soft.shape, np.float32), len(soft) / 256
        box = person_region(soft, round(_MARGIN * unit))
        if box:
            picture, here = cv2.transform(rgb[box].astype(np.float32), _OPPONENT), self[box]
            result[box] = here.edges(picture, here.share(picture, soft[box], shown[box], unit))
        return result

    def share(self, picture: np.ndarray, soft: np.ndarray, shown: np.ndarray, unit: float) -> np.ndarray:
        """The probability that a pixel shows the person, (h, w), of an opponent picture."""
        away = cv2.dilate(soft, np.ones((5, 5), np.uint8)) < 0.05
        odds = _person(picture, soft, unit) - self._background(picture, away & shown, unit)
        evidence = _guided(picture[..., 0], np.clip(odds, -self.worth, self.worth).astype(np.float32))
        prior = np.clip(soft, _PRIOR[0], 1 - _PRIOR[0])
        odds = evidence + _PRIOR[1] * np.log(prior / (1 - prior))
        hard = (soft > 0.5).astype(np.uint8)
        inside, reach = (morph(some, _disc(r * unit)) for morph, some, r in (
            (cv2.erode, hard, _INNER), (cv2.dilate, (soft > _FAINT).astype(np.uint8), _OUTER)))
        return np.where(inside > 0, 1, np.where(reach > 0, 1 / (1 + np.exp(-odds)), 0)).astype(np.float32)

    def _background(self, picture: np.ndarray, sure: np.ndarray, unit: float) -> np.ndarray:
        """Log density of each pixel's colour as the plate's, lit as where it is `sure` (h, w) bool to be seen, or as
        fits better."""
        along = _total(picture * self.colour * self.precision)
        sure, weight = sure.astype(np.float32), 1 / _SHADOW_SPREAD**2
        known = _mean(cv2.merge([sure * along, sure * self.energy]), _NEAR * unit)
        little = 0.01 * self.energy.mean() + 1e-6  # where no background is near, it is as bright as the plate
        nearby = np.clip((known[..., 0] + little) / (known[..., 1] + little), *_SHADOW)
        light = np.clip((along + weight * nearby) / (self.energy + weight), *_SHADOW)
        lit = self._distance(picture, light) + weight * (light - nearby) ** 2
        shaded = self._distance(picture, np.clip(along / (self.energy + 1e-6), _SHADOW[0], nearby)) + _UNEXPECTED
        return np.logaddexp(-np.minimum(lit, shaded) / 2 - self.volume, _RARE)

    def _distance(self, picture: np.ndarray, light: np.ndarray) -> np.ndarray:
        """Squared, in noise, from the plate in a light (h, w)."""
        off = picture - light[..., None] * self.colour
        return _total(off * off * self.precision)

    def edges(self, picture: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Alpha, (h, w): as mixtures at the edge, elsewhere 0 or 1."""
        hard, ring = (share > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)
        core = cv2.erode(hard, ring) * (share > _CERTAIN).astype(np.float32)
        free = cv2.erode(1 - hard, ring) * (share < 1 - _CERTAIN).astype(np.float32)
        parts = np.dstack([core, core[..., None] * picture])
        near = _soft(parts, 0.7) + 0.01 * _soft(parts, 2.1)
        person = near[..., 1:] / (near[..., :1] + 1e-6)
        luma = self.colour[..., 0]
        lit = _soft(free[..., None] * np.dstack([picture[..., 0] * luma, luma * luma]), 1.4) + 1e-3
        background = self.colour * np.clip(lit[..., :1] / lit[..., 1:], *_SHADOW)
        line = person - background
        length = _total(line * line * self.precision)
        along = np.clip(_total((picture - background) * line * self.precision) / (length + 1e-3), 0, 1)
        trust = np.where(near[..., 0] > 1e-4, length / (length + _MIXED), 0)
        return np.where(core + free > 0, hard, trust * along + (1 - trust) * share)


def _person(picture: np.ndarray, soft: np.ndarray, unit: float) -> np.ndarray:
    """Log density of each pixel's colour as the person's: normal around their colours nearby, or a rare one."""
    core = cv2.erode((soft > _SURE).astype(np.float32), np.ones((3, 3), np.uint8))[..., None]
    parts = np.dstack([core, core * picture, core * picture * picture])  # (h, w, 7)
    near = _mean(parts, _NEAR * unit) + _AROUND_WEIGHT * _mean(parts, _AROUND * unit)
    count = near[..., :1]
    mean = near[..., 1:4] / (count + 1e-7)
    variance = np.maximum(near[..., 4:] / (count + 1e-7) - mean * mean, 0) + _VARIETY
    density = -_total((picture - mean) ** 2 / variance) / 2 - _total(np.log(variance)) / 2
    return np.logaddexp(np.where(count[..., 0] > 1e-4, density, -np.inf), _RARE)


def _guided(luma: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The guided filter (He et al. 2013) of the smallest radius: evidence spreads to neighbours of the same luma."""
    window = (2 * _SPREAD[0] + 1,) * 2
    means = cv2.blur(cv2.merge([luma, values, luma * values, luma * luma]), window)
    light, value, product, square = cv2.split(means)
    slope = (product - light * value) / (square - light * light + _SPREAD[1])
    slope, offset = cv2.split(cv2.blur(cv2.merge([slope, value - slope * light]), window))
    return slope * luma + offset


def _total(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis of (h, w, 3), which NumPy does slowly."""
    return cv2.transform(values, _SUM)


def _mean(values: np.ndarray, radius: float) -> np.ndarray:
    return cv2.blur(values, (2 * round(radius) + 1,) * 2)


def _soft(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _disc(radius: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(radius) + 1,) * 2)
