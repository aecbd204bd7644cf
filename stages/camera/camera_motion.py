"""Camera motion: whether the camera moves, and the homography of every frame onto one still canvas.

A homography describes a camera that turns and zooms on the spot exactly; it cannot describe one that is carried around.

Corners of the background, outside all people, are tracked from keyframes into each frame (pyramidal Lucas-Kanade,
forward and backward), and a homography is fitted robustly (MAGSAC). Each frame is registered to the keyframe that
overlaps it most, and becomes a keyframe itself if no overlap is large enough. Drift therefore grows with how far the
camera turns, not with time, and memory grows with the area that it has seen. Where tracking fails (a jolt, black
frames), the frame is registered by the ORB features of the keyframes. Pictures are reduced (WORKING_SIZE) RGB (h, w, 3)
uint8; `covered` (h, w) bool is true where people may be, with a margin; homographies are (3, 3) in OpenCV's
coordinates: whole numbers are pixel centres.
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

WORKING_SIZE = 480      # pixels, longer side of the pictures
MIN_POINTS = 12         # minimum number of points for a homography
MIN_OVERLAP = 0.75      # overlap of a frame with its keyframe, below which the frame becomes a keyframe
MIN_TRACKED = 0.3       # share of the points that must be tracked
INLIER = 1.5, 0.5       # pixels within which a point agrees with the homography, in the first and second refinement
CERTAIN = 0.75          # residual in pixels below which no other registration is tried
RESIDUAL_QUANTILE = 0.75  # the residual is this quantile of the distances of the points
MAX_LOST_SECONDS = 0.25   # seconds of frames that may be lost in a row: a jolt, or a person who walks past the lens
MAX_LOST = 0.05         # share of all frames that may be lost
MAX_CANVAS = 3.0        # sides of the canvas, in sides of the frame
MAX_KEYFRAMES = 200


def background_motion(pictures: list[np.ndarray], covered: list[np.ndarray]) -> float:
    """How far the background moves over a sample of the video, as a share of the longer side.

    Each frame is compared with the middle one: the median over the tracked points, then the 95 % quantile over the
    frames. Infinite if tracking fails, NaN if the background has no texture to track."""
    frames = [(normalised_grey(picture), mask) for picture, mask in zip(pictures, covered) if not is_black(picture)]
    if not frames:
        return float("nan")
    first, mask = frames[len(frames) // 2]
    points = corners(first)
    distances = [_distance_moved(first, other, points, mask, hidden) for other, hidden in frames]
    distances = np.array([value for value in distances if not np.isnan(value)])
    return float(np.quantile(distances, 0.95, method="higher") / max(first.shape)) if len(distances) else float("nan")


def _distance_moved(first: np.ndarray, second: np.ndarray, points: np.ndarray, covered: np.ndarray,
                    hidden: np.ndarray) -> float:
    """Median distance in pixels that points of the first picture move to the second one. Points on people are left out
    if enough others remain."""
    free = ~sample_mask(covered | hidden, points)
    points = points[free] if well_spread(points[free], first.size) else points
    if len(points) < MIN_POINTS:
        return float("nan")
    for levels in (0, 4):  # more levels track faster motion, but then the person affects a larger part of the picture
        tracked, valid = track_points(first, second, points, levels)
        if valid.mean() > MIN_TRACKED:
            return float(np.median(np.linalg.norm((tracked - points)[valid], axis=1)))
    return float("inf")


@dataclass(frozen=True)
class CameraPath:
    """The camera in each frame."""

    cameras: np.ndarray   # (T, 3, 3) video frame -> canvas, in pixels of the full size
    size: tuple[int, int]  # of the canvas: width, height
    reference: int        # the frame whose pixels coincide with those of the canvas
    residual: np.ndarray  # (T,) in pixels of the full frame; NaN where the camera was interpolated


@dataclass(frozen=True)
class Keyframe:
    """A frame that others are registered to."""

    grey: np.ndarray
    points: np.ndarray    # (n, 2)
    covered: np.ndarray   # (n,) bool: on people
    features: tuple       # ORB: keypoints (m, 2), descriptors
    camera: np.ndarray    # homography: keyframe -> first frame


class Registration:
    """Registers the frames one by one; `path` returns the cameras. Raises InputError as soon as the motion of the
    background cannot be described by homographies."""

    def __init__(self, file: str, size: tuple[int, int], fps: float, max_residual: float,
                 locate: Callable[[int], str]):
        """
        size          width, height of the full frame
        max_residual  as a share of the longer side
        locate        file and time of a frame, for error messages
        """
        self.file, self.size, self.fps, self.max_residual, self.locate = file, size, fps, max_residual, locate
        self.keyframes: list[Keyframe] = []
        self.cameras: list[np.ndarray | None] = []  # frame -> first frame, in pixels of the reduced pictures
        self.residuals: list[float] = []
        self.lost: list[tuple[int, float]] = []     # lost frames except black ones, with their residuals
        self.lost_in_a_row = 0
        self.orb = cv2.ORB_create(500, fastThreshold=8)

    def add(self, picture: np.ndarray, covered: np.ndarray) -> None:
        grey, black = normalised_grey(picture), is_black(picture)
        self.scale = self.size[0] / grey.shape[1]
        camera, residual = (None, np.nan) if black else self._registered(grey, covered)
        explained = camera is not None and residual <= self.max_residual * max(grey.shape)
        if explained:
            self.lost_in_a_row = 0
        elif not black:
            self.lost_in_a_row += 1
            self.lost.append((len(self.cameras), residual))
            if self.lost_in_a_row > max(1, MAX_LOST_SECONDS * self.fps):
                raise self._unexplained(self.lost[-self.lost_in_a_row :])
        self.cameras.append(camera if explained else None)
        self.residuals.append(residual * self.scale if explained else np.nan)

    def path(self) -> CameraPath:
        """The cameras of all frames. The middle frame lies on the canvas upright and unscaled."""
        if len(self.lost) > max(MAX_LOST_SECONDS * self.fps, MAX_LOST * len(self.cameras)):
            raise self._unexplained(self.lost)
        known = np.array([i for i, camera in enumerate(self.cameras) if camera is not None])
        reference = int(known[np.abs(known - len(self.cameras) // 2).argmin()])
        to_full = scaling(self.keyframes[0].grey.shape[::-1], self.size)
        onto = np.linalg.inv(self.cameras[reference])
        cameras = np.stack([normalised(to_full @ onto @ self.cameras[i] @ np.linalg.inv(to_full)) for i in known])
        numbers = np.arange(len(self.cameras))
        cameras = np.stack([np.interp(numbers, known, column) for column in cameras.reshape(-1, 9).T], 1)  # (T, 9)
        cameras = cameras.reshape(-1, 3, 3)
        low, high = views_extent(cameras, self.size)
        canvas = high - low
        if (canvas > MAX_CANVAS * np.array(self.size)).any():
            raise InputError(
                f"{self.file}: the camera turns too far: its views cover {canvas[0]} x {canvas[1]} pixels, more "
                f"than {MAX_CANVAS:g} times the frame's {self.size[0]} x {self.size[1]}; select a part of the video in "
                "which it turns less (start, end)")
        shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
        onto_canvas = np.stack([normalised(shift @ camera) for camera in cameras])
        return CameraPath(onto_canvas, (int(canvas[0]), int(canvas[1])), reference, np.array(self.residuals))

    def _registered(self, grey: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray | None, float]:
        """The homography frame -> first frame, None if the frame is lost, and the residual in pixels of the reduced
        frame."""
        if not self.keyframes:
            return self._add_keyframe(grey, covered, np.eye(3)), 0.0
        attempts = []
        for guess in self._predicted():
            key, _ = self._nearest(guess, grey.shape)
            attempts.append((key, self._track(key, grey, covered, np.linalg.inv(key.camera) @ guess)))
            if attempts[-1][1] and attempts[-1][1][1] < CERTAIN:
                break
        else:
            attempts.append(self._relocate(grey, covered))
        attempts = [(key, found) for key, found in attempts if found]
        if not attempts:
            return None, np.nan
        key, (to_key, residual) = min(attempts, key=lambda attempt: attempt[1][1])
        camera = normalised(key.camera @ to_key)
        if residual < CERTAIN and self._nearest(camera, grey.shape)[1] < MIN_OVERLAP:
            self._add_keyframe(grey, covered, camera)
        return camera, residual

    def _predicted(self) -> list[np.ndarray]:
        """Initial guesses of the camera: moving on at constant speed, or as in the last frame."""
        known = [camera for camera in self.cameras[-2:] if camera is not None]
        if len(known) == 2:
            before, last = known
            return [normalised(last @ np.linalg.inv(before) @ last), last]
        return [next((camera for camera in reversed(self.cameras) if camera is not None), np.eye(3))]

    def _add_keyframe(self, grey: np.ndarray, covered: np.ndarray, camera: np.ndarray) -> np.ndarray:
        if len(self.keyframes) == MAX_KEYFRAMES:
            raise InputError(f"{self.locate(len(self.cameras))}: the camera turns over too large an area (more than "
                             f"{MAX_KEYFRAMES} keyframes); select a shorter part of the video (start, end)")
        keypoints, descriptors = self.orb.detectAndCompute(grey, None)
        features = np.float32([keypoint.pt for keypoint in keypoints]).reshape(-1, 2), descriptors  # (m, 2)
        points = corners(grey)
        self.keyframes.append(Keyframe(grey, points, sample_mask(covered, points), features, camera))
        return camera

    def _nearest(self, camera: np.ndarray, shape: tuple[int, int]) -> tuple[Keyframe, float]:
        """The keyframe that overlaps the frame most, and this overlap."""
        overlaps = [view_overlap(np.linalg.inv(key.camera) @ camera, shape) for key in self.keyframes]
        best = int(np.argmax(overlaps))
        return self.keyframes[best], overlaps[best]

    def _track(self, key: Keyframe, grey: np.ndarray, covered: np.ndarray, guess: np.ndarray):
        """Tracks the keyframe's points into the frame, starting from the guess of the homography frame -> keyframe.

        Returns this homography and the residual in pixels; None if too few points are tracked. If there are enough
        points off the people, the first fit uses only these; the others are added where they agree."""
        size, from_key = grey.shape[::-1], np.linalg.inv(guess)
        warped = cv2.warpPerspective(grey, guess, size, borderMode=cv2.BORDER_REPLICATE)
        expected = project(from_key, key.points)
        inside = ((expected > 4) & (expected < np.array(size) - 5)).all(1)
        free = ~key.covered[inside] & ~sample_mask(covered, expected[inside])
        points = key.points[inside]
        if len(points) < MIN_POINTS:
            return None
        tracked, valid = track_points(key.grey, warped, points, 3)
        here = project(from_key, tracked)
        fitted = valid & free
        free_only = well_spread(points[fitted], grey.size)
        fitted = fitted if free_only else valid
        if fitted.sum() < MIN_POINTS:
            return None
        matrix, _ = cv2.findHomography(here[fitted], points[fitted], cv2.USAC_MAGSAC, 0.75, maxIters=1000,
                                       confidence=0.999)
        for limit in INLIER:
            if matrix is None or not plausible(matrix, grey.shape):
                return None
            distance = np.linalg.norm(project(matrix, here) - points, axis=1)
            inliers = valid & (distance < limit)
            if inliers.sum() < MIN_POINTS or hull_area(points[inliers]) < MIN_SPREAD * grey.size:
                return None
            matrix, _ = cv2.findHomography(here[inliers], points[inliers])
        distance = np.linalg.norm(project(matrix, here) - points, axis=1)
        return matrix, float(np.quantile(distance[fitted], RESIDUAL_QUANTILE if free_only else 0.5))

    def _relocate(self, grey: np.ndarray, covered: np.ndarray):
        """Registers the frame by ORB features, which need no guess.

        Returns the keyframe with the most matches and what `_track` returns for it; None, None if nothing matches."""
        keypoints, descriptors = self.orb.detectAndCompute(grey, None)
        if descriptors is None or len(keypoints) < MIN_POINTS:
            return None, None
        matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        positions = np.float32([keypoint.pt for keypoint in keypoints])
        best, chosen = 2 * MIN_POINTS, None
        for key in reversed(self.keyframes):
            if key.features[1] is None:
                continue
            pairs = matcher.match(descriptors, key.features[1])
            if len(pairs) < MIN_POINTS:
                continue
            here = positions[[pair.queryIdx for pair in pairs]]
            there = key.features[0][[pair.trainIdx for pair in pairs]]
            matrix, inliers = cv2.findHomography(here, there, cv2.USAC_MAGSAC, 3.0, maxIters=2000)
            if matrix is not None and inliers.sum() > best and plausible(matrix, grey.shape):
                best, chosen = int(inliers.sum()), (key, matrix)
        if chosen is None:
            return None, None
        return chosen[0], self._track(chosen[0], grey, covered, chosen[1])

    def _unexplained(self, lost: list[tuple[int, float]]) -> InputError:
        """The error for these lost frames; it names the worst one."""
        frame, residual = max(lost, key=lambda one: np.nan_to_num(one[1], nan=-1))
        residual *= self.scale
        reason = ("the background is not found in the frames before: a cut, or the camera jumped"
                  if np.isnan(residual) else
                  "the background does not move as a whole: a turning camera leaves a residual of "
                  f"{residual:.1f} pixels ({residual / max(self.size):.1%} of the longer side), more than "
                  f"{self.max_residual:.1%} (frames.max_residual)")
        return InputError(f"{self.locate(frame)}: {reason}. Turn the camera on the spot instead of walking with it, "
                          "or select a part of the video without this (start, end)")
