"""The invisible watermark: slow, faint waves in the frames of a result, which identify FakeMotion and encode a number.

The method follows Kalker, Depovere, Haitsma and Maes, "A video watermarking system for broadcast monitoring" (SPIE
3657, 1999). There, a tile of pseudo-random noise is added to the luma repeatedly. The detector sums all tiles of a
frame and correlates only the phases. This finds the tile at any offset, so the watermark survives cropping.

Here the tile has a third dimension, time. Its waves travel, so that the detector can subtract the mean over time, which
is most of a static scene. An amplitude of a quarter of a grey level can be read from two seconds of video, but not from
a single frame. The waves are long enough to survive H.264: 20 to 62 pixels, 0.4 to 1 s.

A quarter of the waves is the same for every number. The others are assigned to the 32 signs of a codeword, which the
number selects from the second-order Reed-Muller code (Muller 1954). Any two codewords differ in at least 8 signs.

The key is in this file, so that everybody can detect the watermark. It can also be used to remove it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import cv2
import numpy as np

ALGORITHM = "fakemotion.waves.2"  # in the credentials (not on C2PA's list); must change if the pattern does
BITS = 16            # of the number
SIGNS = 32           # of a codeword
PILOT_INTERVAL = 4   # every fourth wave is the same for all numbers
TILE = 256           # side, pixels
PERIOD = 2.0         # seconds after which the pattern repeats; the minimum length of a video
RATES = (2, 3, 4, 5)  # cycles per period
BAND = (0.016, 0.05)  # cycles per pixel
MIN_STRENGTH, MAX_STRENGTH = 0.27, 0.96  # standard deviation of the pattern in grey levels, before rounding
TEXTURE_GAIN = 0.17  # strength per standard deviation of the local texture
SIZE, SIZE_EXPONENT, MIN_SIZE_FACTOR = 256, 0.35, 0.65  # the strength is multiplied by (SIZE / side)^SIZE_EXPONENT
MIN_LUMA = 24        # darker pixels, such as black bars, are not changed
TAG = "watermark"    # key in a video's metadata: the number in its frames
KEY = b"FakeMotion watermark 2"
THRESHOLD = 7.5      # z-score from which on a watermark counts as detected
SCALES = (1, 2, 3 / 2, 4 / 3, 3, 1 / 2, 2 / 3, 3 / 4)  # reductions of the video that are tried
MAX_SIDE = 1920      # pixels that are searched, after scaling; larger frames are centre-cropped
REDUCTION = 4        # of frames for detection
GRID = TILE // REDUCTION
STEPS = 16           # time offsets per period that are tried
HIGH_PASS, WEIGHT_BLUR = 3.0, 1.5  # sigmas in reduced pixels: of the high-pass filter, and of the local variance


@dataclass(frozen=True)
class DetectedWatermark:
    number: int
    z_score: float  # of the evidence, relative to unmarked video
    scale: float    # one of SCALES
    seconds: float = PERIOD  # of video that were searched

    @property
    def is_significant(self) -> bool:
        return self.z_score >= THRESHOLD


class Watermark:
    """The watermark of a number for a video with frames of `size` (width, height) and `fps` frames/s."""

    def __init__(self, number: int, size: tuple[int, int], fps: float):
        factor = np.clip((SIZE / min(size)) ** SIZE_EXPONENT, MIN_SIZE_FACTOR, 1).astype(np.float32)
        self._waves, self._fps = tile(number) * factor, fps
        self._repeats, self._region = (-(-size[1] // TILE), -(-size[0] // TILE)), np.s_[: size[1], : size[0]]

    def apply(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """Returns RGB (height, width, 3) with the watermark; `frame`: the index of the frame. Red, green and blue
        change equally."""
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        pattern = np.tile(_pattern(self._waves, frame / self._fps), self._repeats)[self._region] * strength(luma)
        pattern[luma < MIN_LUMA] = 0
        return cv2.add(picture, cv2.merge([np.rint(pattern)] * 3), dtype=cv2.CV_8U)


def strength(luma: np.ndarray) -> np.ndarray:
    """The strength of the pattern for each pixel (H, W): higher in textured regions, where it is less visible."""
    size = [-(-side // 2) for side in luma.shape[::-1]]
    half = cv2.resize(luma.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fine = half - cv2.GaussianBlur(half, (0, 0), 2)
    texture = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 4))
    half = (TEXTURE_GAIN * texture).clip(MIN_STRENGTH, MAX_STRENGTH)
    return cv2.resize(half, luma.shape[::-1], interpolation=cv2.INTER_LINEAR)


def format_number(number: int) -> str:
    """Four hexadecimal digits."""
    return f"{number:0{BITS // 4}x}"


def tile(number: int) -> np.ndarray:
    """The waves of a number, (rates, TILE, TILE) complex, which rotate at RATES. The sum of their real parts has mean 0
    and standard deviation 1 at all times."""
    frequencies, phases, sign_of = _waves()
    signs = np.where(sign_of < 0, 1, _codewords()[number][sign_of])
    rate, down, across = frequencies.T
    spectrum = np.zeros((len(RATES), TILE, TILE), complex)
    spectrum[rate, down, across] = signs * phases
    return (np.fft.ifft2(spectrum) * TILE**2 * np.sqrt(2 / len(frequencies))).astype(np.complex64)


def _pattern(waves: np.ndarray, seconds: float) -> np.ndarray:
    """The pattern (TILE, TILE) at a time."""
    rotation = np.exp(2j * np.pi * np.array(RATES) * seconds / PERIOD).astype(np.complex64)
    return np.tensordot(rotation.real, waves.real, 1) - np.tensordot(rotation.imag, waves.imag, 1)


def detect(frames: Iterable[tuple[float, np.ndarray]], scales: Iterable[float] = SCALES) -> DetectedWatermark:
    """The best match in the frames of a video, (seconds, RGB of one size), at any of the scales, mirrored or not."""
    scales, seconds = tuple(scales), []
    sums = [ScaledSums(scale) for scale in scales]
    for second, picture in frames:
        seconds.append(second)
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for one in sums:
            one.add(luma, second)
    if len(seconds) < 2:
        return DetectedWatermark(0, 0.0, scales[0], 0.0)
    span = (seconds[-1] - seconds[0]) * len(seconds) / (len(seconds) - 1)
    inflation = _noise_inflation(np.array(seconds))
    matches = (match(tile_sum, one.scale, inflation) for one in sums
               for total in [one.tile_sum()] for tile_sum in (total, total[..., ::-1]))
    return replace(max(matches, key=lambda found: found.z_score), seconds=span)


class ScaledSums:
    """Accumulates the frames of a video, enlarged `scale` times, into the sum of all tiles."""

    def __init__(self, scale: float):
        self.scale, self.count = scale, 0

    def add(self, luma: np.ndarray, seconds: float) -> None:
        side_limit = int(MAX_SIDE / self.scale)
        top, left = (max(0, side - side_limit) // 2 for side in luma.shape)
        factor = self.scale / REDUCTION
        part = luma[top : top + side_limit, left : left + side_limit].astype(np.float32)
        size = [max(1, round(factor * side)) for side in part.shape[::-1]]
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        fine = small - cv2.GaussianBlur(small, (0, 0), HIGH_PASS)
        rotation = np.exp(-2j * np.pi * np.array(RATES) * seconds / PERIOD)
        terms = np.concatenate([[1], rotation.real, rotation.imag])
        if not self.count:
            self.sums, self.terms = np.zeros((len(terms), *fine.shape), np.float32), np.zeros(len(terms))
            self.squares = np.zeros(fine.shape, np.float32)
        self.squares += fine * fine
        self.sums += terms[:, None, None].astype(np.float32) * fine
        self.terms += terms
        self.count += 1

    def tile_sum(self) -> np.ndarray:
        """The sum of all tiles, (rates, GRID, GRID) complex: for each rate the component of the change over time.
        Pixels with a high variance get a low weight."""
        mean = self.sums[0] / self.count
        real, imaginary = (self.sums[1:] - self.terms[1:, None, None] * mean).reshape(2, len(RATES), *mean.shape)
        variance = cv2.GaussianBlur(self.squares / self.count - mean * mean, (0, 0), WEIGHT_BLUR)
        height, width = (-(-side // GRID) * GRID for side in mean.shape)
        padded = np.zeros((len(RATES), height, width), np.complex64)
        padded[:, : mean.shape[0], : mean.shape[1]] = (real + 1j * imaginary) / (variance.clip(0) + 1)
        return padded.reshape(len(RATES), height // GRID, GRID, width // GRID, GRID).sum((1, 3))


def match(tile_sum: np.ndarray, scale: float = 1, noise_inflation: float = 1.0) -> DetectedWatermark:
    """The offset in space and time at which a sum of tiles (rates, GRID, GRID) matches the waves best, its z-score, and
    the number whose codeword matches the signs best. `noise_inflation`: from _noise_inflation."""
    frequencies, phases, sign_of = _waves()
    rate, down, across = frequencies.T
    spectrum = np.fft.fft2(tile_sum)[rate, down, across]
    correlation = spectrum / (np.abs(spectrum) + 1e-12) * phases.conj()
    votes = np.zeros((SIGNS + 1, GRID, GRID, STEPS // 2 + 1), np.complex64)
    votes[sign_of + 1, down, across, np.array(RATES)[rate]] = correlation
    votes = np.fft.irfftn(votes, (GRID, GRID, STEPS), (1, 2, 3)) * (GRID**2 * STEPS / 2)
    evidence = votes[0] + np.abs(votes[1:]).sum(0)  # per offset: sums of cosines of phase differences
    offset = np.unravel_index(evidence.argmax(), evidence.shape)
    # With random phases each sum is about normal with mean 0; absolute values of normal variables have a known mean.
    spread = np.sqrt(np.bincount(sign_of + 1) / 2)
    mean = np.sqrt(2 / np.pi) * spread[1:].sum()
    deviation = np.sqrt(spread[0] ** 2 + (1 - 2 / np.pi) * (spread[1:] ** 2).sum())
    number = int((_codewords() @ votes[1:, *offset]).argmax())
    return DetectedWatermark(number, float((evidence[offset] - mean) / (deviation * noise_inflation)), scale)


def _noise_inflation(seconds: np.ndarray) -> float:
    """The factor by which the noise increases because the rates are correlated at these times: 1 for whole periods."""
    rotations = np.exp(2j * np.pi * np.array(RATES)[:, None] * seconds / PERIOD)
    rotations -= rotations.mean(1, keepdims=True)
    vectors = np.concatenate([rotations, rotations.conj()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12
    return max(1.0, np.linalg.norm(vectors, 2))  # spectral norm of n unit vectors: 1 to sqrt(n)


@cache
def _codewords() -> np.ndarray:
    """The codewords of all numbers, (2^BITS, SIGNS) of 1 and -1: the bits of a number are the coefficients of a
    polynomial of degree 2 in five binary variables, evaluated at all their values."""
    bits = np.indices((2,) * 5).reshape(5, SIGNS)
    products = [bits[i] & bits[j] for i, j in combinations(range(5), 2)]
    terms = np.stack([np.ones(SIGNS, int), *bits, *products])              # (BITS, SIGNS)
    numbers = np.arange(2**BITS)[:, None] >> np.arange(BITS) & 1           # (2^BITS, BITS)
    return (1 - 2 * (numbers @ terms % 2)).astype(np.float32)


@cache
def _waves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frequencies of the waves (n, 3): index of the rate, vertical and horizontal cycles per tile; their phases
    (n,); and the index of the sign of the codeword that each has (n,), -1 for none. Derived from the key with
    SHAKE-256, whose output does not depend on library versions."""
    down, across = np.meshgrid(*[np.fft.fftfreq(TILE)] * 2, indexing="ij")
    frequency = np.hypot(down, across)
    waves = np.argwhere((frequency >= BAND[0]) & (frequency < BAND[1]))
    waves = np.where(waves >= TILE // 2, waves - TILE, waves)  # signed, valid for grids of any size
    frequencies = np.concatenate([np.insert(waves, 0, rate, 1) for rate in range(len(RATES))])
    random = np.frombuffer(hashlib.shake_256(KEY).digest(16 * len(frequencies)), ">u8").reshape(2, -1)
    frequencies = frequencies[np.argsort(random[0], kind="stable")]
    order = np.arange(len(frequencies))
    sign_of = np.where(order % PILOT_INTERVAL, (order - order // PILOT_INTERVAL - 1) % SIGNS, -1)
    return frequencies, np.exp(2j * np.pi * random[1] / 2**64), sign_of
