"""The invisible watermark: a faint pattern in every picture of a result says that FakeMotion made it, and a number.

After Kalker, Depovere, Haitsma and Maes, "A video watermarking system for broadcast monitoring" (SPIE 3657, 1999): a
tile of keyed noise, the same in every frame, is laid over the luma again and again. Whoever looks for it folds a
picture into one tile and correlates the phases alone, which finds the tile wherever a crop has begun. Theirs has its
payload in the distance of two patterns; here a quarter of the tile's frequencies is the same for every number, and the
others are dealt out to the 32 signs of a word of the Reed-Muller code of second order (Muller 1954), of which the number
chooses one: any two differ in 8 signs at least. No wave is shorter than 6.6 pixels, so that a resize to half and H.264
leave something of each.

The key is part of this file, so that everybody can look for the mark; who reads it can also take the mark out.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import cv2
import numpy as np

BITS = 16            # of the number
SIGNS = 32           # of the word that stands for it
SAME = 4             # every so many-th frequency says nothing of the number
TILE = 128           # pixels, side
STRONG, FAINT = 2.4, 1.8  # standard deviation of the pattern, of 255, in pictures of at most SMALL, and at least
SMALL = 256          # pixels, shorter side; the more of them there are, the less does each need
BAND = (0.03, 0.15)  # cycles a pixel
TAG = "watermark"    # of a video's metadata: the number in its pictures
KEY = b"FakeMotion watermark 1"
SURE = 7.5           # standard deviations of chance, from which on a mark is one
SCALES = (1, 2, 3 / 2, 4 / 3, 3, 1 / 2, 2 / 3, 3 / 4)  # how many times smaller a picture may have become
LARGEST = 1280       # pixels, side of what is looked at, after scaling; the middle of larger pictures
COARSE, LOCAL = 4.0, 6.0  # pixels, sigmas: what is slower than the first is taken off, over the second it is levelled


@dataclass(frozen=True)
class Found:
    number: int
    certainty: float  # standard deviations of chance
    scale: float      # one of SCALES

    @property
    def sure(self) -> bool:
        return self.certainty >= SURE


class Mark:
    """The mark of a number in pictures of a size (width, height)."""

    def __init__(self, number: int, size: tuple[int, int]):
        repeats = (-(-size[1] // TILE), -(-size[0] // TILE))
        strength = np.clip(STRONG * np.sqrt(SMALL / min(size)), FAINT, STRONG)
        pattern = np.tile(np.rint(strength * tile(number)).astype(int), repeats)[: size[1], : size[0]]
        self._up, self._down = (cv2.merge([part.clip(0, 255).astype(np.uint8)] * 3) for part in (pattern, -pattern))

    def over(self, picture: np.ndarray) -> np.ndarray:
        """RGB (height, width, 3) with the mark: the same is added to red, green and blue."""
        return cv2.subtract(cv2.add(picture, self._up), self._down)


def name(number: int) -> str:
    """Four hexadecimal digits."""
    return f"{number:0{BITS // 4}x}"


def tile(number: int) -> np.ndarray:
    """The pattern (TILE, TILE) of a number, mean 0 and standard deviation 1."""
    places, phases, owner = _plan()
    signs = np.where(owner < 0, 1, _words()[number][owner])
    spectrum = np.zeros((TILE, TILE), complex)
    spectrum[tuple(places.T)] = signs * phases
    pattern = np.fft.ifft2(spectrum).real  # twice the real part of one half plane
    return pattern / pattern.std()


def find(pictures: Iterable[np.ndarray], scales: Iterable[float] = SCALES) -> Found:
    """The best match in pictures (RGB, of one size) of one video, at any of the scales, mirrored or not."""
    scales = tuple(scales)
    sums = np.zeros((len(scales), TILE, TILE))
    for picture in pictures:
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        for total, scale in zip(sums, scales):
            total += folded(levelled(luma, scale))
    both = (match(side, scale) for total, scale in zip(sums, scales) for side in (total, total[:, ::-1]))
    return max(both, key=lambda found: found.certainty)


def levelled(luma: np.ndarray, scale: float) -> np.ndarray:
    """The fine structure of luma (H, W) enlarged by `scale`, about as strong everywhere, so that no edge outweighs
    the mark."""
    most = int(LARGEST / scale)
    top, left = (max(0, side - most) // 2 for side in luma.shape)
    large = cv2.resize(luma[top : top + most, left : left + most], None, fx=scale, fy=scale,
                       interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    fine = large - cv2.GaussianBlur(large, (0, 0), COARSE)
    spread = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), LOCAL))
    return np.clip(fine / (spread + 1), -1.5, 1.5)


def folded(picture: np.ndarray) -> np.ndarray:
    """The sum of a picture's tiles, (TILE, TILE), each place weighed as its mean is certain."""
    height, width = (-(-side // TILE) * TILE for side in picture.shape)
    both = np.zeros((2, height, width), np.float32)
    both[0, : picture.shape[0], : picture.shape[1]] = picture
    both[1, : picture.shape[0], : picture.shape[1]] = 1
    total, count = both.reshape(2, height // TILE, TILE, width // TILE, TILE).sum((1, 3))
    return total / np.sqrt(count.clip(1))


def match(total: np.ndarray, scale: float = 1) -> Found:
    """Where a sum of tiles (TILE, TILE) is most like the pattern, how like, and whose word its signs are most like."""
    places, phases, owner = _plan()
    spectrum = np.fft.fft2(total)[tuple(places.T)]
    alike = spectrum / (np.abs(spectrum) + 1e-12) * phases.conj()
    apart = np.zeros((SIGNS + 1, TILE, TILE), complex)
    apart[owner + 1, *places.T] = alike
    votes = np.fft.ifft2(apart).real * TILE**2  # at every place, sums of cosines of what is left of the phases
    evidence = votes[0] + np.abs(votes[1:]).sum(0)
    place = np.unravel_index(evidence.argmax(), evidence.shape)
    spread = np.sqrt(np.bincount(owner + 1) / 2)  # of such sums where the phases are random: about normal around 0,
    mean = np.sqrt(2 / np.pi) * spread[1:].sum()  # which gives their sizes this mean, and all together
    deviation = np.sqrt(spread[0] ** 2 + (1 - 2 / np.pi) * (spread[1:] ** 2).sum())  # this standard deviation
    number = int((_words() @ votes[1:, *place]).argmax())
    return Found(number, float((evidence[place] - mean) / deviation), scale)


@cache
def _words() -> np.ndarray:
    """The word of every number (2^BITS, SIGNS), of 1 and -1: the number's bits are the coefficients of a polynomial of
    degree two in five bits, which are counted through."""
    bits = np.indices((2,) * 5).reshape(5, SIGNS)
    products = [bits[i] & bits[j] for i, j in combinations(range(5), 2)]
    terms = np.stack([np.ones(SIGNS, int), *bits, *products])              # (BITS, SIGNS)
    numbers = np.arange(2**BITS)[:, None] >> np.arange(BITS) & 1           # (2^BITS, BITS)
    return (1 - 2 * (numbers @ terms % 2)).astype(np.float32)


def _plan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies of the tile (n, 2), their phases (n,), and which sign of the word each one has (n,), -1 for none. From
    the key by SHAKE-256, which will be the same in every version of every library."""
    down, across = np.meshgrid(*[np.fft.fftfreq(TILE)] * 2, indexing="ij")
    pace, half = np.hypot(down, across), (across > 0) | ((across == 0) & (down > 0))
    places = np.argwhere((pace >= BAND[0]) & (pace < BAND[1]) & half)
    drawn = np.frombuffer(hashlib.shake_256(KEY).digest(16 * len(places)), ">u8").reshape(2, -1)
    places = places[np.argsort(drawn[0], kind="stable")]
    order = np.arange(len(places))
    owner = np.where(order % SAME, (order - order // SAME - 1) % SIGNS, -1)
    return places, np.exp(2j * np.pi * drawn[1] / 2**64), owner
