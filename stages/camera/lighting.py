"""Exposure correction: drift and flicker of the lighting, corrected to the clip's typical light.

The reference is a plate, the median of a sample of frames; if the camera moves, each frame is first warped onto the
canvas. Each frame is compared with the plate at the same places: gain and offset of R, G and B are fitted robustly to
pixels that are not clipped and, if enough are left, not on people. Pictures are RGB (h, w, 3) uint8, `covered` (h, w)
bool is true where people may be, cameras are homographies from the full frame to the canvas. A light is (6,): gain R,
G, B, offset R, G, B (8-bit steps); NaN for a frame that is not corrected because it is black or overexposed.
"""

import cv2
import numpy as np

from stages.camera.homography import scaling
from stages.camera.point_tracks import is_black

SIDE = 96            # pixels, longer side of the pictures that are compared
BLUR = 1.5           # sigma of their blur: large enough that warping onto the canvas loses no further contrast
LOW, HIGH = 10, 245  # pixels outside of this range count as clipped
MIN_FREE = 0.15      # people are excluded if at least this share of the picture is free of them
MIN_USABLE = 0.03    # minimum share of the picture for a fit
MAX_GAIN = 3.0       # a gain above it, or below its inverse, is a fade to black, not a change of light
MAX_ROUNDS, CONVERGED = 8, 0.002  # rounds of median and fit; converged if no light changes by more
OFFSET_PRIOR = 0.003  # weight of a zero offset: over a plain wall gain and offset cannot be told apart
UNCHANGED = np.repeat(np.float32([1, 0]), 3)


class LightMeter:
    """Measures flicker: how much the light changes from one frame to the next. Takes the thumbnails of all frames in
    order."""

    def __init__(self):
        self._before, self._changes = None, []

    def add(self, thumbnail: np.ndarray) -> None:
        now = None if is_black(thumbnail) else thumbnail.astype(np.float32)
        if now is not None and self._before is not None:
            self._changes.append(np.abs(np.median(now - self._before, axis=(0, 1))).max() / 255)
        self._before = now

    def change(self) -> float:
        """The 90 % quantile over the frames, as a share of full brightness. The change of a frame is the
        median over its pixels, which moving people do not affect."""
        return float(np.quantile(self._changes, 0.9)) if self._changes else 0.0


class ReferenceLight:
    """The clip's typical light, estimated from a sample of its frames."""

    def __init__(self, sample: list[np.ndarray], covered: list[np.ndarray], cameras: np.ndarray | None,
                 full_size: tuple[int, int], canvas: tuple[int, int]):
        """`cameras` (n, 3, 3) of the sample, None if the camera stands still; sizes are (width, height)."""
        self.full_size, self.moving = full_size, cameras is not None
        self.shape = downscaled(sample[0]).shape[:2]
        scale = self.shape[1] / full_size[0]
        self.canvas = tuple(max(1, round(side * scale)) for side in canvas) if self.moving else self.shape[::-1]
        self.to_canvas = scaling(self.canvas, canvas) if self.moving else np.eye(3)
        shown, free = [], []
        for index, (picture, hidden) in enumerate(zip(sample, covered)):
            if not is_black(picture):
                one, usable = downscaled(picture), usable_pixels(picture, hidden)
                if self.moving:
                    onto = self._onto(cameras[index])
                    one = cv2.warpPerspective(one, onto, self.canvas, flags=cv2.INTER_LINEAR)
                    usable = cv2.warpPerspective(usable.astype(np.uint8) * 255, onto, self.canvas) > 250
                shown.append(one)
                free.append(usable)
        self.shown, self.free = np.array(shown), np.array(free)  # (n, h, w, 3), (n, h, w)
        self.lights = np.tile(UNCHANGED, (len(self.shown), 1))
        self.plate, self.known = self._estimate() if len(self.shown) else (None, None)

    def measure(self, picture: np.ndarray, covered: np.ndarray, camera: np.ndarray | None = None) -> np.ndarray:
        """The light (6,) that corrects a frame to the typical light; NaN if it cannot be measured."""
        if self.plate is None or is_black(picture):
            return np.full(6, np.nan, np.float32)
        plate, known = self.plate, self.known
        if self.moving:
            flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.shape[::-1]
            plate = cv2.warpPerspective(plate, self._onto(camera), size, flags=flags)
            known = cv2.warpPerspective(known.astype(np.uint8) * 255, self._onto(camera), size, flags=flags) > 250
        return fit_light(downscaled(picture), plate, known & usable_pixels(picture, covered))

    def _onto(self, camera: np.ndarray) -> np.ndarray:
        """Homography: downscaled frame -> downscaled canvas."""
        return np.linalg.inv(self.to_canvas) @ camera @ scaling(self.shape[::-1], self.full_size)

    def _estimate(self) -> tuple[np.ndarray, np.ndarray]:
        """The plate (h, w, 3) float32 and where it is known (h, w) bool. Estimates median and lights in turn until they
        converge."""
        known = self.free.any(0)
        for _ in range(MAX_ROUNDS):
            gains, offsets = self.lights[:, None, None, :3], self.lights[:, None, None, 3:]
            corrected = np.where(self.free[..., None], self.shown * gains + offsets, np.nan)
            plate = np.nan_to_num(np.nanmedian(np.where(known[..., None], corrected, 0), axis=0)).astype(np.float32)
            lights = np.array([fit_light(one, plate, free) for one, free in zip(self.shown, self.free)])
            if not np.isnan(lights).all():
                middle = np.nanmedian(lights, axis=0)
                lights = np.where(np.isnan(lights), middle, lights)
                lights = np.concatenate([lights[:, :3], lights[:, 3:] - middle[3:]], 1) / np.tile(middle[:3], 2)
            if np.isnan(lights).any() or np.abs((lights - self.lights) * ([255] * 3 + [1] * 3)).max() < CONVERGED * 255:
                break
            self.lights = lights
        return plate, known


def light_change(sample: list[np.ndarray], covered: list[np.ndarray], cameras: np.ndarray | None = None,
                 full_size: tuple[int, int] | None = None, canvas: tuple[int, int] | None = None) -> float:
    """How much the light changes over a sample of the clip, as a share of full brightness."""
    size = full_size or sample[0].shape[1::-1]
    return light_range(ReferenceLight(sample, covered, cameras, size, canvas or size).lights)


def lights_to_apply(measured: np.ndarray, most: float) -> np.ndarray:
    """The lights (T, 6) to apply. They are exactly 1 and 0 for frames that were not measured, and for all frames if the
    light changes by no more than `most` (share of full brightness)."""
    if light_range(measured) <= most:
        return np.tile(UNCHANGED, (len(measured), 1))
    return np.where(np.isnan(measured), UNCHANGED, measured).astype(np.float32)


def light_range(lights: np.ndarray) -> float:
    """How much lights (n, 6) change a middle grey: the 98 % quantile, as a share of full brightness."""
    lights = lights[~np.isnan(lights).any(1)]
    if not len(lights):
        return 0.0
    return float(np.quantile(np.abs(lights[:, :3] * 128 + lights[:, 3:] - 128).max(1) / 255, 0.98, method="higher"))


def apply_light(picture: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The frame in the typical light. Returns the same array if the light is UNCHANGED."""
    if np.array_equal(light, UNCHANGED):
        return picture
    values = np.arange(256)[:, None] * light[:3] + light[3:]  # (256, 3)
    return cv2.LUT(picture, values.clip(0, 255).round().astype(np.uint8)[None])


def downscaled(picture: np.ndarray) -> np.ndarray:
    scale = SIDE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float32), (0, 0), BLUR)


def usable_pixels(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Which pixels of the downscaled picture the light can be fitted to, (h, w) bool."""
    clipped = ((picture < LOW) | (picture > HIGH)).any(-1)
    small = downscaled(np.dstack([clipped, covered, covered]).astype(np.uint8) * 255)
    unclipped, free = small[..., 0] < 64, small[..., 1] < 8
    return unclipped & free if free.mean() >= MIN_FREE else unclipped


def fit_light(picture: np.ndarray, plate: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """The light (6,) that maps the picture to the plate, both (h, w, 3), fitted robustly over `usable` (h, w) bool."""
    if usable.mean() < MIN_USABLE:
        return np.full(6, np.nan, np.float32)
    lights = np.array([_fit_line(picture[usable, i], plate[usable, i]) for i in range(3)]).T.ravel()  # (6,)
    extreme = (lights[:3] > MAX_GAIN) | (lights[:3] < 1 / MAX_GAIN)
    return np.full(6, np.nan, np.float32) if extreme.any() else lights.astype(np.float32)


def _fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """y = gain x + offset by reweighted least squares (Tukey's biweight)."""
    gain, offset = float(np.median(y / np.maximum(x, 1))), 0.0
    for _ in range(6):
        residual = y - gain * x - offset
        limit = 4.685 * max(1.4826 * np.median(np.abs(residual)), 0.5)
        weight = np.maximum(1 - (residual / limit) ** 2, 0) ** 2
        total, prior = weight.sum(), OFFSET_PRIOR * len(x)
        normal = np.array([[(weight * x * x).sum(), (weight * x).sum()], [(weight * x).sum(), total + prior]])
        gain, offset = np.linalg.solve(normal, [(weight * x * y).sum(), (weight * y).sum()])
    return gain, offset
