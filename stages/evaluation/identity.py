"""Whose face it is: dlib's face descriptor (a ResNet with CC0 weights), and how alike faces are to one person's own.

A face is placed by its five points (pose/skeleton.py) as dlib places it. Descriptors of all people lie close
together: in frames of 256 x 256, where a face is 20 pixels wide, the cosine with the mean of a person's other faces is
.97 for their own and .82 to .96 for somebody else's. It says something beside `Identity.own` only.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from stages import pretrained
from stages.media import video_file
from stages.media.seek import select_frames
from stages.pose.skeleton import Pose

SIDE = 150   # pixels, of a placed face
# Where dlib places right eye, left eye, left and right mouth corner: the median over 124 faces of two filmed people
# that its own 68 points placed, made symmetrical. The nose is left out: it moves as the head nods
PLACES = np.array([[47.4, 45.5], [100.4, 45.5], [93.1, 105.5], [54.7, 105.5]])
CLEAR = 0.5  # score of all five points of a face that should be seen
MOST = 48    # of the person's own faces, evenly spaced

Describe = Callable[[Sequence[np.ndarray]], np.ndarray]  # placed faces (SIDE, SIDE, 3) -> descriptors (N, d)
Face = tuple[np.ndarray, np.ndarray]                     # a picture RGB (H, W, 3) uint8, and its five points (5, 3)


class Identity:
    """How alike faces are to the mean of a person's own ones, as cosines of their descriptors.

    `own`: the mean over the person's own faces, each against the mean of the others: what can be reached. NaN of fewer
    than two."""

    def __init__(self, faces: Iterable[Face], describe: Describe):
        self._describe = describe
        placed = [placed for placed in (place(*face) for face in faces) if placed is not None]
        own = _unit(describe(placed)) if placed else np.zeros((0, 1))  # (N, d)
        self._sum = own.sum(0)
        self.own = float((_unit(self._sum - own) * own).sum(1).mean()) if len(own) > 1 else np.nan

    @classmethod
    def of(cls, frames: Path, poses: Pose, usable: np.ndarray, describe: Describe) -> "Identity":
        """From the clear faces in a video's usable frames (indices), with the poses of all its frames."""
        rows = usable[clear(poses.face[usable])]
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int))]
        return cls(zip(select_frames(video_file.frames(frames), rows, frames), poses.face[rows]), describe)

    def __call__(self, picture: np.ndarray, points: np.ndarray) -> float:
        """NaN where one of the points (5, 3) is unknown, and where none of the person's own faces is known."""
        placed = place(picture, points)
        if placed is None or not self._sum.any():
            return np.nan
        return float(_unit(self._describe([placed]))[0] @ _unit(self._sum))


def dlib_describer() -> Describe:
    """dlib's network; weights.Missing where its weights are not there."""
    path = pretrained.find(pretrained.FACES)
    import dlib  # only here: who measures no identity does not load it

    network = dlib.face_recognition_model_v1(str(path))
    return lambda faces: np.array(network.compute_face_descriptor(list(faces)))


def clear(face: np.ndarray) -> np.ndarray:
    """Whether all of a face's points (..., 5, 3) are sure."""
    return (face[..., 2] >= CLEAR).all(-1)


def place(picture: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """The face with these points (5, 3), moved, turned and scaled to PLACES, (SIDE, SIDE, 3); None where one is unknown
    or all are the same."""
    if not (points[:, 2] > 0).all():
        return None
    middle, goal = points[:4, :2].astype(float).mean(0), PLACES.mean(0)
    here, there = (points[:4, :2] - middle) @ [1, 1j], (PLACES - goal) @ [1, 1j]  # as complex numbers
    if not here.any():
        return None
    turn = np.vdot(here, there) / np.vdot(here, here)  # turned and scaled by, in least squares
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    shift = goal - 0.5 - matrix @ (middle - 0.5)  # OpenCV's integers are the pixels' centres
    return cv2.warpAffine(picture, np.column_stack([matrix, shift]), (SIDE, SIDE), flags=cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REPLICATE)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
