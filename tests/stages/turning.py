"""Videos of a camera that rotates and zooms in place, warped from a wide image, with the true homographies."""

from functools import cache

import cv2
import numpy as np

from stages import samples
from stages.samples import people, scene

WIDE, FRAME = 480, (320, 240)  # pixels; width, height
FOCAL = 560.0


@cache
def room(person: str) -> np.ndarray:
    return np.rint(255 * scene.plate(people.person(person).room, WIDE, 2)).astype(np.uint8)


@cache
def dancer(count: int) -> list[np.ndarray]:
    """RGBA frames (200, 200, 4) of a dancing person."""
    frames = samples.frames("stranger_7", ("dance",), 4, count / 25, 200)
    return [np.dstack([picture, alpha]) for picture, alpha, *_ in frames]


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0, zoom: float = 1.0, wide: int = WIDE,
           frame: tuple[int, int] = FRAME) -> np.ndarray:
    """Homography (3, 3) from the frame to the wide image, both in pixels, of a rotated pinhole camera (radians)."""
    centre = lambda size: [(size[0] - 1) / 2, (size[1] - 1) / 2]
    rotation, _ = cv2.Rodrigues(np.array([pitch, yaw, 0.0]))
    level, _ = cv2.Rodrigues(np.array([0.0, 0.0, roll]))
    lens = lambda focal, size: np.array([[focal, 0, centre(size)[0]], [0, focal, centre(size)[1]], [0, 0, 1]])
    matrix = lens(FOCAL, (wide, wide)) @ rotation @ level @ np.linalg.inv(lens(FOCAL * zoom, frame))
    return matrix / matrix[2, 2]


def shaking(count: int, seed: int = 0) -> list[np.ndarray]:
    """A hand-held camera that moves by some pixels."""
    walk = np.random.default_rng(seed).normal(0, 1, (count + 20, 3))
    walk = cv2.GaussianBlur(walk, (1, 0), sigmaX=0.1, sigmaY=2.5)[10 : 10 + count] * [0.025, 0.025, 0.02]
    return [turned(*angles) for angles in walk]


def panning(count: int, reach: float = 0.12) -> list[np.ndarray]:
    """A pan to the right and back, with small pitch, roll and zoom."""
    return [turned(reach * np.sin(phase), 0.02 * np.sin(3 * phase), 0.02 * np.sin(2 * phase), 1 + 0.05 * np.sin(phase))
            for phase in np.linspace(-np.pi / 2, 1.5 * np.pi, count)]


@cache
def figure(t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The dancer's colours times alpha (200, 200, 3), 1 - alpha (200, 200, 1), and the bounding box."""
    rgba = dancer(30)[t].astype(np.float32)
    alpha = rgba[..., 3:] / 255
    columns, rows = (np.flatnonzero(rgba[..., 3].max(axis) > 127) for axis in (0, 1))
    return alpha * rgba[..., :3], 1 - alpha, np.array([columns[0], rows[0], columns[-1], rows[-1]])


@cache
def grain() -> list[np.ndarray]:
    """Sensor noise with standard deviation 1 for 60 frames."""
    rng = np.random.default_rng(1)
    return [rng.normal(0, 1, (*FRAME[::-1], 3)).astype(np.float32) for _ in range(60)]


def filmed(cameras: list[np.ndarray], background: np.ndarray, person: bool = True, noise: float = 1.5
           ) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames with the dancer, and for each the pixels (height, width) bool of a generous box around the dancer."""
    frames, covered = [], []
    for t, camera in enumerate(cameras):
        wide, box = background.copy(), np.zeros((WIDE, WIDE), np.uint8)
        if person:
            colours, left, (west, north, east, south) = figure(t % 30)
            x, y = 110 + 2 * (t % 30), 160
            wide[y : y + 200, x : x + 200] = colours + left * wide[y : y + 200, x : x + 200]
            box[y + north - 8 : y + south + 8, x + west - 8 : x + east + 8] = 255
        frame, hidden = (cv2.warpPerspective(picture, camera, FRAME, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                                             borderMode=cv2.BORDER_REFLECT) for picture in (wide, box))
        frames.append(np.clip(np.rint(frame + noise * grain()[t]), 0, 255).astype(np.uint8))
        covered.append(hidden > 0)
    return frames, covered
