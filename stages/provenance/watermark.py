"""The invisible watermark: slow, faint waves in a result's pictures say that FakeMotion made it, and a number.

After Kalker, Depovere, Haitsma and Maes, "A video watermarking system for broadcast monitoring" (SPIE 3657, 1999): a
tile of keyed noise is laid over the luma again and again, and whoever looks for it folds a video into one tile and
correlates the phases alone, which finds the tile wherever a crop has begun. Here the tile has a third side, time. Its
waves travel, so that the mean over time, most of a still scene, can be taken off, and a quarter of a grey level can be
read from two seconds of video, though not from one picture. The waves are as long as H.264 leaves them: 20 to 62
pixels, 0.4 to 1 s. A quarter of them is the same for every number, the others are dealt out to the 32 signs of a word
of the Reed-Muller code of second order (Muller 1954), of which the number chooses one: any two differ in 8 signs at
least.

The key is part of this file, so that everybody can look for the mark; who reads it can also take the mark out.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import cv2
import numpy as np

ALGORITHM = "fakemotion.waves.2"  # its name in the credentials, not on C2PA's list; to change where the marks do
BITS = 16            # of the number
SIGNS = 32           # of the word that stands for it
SAME = 4             # every so many-th wave says nothing of the number
TILE = 256           # pixels, side
PERIOD = 2.0         # seconds, after which the pattern is the same again; a video has to be as long
RATES = (2, 3, 4, 5)  # periods of a wave within that
BAND = (0.016, 0.05)  # cycles a pixel
FAINT, STRONG = 0.27, 0.96  # standard deviations of the pattern, of 255, before it is rounded: on a plain wall; at most
HIDDEN = 0.17        # and in between, for each level of the standard deviation of a texture
SMALL, LESS, LEAST = 256, 0.35, 0.65  # pictures whose shorter side is longer need less: (SMALL / side)^LESS, at least LEAST
DARK = 24            # of 255, luma: what is darker, black bars above all, stays as it is
TAG = "watermark"    # of a video's metadata: the number in its pictures
KEY = b"FakeMotion watermark 2"
SURE = 7.5           # standard deviations of chance, from which on a mark is one
SCALES = (1, 2, 3 / 2, 4 / 3, 3, 1 / 2, 2 / 3, 3 / 4)  # how many times smaller a picture may have become
LARGEST = 1920       # pixels, side of what is looked at, after scaling; the middle of larger pictures
REDUCED = 4          # times smaller: how the waves are looked for
GRID = TILE // REDUCED
STEPS = 16           # places in time, of a period, where the tile may begin
SLOW, LOCAL = 3.0, 1.5  # reduced pixels, sigmas: what is slower than the first is taken off, the second weighs


@dataclass(frozen=True)
class DetectedWatermark:
    number: int
    certainty: float  # standard deviations of chance
    scale: float      # one of SCALES
    seconds: float = PERIOD  # of video that were looked at

    @property
    def sure(self) -> bool:
        return self.certainty >= SURE


class Watermark:
    """The mark of a number in a video with pictures of a size (width, height), at a rate (frames/s)."""

    def __init__(self, number: int, size: tuple[int, int], fps: float):
        share = np.clip((SMALL / min(size)) ** LESS, LEAST, 1).astype(np.float32)
        self._waves, self._fps = tile(number) * share, fps
        self._repeats, self._part = (-(-size[1] // TILE), -(-size[0] // TILE)), np.s_[: size[1], : size[0]]

    def apply(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """RGB (height, width, 3), the frame of this index, with the mark: the same is added to red, green and blue."""
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        pattern = np.tile(_at(self._waves, frame / self._fps), self._repeats)[self._part] * strength(luma)
        pattern[luma < DARK] = 0
        return cv2.add(picture, cv2.merge([np.rint(pattern)] * 3), dtype=cv2.CV_8U)


def strength(luma: np.ndarray) -> np.ndarray:
    """How strong the pattern may be at each pixel (H, W): stronger where texture hides it."""
    size = [-(-side // 2) for side in luma.shape[::-1]]
    half = cv2.resize(luma.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    fine = half - cv2.GaussianBlur(half, (0, 0), 2)
    texture = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 4))
    return cv2.resize((HIDDEN * texture).clip(FAINT, STRONG), luma.shape[::-1], interpolation=cv2.INTER_LINEAR)


def format_number(number: int) -> str:
    """Four hexadecimal digits."""
    return f"{number:0{BITS // 4}x}"


def tile(number: int) -> np.ndarray:
    """The waves of a number, (rates, TILE, TILE) complex, turning at RATES; their real parts' sum has at all times mean
    0 and standard deviation 1."""
    places, phases, owner = _plan()
    signs = np.where(owner < 0, 1, _words()[number][owner])
    rate, down, across = places.T
    spectrum = np.zeros((len(RATES), TILE, TILE), complex)
    spectrum[rate, down, across] = signs * phases
    return (np.fft.ifft2(spectrum) * TILE**2 * np.sqrt(2 / len(places))).astype(np.complex64)


def _at(waves: np.ndarray, seconds: float) -> np.ndarray:
    """The pattern (TILE, TILE) at a time."""
    turned = np.exp(2j * np.pi * np.array(RATES) * seconds / PERIOD).astype(np.complex64)
    return np.tensordot(turned.real, waves.real, 1) - np.tensordot(turned.imag, waves.imag, 1)


def detect(shots: Iterable[tuple[float, np.ndarray]], scales: Iterable[float] = SCALES) -> DetectedWatermark:
    """The best match in the pictures of a video (seconds, RGB of one size), at any of the scales, mirrored or not."""
    scales, seconds = tuple(scales), []
    views = [ScaledSums(scale) for scale in scales]
    for second, picture in shots:
        seconds.append(second)
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for view in views:
            view.add(luma, second)
    if len(seconds) < 2:
        return DetectedWatermark(0, 0.0, scales[0], 0.0)
    span = (seconds[-1] - seconds[0]) * len(seconds) / (len(seconds) - 1)
    sums, apart = [(view.scale, view.folded()) for view in views], _apart(np.array(seconds))
    both = (match(side, scale, apart) for scale, total in sums for side in (total, total[..., ::-1]))
    return replace(max(both, key=lambda found: found.certainty), seconds=span)


class ScaledSums:
    """What is seen of a video, enlarged `scale` times: add one picture after the other, then fold them."""

    def __init__(self, scale: float):
        self.scale, self.count = scale, 0

    def add(self, luma: np.ndarray, seconds: float) -> None:
        most = int(LARGEST / self.scale)
        top, left = (max(0, side - most) // 2 for side in luma.shape)
        factor = self.scale / REDUCED
        part = luma[top : top + most, left : left + most].astype(np.float32)
        size = [max(1, round(factor * side)) for side in part.shape[::-1]]
        small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        fine = small - cv2.GaussianBlur(small, (0, 0), SLOW)
        turned = np.exp(-2j * np.pi * np.array(RATES) * seconds / PERIOD)
        terms = np.concatenate([[1], turned.real, turned.imag])
        if not self.count:
            self.sums, self.terms = np.zeros((len(terms), *fine.shape), np.float32), np.zeros(len(terms))
            self.squares = np.zeros(fine.shape, np.float32)
        self.squares += fine * fine
        self.sums += terms[:, None, None].astype(np.float32) * fine
        self.terms += terms
        self.count += 1

    def folded(self) -> np.ndarray:
        """The sum of the tiles of each rate's share of what changes, (rates, GRID, GRID) complex; each place weighs the
        less, the more changes there."""
        mean = self.sums[0] / self.count
        real, imaginary = (self.sums[1:] - self.terms[1:, None, None] * mean).reshape(2, len(RATES), *mean.shape)
        spread = cv2.GaussianBlur(self.squares / self.count - mean * mean, (0, 0), LOCAL)
        height, width = (-(-side // GRID) * GRID for side in mean.shape)
        whole = np.zeros((len(RATES), height, width), np.complex64)
        whole[:, : mean.shape[0], : mean.shape[1]] = (real + 1j * imaginary) / (spread.clip(0) + 1)
        return whole.reshape(len(RATES), height // GRID, GRID, width // GRID, GRID).sum((1, 3))


def match(total: np.ndarray, scale: float = 1, apart: float = 1.0) -> DetectedWatermark:
    """Where and when a sum of tiles (rates, GRID, GRID) is most like the waves, how like, and whose word its signs are
    most like. `apart`: of _apart."""
    places, phases, owner = _plan()
    rate, down, across = places.T
    spectrum = np.fft.fft2(total)[rate, down, across]
    alike = spectrum / (np.abs(spectrum) + 1e-12) * phases.conj()
    votes = np.zeros((SIGNS + 1, GRID, GRID, STEPS // 2 + 1), np.complex64)
    votes[owner + 1, down, across, np.array(RATES)[rate]] = alike
    votes = np.fft.irfftn(votes, (GRID, GRID, STEPS), (1, 2, 3)) * (GRID**2 * STEPS / 2)
    evidence = votes[0] + np.abs(votes[1:]).sum(0)  # at every place, of sums of cosines of what is left of the phases
    place = np.unravel_index(evidence.argmax(), evidence.shape)
    spread = np.sqrt(np.bincount(owner + 1) / 2)  # of such sums where the phases are random: about normal around 0,
    mean = np.sqrt(2 / np.pi) * spread[1:].sum()  # which gives their sizes this mean, and all together
    deviation = np.sqrt(spread[0] ** 2 + (1 - 2 / np.pi) * (spread[1:] ** 2).sum())  # this standard deviation
    number = int((_words() @ votes[1:, *place]).argmax())
    return DetectedWatermark(number, float((evidence[place] - mean) / (deviation * apart)), scale)


def _apart(seconds: np.ndarray) -> float:
    """By how much chance deviates more because rates cannot be told apart at these times: 1 over whole periods."""
    turned = np.exp(2j * np.pi * np.array(RATES)[:, None] * seconds / PERIOD)
    turned -= turned.mean(1, keepdims=True)
    both = np.concatenate([turned, turned.conj()])
    both /= np.linalg.norm(both, axis=1, keepdims=True) + 1e-12
    return max(1.0, np.linalg.norm(both, 2))  # of unit vectors: between 1 and the root of their number


@cache
def _words() -> np.ndarray:
    """The word of every number (2^BITS, SIGNS), of 1 and -1: the number's bits are the coefficients of a polynomial of
    degree two in five bits, which are counted through."""
    bits = np.indices((2,) * 5).reshape(5, SIGNS)
    products = [bits[i] & bits[j] for i, j in combinations(range(5), 2)]
    terms = np.stack([np.ones(SIGNS, int), *bits, *products])              # (BITS, SIGNS)
    numbers = np.arange(2**BITS)[:, None] >> np.arange(BITS) & 1           # (2^BITS, BITS)
    return (1 - 2 * (numbers @ terms % 2)).astype(np.float32)


@cache
def _plan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Waves (n, 3): index of the rate, cycles a tile down and across; their phases (n,), and which sign of the word
    each one has (n,), -1 for none. From the key by SHAKE-256, which is the same in every version of every library."""
    down, across = np.meshgrid(*[np.fft.fftfreq(TILE)] * 2, indexing="ij")
    pace = np.hypot(down, across)
    waves = np.argwhere((pace >= BAND[0]) & (pace < BAND[1]))
    waves = np.where(waves >= TILE // 2, waves - TILE, waves)  # so that they are found in a grid of any size
    places = np.concatenate([np.insert(waves, 0, rate, 1) for rate in range(len(RATES))])
    drawn = np.frombuffer(hashlib.shake_256(KEY).digest(16 * len(places)), ">u8").reshape(2, -1)
    places = places[np.argsort(drawn[0], kind="stable")]
    order = np.arange(len(places))
    owner = np.where(order % SAME, (order - order // SAME - 1) % SIGNS, -1)
    return places, np.exp(2j * np.pi * drawn[1] / 2**64), owner
