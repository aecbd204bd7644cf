"""Shot boundary detection on thumbnails, frame by frame while the video is decoded.

Two frames belong to the same shot if two conditions hold. First, most textured blocks of one are found in the other,
all shifted by the same amount. Second, the colours are the same up to one change of exposure, or the blocks match in
detail (as with lens flare). The correlation of blocks does not depend on exposure, the common shift allows for a pan,
and a moving person covers only the smaller part of the blocks. Frames without texture (black, or overexposed by a
flash) are skipped.

If a frame does not belong to the shot of the frame before, this is a break. It counts as a cut if the frames of the
next CONFIRMED seconds do not belong to the old shot either; after a flash, or a hand in front of the lens, they do. A
dissolve has no break: its first and last frame differ, and each frame between is a mixture of both. The new shot begins
at the frame in which the old one has disappeared.
"""

from collections import deque

import cv2
import numpy as np

SIDE = 96           # pixels, longer side of the thumbnails compared
BLOCK = 16          # pixels
MAX_SHIFT = 12      # pixels that a block may move from frame to frame
MIN_TEXTURE = 2.5   # standard deviation of a block that can be matched
MATCH, SAME = 0.75, 0.95   # correlation from which a block is found, and from which it matches in detail
MIN_MATCHED, MIN_SAME = 0.5, 0.6  # shares of blocks that must be found; match in detail if the colours changed
COMMON = np.ones((5, 5), np.uint8)  # neighbourhood of shifts that count as the same shift
COLOURS = 0.02      # colour change of another shot, besides one change of exposure: median absolute logarithm
TINTS = 0.006       # the same, besides one change of exposure for each of R, G and B
MIN_UNCLIPPED = 0.4  # share of the picture that must be neither black nor clipped for its colours to be compared
NEARLY_EQUAL = 4    # brightness difference of most of the picture below which the frames are not compared further
CONFIRMED = 0.4     # seconds after which a break counts as a cut
DISSOLVE = 1.2      # seconds, the longest dissolve
MIN_STEP = 16       # difference of first and last frame; pixels below it are not used to detect a dissolve
MAX_MIX_ERROR = 0.1  # median deviation of the mixing factor over the picture


class CutDetector:
    """Takes one thumbnail RGB (h, w, 3) uint8 per frame; `first_frames` returns the first frames of the new shots."""

    def __init__(self, fps: float):
        self.cuts: list[int] = []
        self.patience = max(2, round(CONFIRMED * fps))
        self.recent: deque = deque(maxlen=max(4, round(DISSOLVE * fps)))  # frames of the current shot
        self.count, self.last, self.broken = -1, None, None
        self.dissolved = -self.recent.maxlen  # the last frame at which a dissolve was detected

    def add(self, thumbnail: np.ndarray) -> None:
        self.count += 1
        frame = prepared(thumbnail)
        if not len(textured_blocks(frame)):
            return
        if self.last is None or same_shot(self.last, frame):
            self.last, self.broken = frame, None
            self.recent.append(frame)
            if self._dissolve_ends():
                self._cut(self.count, frame)
                self.dissolved = self.count
        elif self.broken is None:
            self.broken = self.count
        elif self.count - self.broken >= self.patience:
            self._cut(self.broken, frame)

    def first_frames(self) -> list[int]:
        return self.cuts + ([self.broken] if self.broken is not None else [])

    def _cut(self, at: int, frame: np.ndarray) -> None:
        if at - self.dissolved < self.recent.maxlen:
            self.cuts.pop()  # the dissolve is still going on: move the cut to its end
        self.cuts.append(at)
        self.recent.clear()
        self.last, self.broken = frame, None

    def _dissolve_ends(self) -> bool:
        """Whether a dissolve ends with the last frame."""
        lengths = {max(4, round(share * self.recent.maxlen)) for share in (1.0, 0.5, 0.25)}
        spans = [list(self.recent)[-length:] for length in lengths if length <= len(self.recent)]
        return any(is_dissolve(span) and not same_shot(span[0], span[-1]) for span in spans)


def prepared(thumbnail: np.ndarray) -> np.ndarray:
    """The thumbnail reduced to SIDE pixels and denoised, (h, w, 3) float32."""
    scale = SIDE / max(thumbnail.shape[:2])
    return cv2.GaussianBlur(cv2.resize(thumbnail, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), (0, 0),
                            0.8).astype(np.float32)


def same_shot(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two prepared frames belong to the same shot."""
    if np.quantile(np.abs(first - second).max(-1), 0.8) < NEARLY_EQUAL:
        return True
    forward, backward = match_blocks(first, second), match_blocks(second, first)
    if min(forward[0], backward[0]) < MIN_MATCHED:
        return False
    colours, tints = min(colour_change(first, second, forward[1]), colour_change(first, second, (0, 0)))
    if colours < COLOURS or tints < TINTS:
        return True
    return min(match_blocks(first, second, SAME)[0], match_blocks(second, first, SAME)[0]) >= MIN_SAME


def match_blocks(first: np.ndarray, second: np.ndarray, threshold: float = MATCH) -> tuple[float, tuple[int, int]]:
    """Matches the textured blocks of the first picture in the second one. Blocks that are clipped in either picture are
    left out.

    Returns the share of the blocks that match at one common shift (within COMMON), and this shift (x, y)."""
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second))
    clipped = (np.maximum(first, second) > 240) | (np.minimum(first, second) < 6)
    corners = textured_blocks(first, blocks(clipped).mean((1, 3)) < 0.2)
    if len(corners) < 3:
        return 1.0, (0, 0)
    padded = cv2.copyMakeBorder(second, MAX_SHIFT, MAX_SHIFT, MAX_SHIFT, MAX_SHIFT, cv2.BORDER_REPLICATE)
    matched = np.zeros((2 * MAX_SHIFT + 1, 2 * MAX_SHIFT + 1), np.float32)
    total = np.zeros_like(matched)
    size = BLOCK + 2 * MAX_SHIFT
    for x, y in corners:
        block, around = first[y : y + BLOCK, x : x + BLOCK], padded[y : y + size, x : x + size]
        correlation = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
        matched += cv2.dilate((correlation > threshold).astype(np.uint8), COMMON)
        total += correlation
    y, x = np.unravel_index(np.where(matched == matched.max(), total, -np.inf).argmax(), matched.shape)
    return float(matched.max() / len(corners)), (int(x) - MAX_SHIFT, int(y) - MAX_SHIFT)


def textured_blocks(picture: np.ndarray, usable: np.ndarray | bool = True) -> np.ndarray:
    """Top left corners (x, y) of the usable blocks that have enough texture to be matched, (n, 2)."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.argwhere((blocks(grey).std((1, 3)) > MIN_TEXTURE) & usable)[:, ::-1] * BLOCK


def blocks(grey: np.ndarray) -> np.ndarray:
    rows, columns = (side // BLOCK for side in grey.shape)
    return grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)


def colour_change(first: np.ndarray, second: np.ndarray, shift: tuple[int, int]) -> tuple[float, float]:
    """How much the colours of the shifted picture change, apart from one change of exposure for all channels, and apart
    from one for each channel."""
    (x, y), (height, width) = shift, first.shape[:2]
    first = first[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    second = second[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    unclipped = ((np.minimum(first, second) > 8) & (np.maximum(first, second) < 245)).all(-1)
    if unclipped.mean() < MIN_UNCLIPPED:
        return 0.0, 0.0
    change = np.log((second[unclipped] + 8) / (first[unclipped] + 8))  # (n, 3)
    beyond = [np.median(np.abs(change - np.median(change, axis=axis))) for axis in (None, 0)]
    return float(beyond[0]), float(beyond[1])


def is_dissolve(pictures: list[np.ndarray]) -> bool:
    """Whether the first picture fades into the last one: each of three pictures between is a mixture of both."""
    first, last = pictures[0], pictures[-1]
    step = last - first
    differs = np.abs(step) > MIN_STEP  # where the ends differ
    if differs.mean() < 0.2:
        return False
    factors = []
    for place in (0.25, 0.5, 0.75):
        mixed = (pictures[round(place * (len(pictures) - 1))] - first)[differs] / step[differs]
        factor = np.median(mixed)
        if not 0.04 < factor < 0.96 or np.median(np.abs(mixed - factor)) > MAX_MIX_ERROR:
            return False
        factors.append(factor)
    return factors[0] < factors[1] < factors[2]
