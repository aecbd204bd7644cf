"""Background difference matting: compares a frame with the plate (the background without the person) to correct the
network's mask where it is uncertain.

1. The log-odds that a pixel shows the person are the sum of those of the network and of the log-likelihood ratio of the
   pixel's colour under two models: the person's colours nearby, and the plate. The plate may be multiplied by a
   brightness factor, for shadows; the expected factor is that of the certain background nearby. If both models or
   neither of them explain the colour (such as another person or a ball), the network's log-odds dominate.
2. Pixels at the edge are mixtures of person and background. Their alpha is the position of their colour on the line
   from the background's colour to the person's.

Colours are luma and chroma. Chroma is multiplied by 1/2, because videos store it at half of the resolution, so it is
inaccurate at edges.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np

from stages.matting.alpha_matte import person_region
from stages.matting.plate import Plate

_OPPONENT = np.float32([[0.299, 0.587, 0.114], [0.25, -0.2095, -0.0405], [-0.0845, -0.1655, 0.25]])
_SUM = np.ones((1, 3), np.float32)
_LEAST_NOISE = 3.5         # 8-bit steps, smallest noise: that of a codec in moving areas
_RELATIVE_NOISE = 0.015    # additional noise, share of the plate's luma
_SHADOW = (0.35, 1.15)     # range of the brightness factor: darkest shadow; above 1, as the plate may contain shadows
_SHADOW_SPREAD = 0.04      # standard deviation of a pixel's brightness factor from that of the background nearby
_UNEXPECTED = 16.0         # cost of a darker factor than nearby, as a squared distance in units of the noise
_VARIETY = 50.0            # 8-bit steps squared, smallest variance of the person's colours
_RARE = -16.0              # smallest log density of a colour under either model
_EVIDENCE = 5.0            # largest log-odds from colour if the plate has no noise
_GUESSED = 25.0            # 8-bit steps, noise of the plate at which this limit is halved
_SPREAD = (1, 100.0)       # guided filter of the evidence: radius in pixels, epsilon as a variance of luma
_PRIOR = (0.02, 1.5)       # the network's probability is clipped to this and 1 minus this; weight of its log-odds
_SURE = 0.8                # network's alpha from which a pixel's colour is used as a colour of the person
_CERTAIN = 0.9             # probability from which a pixel is not a mixture
_MIXED = 54.0              # squared distance of the two colours, in units of the noise, at which alpha is the mean of
                           # the position in the mixture and of the probability
_FAINT = 0.1               # network's alpha from which a pixel may belong to the person
_INNER, _OUTER = 5, 6      # pixels of 256 by which this pass may move the network's edge inwards and outwards
_NEAR, _AROUND = 10, 30    # pixels of 256, radius of the neighbourhood, and of the fallback where it is empty
_AROUND_WEIGHT = 0.02
_MARGIN = 16               # pixels of 256 around the mask that are processed


@dataclass(frozen=True)
class DifferenceMatting:
    """Background difference matting with one plate. The fields are computed from the plate in advance."""

    colour: np.ndarray     # (S, S, 3) luma and chroma
    precision: np.ndarray  # (S, S, 3) inverse variance of the noise
    energy: np.ndarray     # (S, S) squared colour in units of the noise
    volume: np.ndarray     # (S, S) log of the product of the noise's standard deviations
    limit: np.ndarray      # (S, S) largest log-odds from colour: small where the plate is extrapolated

    @classmethod
    def from_plate(cls, plate: Plate) -> "DifferenceMatting":
        colour = cv2.transform(plate.colour, _OPPONENT)
        noise = plate.noise * np.float32([1, 0.5, 0.5])
        variance = noise**2 + _LEAST_NOISE**2 + (_RELATIVE_NOISE * colour[..., :1]) ** 2
        limit = _EVIDENCE / (1 + (noise[..., 0] / _GUESSED) ** 2)
        return cls(colour, 1 / variance, (colour**2 / variance).sum(-1), np.log(variance).sum(-1) / 2, limit)

    def __getitem__(self, box) -> "DifferenceMatting":
        return DifferenceMatting(*(getattr(self, field.name)[box] for field in fields(self)))

    def alpha(self, rgb: np.ndarray, soft: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """The alpha matte (S, S) float32 of a frame.

        rgb    (S, S, 3) uint8
        soft   (S, S) float32, the network's mask
        shown  (S, S) bool, pixels inside the camera's view
        """
        result, unit = np.zeros(soft.shape, np.float32), len(soft) / 256
        region = person_region(soft, round(_MARGIN * unit))
        if region:
            picture, plate = cv2.transform(rgb[region].astype(np.float32), _OPPONENT), self[region]
            result[region] = plate.edges(picture, plate.probability(picture, soft[region], shown[region], unit))
        return result

    def probability(self, picture: np.ndarray, soft: np.ndarray, shown: np.ndarray, unit: float) -> np.ndarray:
        """The probability (h, w) that a pixel shows the person. picture: luma and chroma, (h, w, 3). unit: 1/256 of the
        frame's side, in pixels."""
        away = cv2.dilate(soft, np.ones((5, 5), np.uint8)) < 0.05
        odds = _person(picture, soft, unit) - self._background(picture, away & shown, unit)
        evidence = _guided(picture[..., 0], np.clip(odds, -self.limit, self.limit).astype(np.float32))
        prior = np.clip(soft, _PRIOR[0], 1 - _PRIOR[0])
        odds = evidence + _PRIOR[1] * np.log(prior / (1 - prior))
        hard = (soft > 0.5).astype(np.uint8)
        inside, reach = (morph(mask, _disc(r * unit)) for morph, mask, r in (
            (cv2.erode, hard, _INNER), (cv2.dilate, (soft > _FAINT).astype(np.uint8), _OUTER)))
        return np.where(inside > 0, 1, np.where(reach > 0, 1 / (1 + np.exp(-odds)), 0)).astype(np.float32)

    def _background(self, picture: np.ndarray, sure: np.ndarray, unit: float) -> np.ndarray:
        """Log density of each pixel's colour under the plate, with the brightness of the certain background nearby
        (`sure`, (h, w) bool) or a darker one, whichever fits better."""
        along = _sum(picture * self.colour * self.precision)
        sure, weight = sure.astype(np.float32), 1 / _SHADOW_SPREAD**2
        known = _mean(cv2.merge([sure * along, sure * self.energy]), _NEAR * unit)
        prior = 0.01 * self.energy.mean() + 1e-6  # without background nearby, the brightness is that of the plate
        nearby = np.clip((known[..., 0] + prior) / (known[..., 1] + prior), *_SHADOW)
        light = np.clip((along + weight * nearby) / (self.energy + weight), *_SHADOW)
        lit = self._distance(picture, light) + weight * (light - nearby) ** 2
        shaded = self._distance(picture, np.clip(along / (self.energy + 1e-6), _SHADOW[0], nearby)) + _UNEXPECTED
        return np.logaddexp(-np.minimum(lit, shaded) / 2 - self.volume, _RARE)

    def _distance(self, picture: np.ndarray, light: np.ndarray) -> np.ndarray:
        """Squared distance, in units of the noise, to the plate multiplied by the brightness factor `light` (h, w)."""
        difference = picture - light[..., None] * self.colour
        return _sum(difference * difference * self.precision)

    def edges(self, picture: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Alpha (h, w): at the edge from the mixture of colours, elsewhere 0 or 1."""
        hard, ring = (probability > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)
        core = cv2.erode(hard, ring) * (probability > _CERTAIN).astype(np.float32)
        free = cv2.erode(1 - hard, ring) * (probability < 1 - _CERTAIN).astype(np.float32)
        parts = np.dstack([core, core[..., None] * picture])
        near = _soft(parts, 0.7) + 0.01 * _soft(parts, 2.1)
        person = near[..., 1:] / (near[..., :1] + 1e-6)
        luma = self.colour[..., 0]
        lit = _soft(free[..., None] * np.dstack([picture[..., 0] * luma, luma * luma]), 1.4) + 1e-3
        background = self.colour * np.clip(lit[..., :1] / lit[..., 1:], *_SHADOW)
        line = person - background
        length = _sum(line * line * self.precision)
        along = np.clip(_sum((picture - background) * line * self.precision) / (length + 1e-3), 0, 1)
        trust = np.where(near[..., 0] > 1e-4, length / (length + _MIXED), 0)
        return np.where(core + free > 0, hard, trust * along + (1 - trust) * probability)


def _person(picture: np.ndarray, soft: np.ndarray, unit: float) -> np.ndarray:
    """Log density of each pixel's colour under the person's colours nearby (a normal distribution), at least _RARE."""
    core = cv2.erode((soft > _SURE).astype(np.float32), np.ones((3, 3), np.uint8))[..., None]
    parts = np.dstack([core, core * picture, core * picture * picture])  # (h, w, 7)
    near = _mean(parts, _NEAR * unit) + _AROUND_WEIGHT * _mean(parts, _AROUND * unit)
    count = near[..., :1]
    mean = near[..., 1:4] / (count + 1e-7)
    variance = np.maximum(near[..., 4:] / (count + 1e-7) - mean * mean, 0) + _VARIETY
    density = -_sum((picture - mean) ** 2 / variance) / 2 - _sum(np.log(variance)) / 2
    return np.logaddexp(np.where(count[..., 0] > 1e-4, density, -np.inf), _RARE)


def _guided(luma: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The guided filter (He et al. 2013) with luma as the guide: evidence spreads to neighbours of similar luma."""
    window = (2 * _SPREAD[0] + 1,) * 2
    means = cv2.blur(cv2.merge([luma, values, luma * values, luma * luma]), window)
    light, value, product, square = cv2.split(means)
    slope = (product - light * value) / (square - light * light + _SPREAD[1])
    slope, offset = cv2.split(cv2.blur(cv2.merge([slope, value - slope * light]), window))
    return slope * luma + offset


def _sum(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis of (h, w, 3); faster than NumPy's."""
    return cv2.transform(values, _SUM)


def _mean(values: np.ndarray, radius: float) -> np.ndarray:
    return cv2.blur(values, (2 * round(radius) + 1,) * 2)


def _soft(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _disc(radius: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(radius) + 1,) * 2)
