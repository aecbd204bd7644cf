"""How the camera moved: does it at all, and the homography of every frame onto one still canvas. A camera that turns
and zooms on the spot is exactly a homography, one that walks is none.

Corners of the background, outside of all people, are followed from keyframes into each frame (pyramidal
Lucas-Kanade, there and back) and a homography is fitted robustly (MAGSAC). A frame is registered against the keyframe
that shows most of it, and becomes one where none shows enough: drift grows with how far the camera turns, not with
time, and memory with the area that it has seen. Where following fails (a jolt, a black second) the keyframes' ORB
features find the place again. Pictures are reduced (LOOK) RGB (h, w, 3) uint8; `covered` (h, w) bool is true
where people may be, generously; homographies are (3, 3) in OpenCV's coordinates, which count from pixel centres.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from stages import InputError
from stages.camera.homography import normalised, plausible, project, scaling, view_overlap, views_extent
from stages.camera.point_tracks import (
    MIN_SPREAD, corners, hull_area, is_black, normalised_grey, sample_mask, track_points, well_spread,
)

WORKING_SIZE = 480          # pixels, longer side of the pictures
LEAST = 12          # points that a homography must rest on
OVERLAP = 0.75      # of a frame with its keyframe; below it becomes one
TRACKED = 0.3       # share of the points in view that must be found again
AGREE = 1.5, 0.5    # pixels within which a point agrees with a homography, first and last
SURE = 0.75         # pixels of residual up to which a frame is beyond doubt
UNEXPLAINED = 0.75  # quantile of the points' distances that is called the residual
BRIDGED = 0.25      # seconds that may be lost in a row: a jolt, somebody who walks past the lens; and the
MISSING = 0.05      # share of the video that may be
WIDEST = 3.0        # sides of the canvas, in sides of the frame
KEYFRAMES = 200     # at most


def background_motion(pictures: list[np.ndarray], covered: list[np.ndarray]) -> float:
    """How far the background moves over a sample of the video, as a share of the longer side: the 95 % quantile over
    the frames of the median over its points, against the middle frame. Infinite where the background is not found
    again, NaN where it has no texture to follow."""
    seen = [(normalised_grey(picture), mask) for picture, mask in zip(pictures, covered) if not is_black(picture)]
    if not seen:
        return float("nan")
    first, mask = seen[len(seen) // 2]
    points = corners(first)
    moved = [_moved(first, other, points, mask, hidden) for other, hidden in seen]
    moved = np.array([value for value in moved if not np.isnan(value)])
    return float(np.quantile(moved, 0.95, method="higher") / max(first.shape)) if len(moved) else float("nan")


def _moved(first: np.ndarray, second: np.ndarray, points: np.ndarray, covered: np.ndarray,
           hidden: np.ndarray) -> float:
    """Median distance between the points in the first picture and where they are in the second: those off the people,
    or all where too little is free of people."""
    free = ~sample_mask(covered | hidden, points)
    points = points[free] if well_spread(points[free], first.size) else points
    if len(points) < LEAST:
        return float("nan")
    for levels in (0, 4):  # coarse pictures show far motion, but also the person everywhere
        there, same = track_points(first, second, points, levels)
        if same.mean() > TRACKED:
            return float(np.median(np.linalg.norm((there - points)[same], axis=1)))
    return float("inf")


@dataclass(frozen=True)
class CameraPath:
    """How the camera stood in each frame."""

    cameras: np.ndarray   # (T, 3, 3) video frame -> canvas, pixels of the full size
    size: tuple[int, int]  # of the canvas: width, height
    reference: int        # the frame that lies on the canvas's pixels exactly
    residual: np.ndarray  # (T,) pixels of the full frame; NaN where the camera was interpolated


@dataclass(frozen=True)
class Keyframe:
    """A frame against which others are registered."""

    grey: np.ndarray
    points: np.ndarray    # (n, 2)
    covered: np.ndarray   # (n,) on people
    features: tuple       # ORB: places (m, 2), descriptors
    camera: np.ndarray    # keyframe -> first frame


class Registration:
    """Takes the frames one by one; `track` gives the cameras. InputError as soon as no homography explains them."""

    def __init__(self, file: str, size: tuple[int, int], fps: float, most: float, at: Callable[[int], str]):
        """`size`: width, height of the full frame; `most`: residual allowed, a share of the longer side; `at`: where
        the user finds a frame."""
        self.file, self.size, self.fps, self.most, self.at = file, size, fps, most, at
        self.keys: list[Keyframe] = []
        self.cameras: list[np.ndarray | None] = []  # frame -> first frame, of the reduced pictures
        self.residuals: list[float] = []
        self.lost: list[tuple[int, float]] = []     # frames that are, but for the black ones, and their residuals
        self.run = 0                                # of them in a row until now
        self.orb = cv2.ORB_create(500, fastThreshold=8)

    def add(self, picture: np.ndarray, covered: np.ndarray) -> None:
        grey, black = normalised_grey(picture), is_black(picture)
        self.scale = self.size[0] / grey.shape[1]
        camera, residual = (None, np.nan) if black else self._registered(grey, covered)
        explained = camera is not None and residual <= self.most * max(grey.shape)
        if explained:
            self.run = 0
        elif not black:
            self.run += 1
            self.lost.append((len(self.cameras), residual))
            if self.run > max(1, BRIDGED * self.fps):
                raise self._unexplained(self.lost[-self.run :])
        self.cameras.append(camera if explained else None)
        self.residuals.append(residual * self.scale if explained else np.nan)

    def track(self) -> CameraPath:
        """The cameras of all frames, the middle one's view upright and unscaled on the canvas."""
        if len(self.lost) > max(BRIDGED * self.fps, MISSING * len(self.cameras)):
            raise self._unexplained(self.lost)
        known = np.array([i for i, camera in enumerate(self.cameras) if camera is not None])
        reference = int(known[np.abs(known - len(self.cameras) // 2).argmin()])
        to_full = scaling(self.keys[0].grey.shape[::-1], self.size)
        onto = np.linalg.inv(self.cameras[reference])
        cameras = np.stack([normalised(to_full @ onto @ self.cameras[i] @ np.linalg.inv(to_full)) for i in known])
        numbers = np.arange(len(self.cameras))
        cameras = np.stack([np.interp(numbers, known, column) for column in cameras.reshape(-1, 9).T], 1)  # (T, 9)
        cameras = cameras.reshape(-1, 3, 3)
        low, high = views_extent(cameras, self.size)
        canvas = high - low
        if (canvas > WIDEST * np.array(self.size)).any():
            raise InputError(
                f"{self.file}: the camera turns too far: all that it sees is {canvas[0]} x {canvas[1]} pixels, more "
                f"than {WIDEST:g} times the frame's {self.size[0]} x {self.size[1]}; name a part of the video that "
                "turns less (start, end)")
        shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
        return CameraPath(np.stack([normalised(shift @ camera) for camera in cameras]), (int(canvas[0]), int(canvas[1])),
                     reference, np.array(self.residuals))

    def _registered(self, grey: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray | None, float]:
        """Frame -> first frame and the residual in pixels of the reduced frame; None where it is lost."""
        if not self.keys:
            return self._keyframe(grey, covered, np.eye(3)), 0.0
        attempts = []
        for guess in self._expected():
            key, _ = self._nearest(guess, grey.shape)
            attempts.append((key, self._followed(key, grey, covered, np.linalg.inv(key.camera) @ guess)))
            if attempts[-1][1] and attempts[-1][1][1] < SURE:
                break
        else:
            attempts.append(self._found_again(grey, covered))
        attempts = [(key, found) for key, found in attempts if found]
        if not attempts:
            return None, np.nan
        key, (there, residual) = min(attempts, key=lambda attempt: attempt[1][1])
        camera = normalised(key.camera @ there)
        if residual < SURE and self._nearest(camera, grey.shape)[1] < OVERLAP:
            self._keyframe(grey, covered, camera)
        return camera, residual

    def _expected(self) -> list[np.ndarray]:
        """Where the camera may stand: going on as it did, or as it stood last."""
        known = [camera for camera in self.cameras[-2:] if camera is not None]
        if len(known) == 2:
            before, last = known
            return [normalised(last @ np.linalg.inv(before) @ last), last]
        return [next((camera for camera in reversed(self.cameras) if camera is not None), np.eye(3))]

    def _keyframe(self, grey: np.ndarray, covered: np.ndarray, camera: np.ndarray) -> np.ndarray:
        if len(self.keys) == KEYFRAMES:
            raise InputError(f"{self.at(len(self.cameras))}: the camera sees too many places to keep ({KEYFRAMES}); "
                             "name a shorter part of the video (start, end)")
        places, descriptors = self.orb.detectAndCompute(grey, None)
        features = np.float32([place.pt for place in places]).reshape(-1, 2), descriptors  # (m, 2)
        points = corners(grey)
        self.keys.append(Keyframe(grey, points, sample_mask(covered, points), features, camera))
        return camera

    def _nearest(self, camera: np.ndarray, shape: tuple[int, int]) -> tuple[Keyframe, float]:
        """The keyframe that shows most of the frame, and how much of it."""
        shares = [view_overlap(np.linalg.inv(key.camera) @ camera, shape) for key in self.keys]
        best = int(np.argmax(shares))
        return self.keys[best], shares[best]

    def _followed(self, key: Keyframe, grey: np.ndarray, covered: np.ndarray, guess: np.ndarray):
        """Frame -> keyframe, near the guess, and the residual; None where too little of the keyframe is found.

        Points off the people decide where there are enough, and the others join where they agree."""
        size, back = grey.shape[::-1], np.linalg.inv(guess)
        drawn = cv2.warpPerspective(grey, guess, size, borderMode=cv2.BORDER_REPLICATE)
        expected = project(back, key.points)
        inside = ((expected > 4) & (expected < np.array(size) - 5)).all(1)
        free = ~key.covered[inside] & ~sample_mask(covered, expected[inside])
        points = key.points[inside]
        if len(points) < LEAST:
            return None
        there, same = track_points(key.grey, drawn, points, 3)
        here = project(back, there)
        voting = same & free
        alone = well_spread(points[voting], grey.size)
        voting = voting if alone else same
        if voting.sum() < LEAST:
            return None
        matrix, _ = cv2.findHomography(here[voting], points[voting], cv2.USAC_MAGSAC, 0.75, maxIters=1000,
                                       confidence=0.999)
        for within in AGREE:
            if matrix is None or not plausible(matrix, grey.shape):
                return None
            left = np.linalg.norm(project(matrix, here) - points, axis=1)
            agree = same & (left < within)
            if agree.sum() < LEAST or hull_area(points[agree]) < MIN_SPREAD * grey.size:
                return None
            matrix, _ = cv2.findHomography(here[agree], points[agree])
        left = np.linalg.norm(project(matrix, here) - points, axis=1)
        return matrix, float(np.quantile(left[voting], UNEXPLAINED if alone else 0.5))

    def _found_again(self, grey: np.ndarray, covered: np.ndarray):
        """The same by features that need no guess, after the keyframe they were found in."""
        places, descriptors = self.orb.detectAndCompute(grey, None)
        if descriptors is None or len(places) < LEAST:
            return None, None
        matcher, spots = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True), np.float32([p.pt for p in places])
        best, chosen = 2 * LEAST, None
        for key in reversed(self.keys):
            if key.features[1] is None:
                continue
            pairs = matcher.match(descriptors, key.features[1])
            if len(pairs) < LEAST:
                continue
            here = spots[[pair.queryIdx for pair in pairs]]
            there = key.features[0][[pair.trainIdx for pair in pairs]]
            matrix, agree = cv2.findHomography(here, there, cv2.USAC_MAGSAC, 3.0, maxIters=2000)
            if matrix is not None and agree.sum() > best and plausible(matrix, grey.shape):
                best, chosen = int(agree.sum()), (key, matrix)
        if chosen is None:
            return None, None
        return chosen[0], self._followed(chosen[0], grey, covered, chosen[1])

    def _unexplained(self, lost: list[tuple[int, float]]) -> InputError:
        """The error for these frames; it names the worst."""
        frame, residual = max(lost, key=lambda one: np.nan_to_num(one[1], nan=-1))
        residual *= self.scale
        told = ("the background is not found again in the frames before: a cut, or the camera jumped"
                if np.isnan(residual) else
                f"the background does not move as one: {residual:.1f} pixels ({residual / max(self.size):.1%} of the "
                f"longer side) are left that a turning camera does not explain, at most {self.most:.1%} is allowed "
                "(frames.max_residual)")
        return InputError(f"{self.at(frame)}: {told}. Turn the camera on the spot instead of walking with it, or name "
                          "the part of the video without this (start, end)")
