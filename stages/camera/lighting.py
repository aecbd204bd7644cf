"""Drift and flicker of the light: what brings each frame to the clip's own, typical light.

The typical light is that of a plate, the median of a sample of frames; where the camera moves, each is drawn onto the
canvas first. A frame is compared with the plate at the same places: gain and offset of R, G and B are fitted robustly
to pixels that are neither clipped nor, as far as the rest suffices, on people. Pictures are RGB (h, w, 3) uint8,
`covered` (h, w) bool is true where people may be, cameras are homographies full frame -> canvas. A light is (6,):
gain R, G, B, offset R, G, B (8-bit steps); NaN for a frame that is left alone because it is black or blinded.
"""

import cv2
import numpy as np

from stages.camera.homography import scaling
from stages.camera.point_tracks import is_black

SIDE = 96            # pixels, longer side of the pictures that are compared, and
SOFT = 1.5           # how far they are blurred: drawing a picture onto the canvas must not cost contrast
LOW, HIGH = 10, 245  # what lies beyond is clipped
FREE = 0.15          # share of the picture that must be free of people for them to be left out
LEAST = 0.03         # share of the picture that a fit must rest on
FURTHEST = 3.0       # a gain beyond or below its inverse is no change of light but a fade to black
ROUNDS, AGREED = 8, 0.002  # of median and fit at most; they agree when no light changes by more
FLAT = 0.003         # weight of an offset of nothing: over a plain wall gain and offset look alike
UNCHANGED = np.repeat(np.float32([1, 0]), 3)


class LightMeter:
    """Looks at the thumbnails of all frames, in order: how much the light changes from one to the next."""

    def __init__(self):
        self._before, self._changes = None, []

    def add(self, thumbnail: np.ndarray) -> None:
        now = None if is_black(thumbnail) else thumbnail.astype(np.float32)
        if now is not None and self._before is not None:
            self._changes.append(np.abs(np.median(now - self._before, axis=(0, 1))).max() / 255)
        self._before = now

    def change(self) -> float:
        """Share of full brightness, the 90 % quantile: people who move leave most of the picture as it is."""
        return float(np.quantile(self._changes, 0.9)) if self._changes else 0.0


class ReferenceLight:
    """The clip's own light, learned from a sample of its frames."""

    def __init__(self, sample: list[np.ndarray], covered: list[np.ndarray], cameras: np.ndarray | None,
                 full_size: tuple[int, int], canvas: tuple[int, int]):
        """`cameras` (n, 3, 3) of the sample or None for a still one; sizes are (width, height)."""
        self.full_size, self.moving = full_size, cameras is not None
        self.shape = shrunk(sample[0]).shape[:2]
        scale = self.shape[1] / full_size[0]
        self.canvas = tuple(max(1, round(side * scale)) for side in canvas) if self.moving else self.shape[::-1]
        self.to_canvas = scaling(self.canvas, canvas) if self.moving else np.eye(3)
        shown, free = [], []
        for index, (picture, hidden) in enumerate(zip(sample, covered)):
            if not is_black(picture):
                one, usable = shrunk(picture), fit_for(picture, hidden)
                if self.moving:
                    onto = self._onto(cameras[index])
                    one = cv2.warpPerspective(one, onto, self.canvas, flags=cv2.INTER_LINEAR)
                    usable = cv2.warpPerspective(usable.astype(np.uint8) * 255, onto, self.canvas) > 250
                shown.append(one)
                free.append(usable)
        self.shown, self.free = np.array(shown), np.array(free)  # (n, h, w, 3), (n, h, w)
        self.lights = np.tile(UNCHANGED, (len(self.shown), 1))
        self.plate, self.known = self._learned() if len(self.shown) else (None, None)

    def measure(self, picture: np.ndarray, covered: np.ndarray, camera: np.ndarray | None = None) -> np.ndarray:
        """The light (6,) that brings a frame to the typical one."""
        if self.plate is None or is_black(picture):
            return np.full(6, np.nan, np.float32)
        plate, known = self.plate, self.known
        if self.moving:
            flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.shape[::-1]
            plate = cv2.warpPerspective(plate, self._onto(camera), size, flags=flags)
            known = cv2.warpPerspective(known.astype(np.uint8) * 255, self._onto(camera), size, flags=flags) > 250
        return fitted(shrunk(picture), plate, known & fit_for(picture, covered))

    def _onto(self, camera: np.ndarray) -> np.ndarray:
        """Shrunk frame -> shrunk canvas."""
        return np.linalg.inv(self.to_canvas) @ camera @ scaling(self.shape[::-1], self.full_size)

    def _learned(self) -> tuple[np.ndarray, np.ndarray]:
        """The plate (h, w, 3) float32 and where it is known: median and lights in turn, until they agree."""
        known = self.free.any(0)
        for _ in range(ROUNDS):
            gains, offsets = self.lights[:, None, None, :3], self.lights[:, None, None, 3:]
            even = np.where(self.free[..., None], self.shown * gains + offsets, np.nan)
            plate = np.nan_to_num(np.nanmedian(np.where(known[..., None], even, 0), axis=0)).astype(np.float32)
            lights = np.array([fitted(one, plate, free) for one, free in zip(self.shown, self.free)])
            if not np.isnan(lights).all():
                middle = np.nanmedian(lights, axis=0)
                lights = np.where(np.isnan(lights), middle, lights)
                lights = np.concatenate([lights[:, :3], lights[:, 3:] - middle[3:]], 1) / np.tile(middle[:3], 2)
            if np.isnan(lights).any() or np.abs((lights - self.lights) * ([255] * 3 + [1] * 3)).max() < AGREED * 255:
                break
            self.lights = lights
        return plate, known


def light_change(sample: list[np.ndarray], covered: list[np.ndarray], cameras: np.ndarray | None = None,
           full_size: tuple[int, int] | None = None, canvas: tuple[int, int] | None = None) -> float:
    """How much the light changes over a sample of the clip, share of full brightness."""
    size = full_size or sample[0].shape[1::-1]
    return light_range(ReferenceLight(sample, covered, cameras, size, canvas or size).lights)


def lights_to_apply(measured: np.ndarray, most: float) -> np.ndarray:
    """The lights (T, 6) to apply: exactly 1 and 0 everywhere in a clip whose light changes by no more than `most`
    (share of full brightness), and in frames that are left alone."""
    if light_range(measured) <= most:
        return np.tile(UNCHANGED, (len(measured), 1))
    return np.where(np.isnan(measured), UNCHANGED, measured).astype(np.float32)


def light_range(lights: np.ndarray) -> float:
    """How much lights (n, 6) change a middle grey, share of full brightness: the 98 % quantile."""
    lights = lights[~np.isnan(lights).any(1)]
    if not len(lights):
        return 0.0
    return float(np.quantile(np.abs(lights[:, :3] * 128 + lights[:, 3:] - 128).max(1) / 255, 0.98, method="higher"))


def apply_light(picture: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The frame in the typical light; the very same array where nothing changes."""
    if np.array_equal(light, UNCHANGED):
        return picture
    steps = np.arange(256)[:, None] * light[:3] + light[3:]  # (256, 3)
    return cv2.LUT(picture, steps.clip(0, 255).round().astype(np.uint8)[None])


def shrunk(picture: np.ndarray) -> np.ndarray:
    scale = SIDE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float32), (0, 0), SOFT)


def fit_for(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Which pixels of the shrunk picture tell its light, (h, w) bool."""
    clipped = ((picture < LOW) | (picture > HIGH)).any(-1)
    small = shrunk(np.dstack([clipped, covered, covered]).astype(np.uint8) * 255)
    clear, free = small[..., 0] < 64, small[..., 1] < 8
    return clear & free if free.mean() >= FREE else clear


def fitted(picture: np.ndarray, plate: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Gain and offset (6,) that bring the picture to the plate, both (h, w, 3), robustly over `usable` (h, w)."""
    if usable.mean() < LEAST:
        return np.full(6, np.nan, np.float32)
    lights = np.array([_line(picture[usable, i], plate[usable, i]) for i in range(3)]).T.ravel()  # (6,)
    outside = (lights[:3] > FURTHEST) | (lights[:3] < 1 / FURTHEST)
    return np.full(6, np.nan, np.float32) if outside.any() else lights.astype(np.float32)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """y = gain x + offset by reweighted least squares (Tukey's biweight)."""
    gain, offset = float(np.median(y / np.maximum(x, 1))), 0.0
    for _ in range(6):
        left = y - gain * x - offset
        limit = 4.685 * max(1.4826 * np.median(np.abs(left)), 0.5)
        weight = np.maximum(1 - (left / limit) ** 2, 0) ** 2
        total, flat = weight.sum(), FLAT * len(x)
        normal = np.array([[(weight * x * x).sum(), (weight * x).sum()], [(weight * x).sum(), total + flat]])
        gain, offset = np.linalg.solve(normal, [(weight * x * y).sum(), (weight * y).sum()])
    return gain, offset
