"""Where a video cuts from one shot to another, seen from thumbnails as it streams by.

Two frames belong to one shot where most textured blocks of the one are found again in the other, all moved alike, and
where the picture, so moved, has kept its colours up to one exposure, or its blocks are the same to the detail (the sun
may flare into a lens): correlation does not care about exposure, the common move allows for a pan, and who moves in
front is the smaller part. A frame without texture (black, blinded by a
flash) says nothing. A break counts once what follows has stayed unlike what was before for a while: what lies behind
a flash or a hand before the lens is the same shot. A dissolve has no break: there both ends are unlike and every frame
between is a mixture of them; the new shot begins where the old one is gone.
"""

from collections import deque

import cv2
import numpy as np

SIDE = 96         # pixels, longer side of the thumbnails compared
BLOCK = 16        # pixels
REACH = 12        # pixels that a block may have moved from frame to frame
TEXTURE = 2.5     # standard deviation of a block worth looking for
FOUND, SAME = 0.75, 0.95  # correlations from which a block is found again, and from which it is the same
MOVED, KEPT = 0.5, 0.6    # shares of the blocks that must be found again, and be the same where the colours changed
TOGETHER = np.ones((5, 5), np.uint8)  # moves that count as one
COLOURS = 0.02    # logarithm, median over the picture: by which colours differ beyond one exposure ...
TINTS = 0.006     # ... and beyond one exposure of each of R, G and B, in another shot
CLEAR = 0.4       # share of the picture that must be neither black nor clipped for its colours to tell
LIKELY = 4        # brightness by which most of the picture differs at most where there is no need to look closer
CONFIRMED = 0.4   # seconds after which a break is a cut
DISSOLVE = 1.2    # seconds, the longest looked for
STEP = 16         # brightness by which the ends of a dissolve differ where it is told from a pan
MIXED = 0.1       # how much the share of the last frame may vary over the picture (median)


class CutDetector:
    """Takes one thumbnail RGB (h, w, 3) uint8 a frame; `found` gives the first frames of new shots."""

    def __init__(self, fps: float):
        self.cuts: list[int] = []
        self.patience = max(2, round(CONFIRMED * fps))
        self.recent: deque = deque(maxlen=max(4, round(DISSOLVE * fps)))  # of this shot
        self.count, self.last, self.broken = -1, None, None
        self.soft = -self.recent.maxlen  # the last frame at which a dissolve was seen

    def add(self, thumbnail: np.ndarray) -> None:
        self.count += 1
        now = prepared(thumbnail)
        if not len(textured(now)):
            return
        if self.last is None or alike(self.last, now):
            self.last, self.broken = now, None
            self.recent.append(now)
            if self._dissolved():
                self._cut(self.count, now)
                self.soft = self.count
        elif self.broken is None:
            self.broken = self.count
        elif self.count - self.broken >= self.patience:
            self._cut(self.broken, now)

    def found(self) -> list[int]:
        return self.cuts + ([self.broken] if self.broken is not None else [])

    def _cut(self, frame: int, now: np.ndarray) -> None:
        if frame - self.soft < self.recent.maxlen:
            self.cuts.pop()  # the same dissolve, until the old shot is gone
        self.cuts.append(frame)
        self.recent.clear()
        self.last, self.broken = now, None

    def _dissolved(self) -> bool:
        """Whether a dissolve ends with the last frame."""
        lengths = {max(4, round(share * self.recent.maxlen)) for share in (1.0, 0.5, 0.25)}
        spans = [list(self.recent)[-length:] for length in lengths if length <= len(self.recent)]
        return any(mixtures(span) and not alike(span[0], span[-1]) for span in spans)


def prepared(thumbnail: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32, SIDE pixels long, without noise."""
    scale = SIDE / max(thumbnail.shape[:2])
    return cv2.GaussianBlur(cv2.resize(thumbnail, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), (0, 0),
                            0.8).astype(np.float32)


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two prepared frames are of one shot."""
    if np.quantile(np.abs(first - second).max(-1), 0.8) < LIKELY:
        return True
    there, back = moved(first, second), moved(second, first)
    if min(there[0], back[0]) < MOVED:
        return False
    colours, tints = min(recoloured(first, second, there[1]), recoloured(first, second, (0, 0)))
    if colours < COLOURS or tints < TINTS:
        return True
    return min(moved(first, second, SAME)[0], moved(second, first, SAME)[0]) >= KEPT


def moved(first: np.ndarray, second: np.ndarray, found_from: float = FOUND) -> tuple[float, tuple[int, int]]:
    """Share of the first picture's textured blocks that are found again where one common move (x, y), give or take a
    little, has taken them; blocks that are clipped in either picture say nothing."""
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second))
    clipped = (np.maximum(first, second) > 240) | (np.minimum(first, second) < 6)
    places = textured(first, blocks(clipped).mean((1, 3)) < 0.2)
    if len(places) < 3:
        return 1.0, (0, 0)
    wide = cv2.copyMakeBorder(second, REACH, REACH, REACH, REACH, cv2.BORDER_REPLICATE)
    found = np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32)
    likeness = np.zeros_like(found)
    for x, y in places:
        block, around = first[y : y + BLOCK, x : x + BLOCK], wide[y : y + BLOCK + 2 * REACH, x : x + BLOCK + 2 * REACH]
        here = cv2.matchTemplate(around, block, cv2.TM_CCOEFF_NORMED)
        found += cv2.dilate((here > found_from).astype(np.uint8), TOGETHER)
        likeness += here
    y, x = np.unravel_index(np.where(found == found.max(), likeness, -np.inf).argmax(), found.shape)
    return float(found.max() / len(places)), (int(x) - REACH, int(y) - REACH)


def textured(picture: np.ndarray, clear: np.ndarray | bool = True) -> np.ndarray:
    """Corners (x, y) of the blocks that have something to find again and are clear, (n, 2)."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.argwhere((blocks(grey).std((1, 3)) > TEXTURE) & clear)[:, ::-1] * BLOCK


def blocks(grey: np.ndarray) -> np.ndarray:
    rows, columns = (side // BLOCK for side in grey.shape)
    return grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)


def recoloured(first: np.ndarray, second: np.ndarray, move: tuple[int, int]) -> tuple[float, float]:
    """How much the colours of the moved picture have changed beyond one exposure, and beyond one of each channel."""
    (x, y), (height, width) = move, first.shape[:2]
    first = first[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    second = second[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    clear = ((np.minimum(first, second) > 8) & (np.maximum(first, second) < 245)).all(-1)
    if clear.mean() < CLEAR:
        return 0.0, 0.0
    change = np.log((second[clear] + 8) / (first[clear] + 8))  # (n, 3)
    beyond = [np.median(np.abs(change - np.median(change, axis=axis))) for axis in (None, 0)]
    return float(beyond[0]), float(beyond[1])


def mixtures(pictures: list[np.ndarray]) -> bool:
    """Whether pictures fade from the first to the last: each of three between is a mixture of both."""
    first, last = pictures[0], pictures[-1]
    across = last - first
    tells = np.abs(across) > STEP  # where the ends differ
    if tells.mean() < 0.2:
        return False
    shares = []
    for place in (0.25, 0.5, 0.75):
        mixed = (pictures[round(place * (len(pictures) - 1))] - first)[tells] / across[tells]
        share = np.median(mixed)
        if not 0.04 < share < 0.96 or np.median(np.abs(mixed - share)) > MIXED:
            return False
        shares.append(share)
    return shares[0] < shares[1] < shares[2]
