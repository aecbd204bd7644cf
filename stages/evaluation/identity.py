"""Identity: the similarity of a face to one person's own faces, by dlib's face descriptor (a ResNet with CC0 weights).

A face is aligned by its five points (pose/skeleton.py) in the same way as dlib aligns it. The descriptors of all people
lie close together. In frames of 256 x 256, where a face is 20 pixels wide, the cosine similarity to the mean of a
person's other faces is 0.97 for their own faces and 0.82 to 0.96 for the faces of other people. A score can therefore
only be interpreted together with `Identity.own_similarity`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from stages import pretrained
from stages.face.face_enhancement import similarity_transform
from stages.media import video_file
from stages.media.sampling import evenly_spaced
from stages.media.seek import select_frames
from stages.pose.skeleton import Pose

FACE_SIZE = 150  # pixels, side of an aligned face
# Where dlib places right eye, left eye, left and right mouth corner in an aligned face: the median over 124 faces of
# two filmed people, aligned by dlib's own 68 landmarks and made symmetrical. The nose is left out: nodding moves it
LANDMARKS = np.array([[47.4, 45.5], [100.4, 45.5], [93.1, 105.5], [54.7, 105.5]])
MIN_SCORE = 0.5  # of all five points of a face that counts as visible
MAX_FACES = 48   # of the person's own, evenly spaced

FaceDescriber = Callable[[Sequence[np.ndarray]], np.ndarray]  # aligned faces (FACE_SIZE, FACE_SIZE, 3) -> (N, d)
Face = tuple[np.ndarray, np.ndarray]  # a picture RGB (H, W, 3) uint8, and its five points (5, 3)


class Identity:
    """Cosine similarity of a face's descriptor to the mean descriptor of one person's own faces.

    `own_similarity`: the mean over the person's own faces, each compared with the mean of the others. This is what a
    generated face can reach. NaN if there are fewer than two faces."""

    def __init__(self, faces: Iterable[Face], describe: FaceDescriber):
        self._describe = describe
        aligned = [face for face in (align_face(*face) for face in faces) if face is not None]
        own = _unit(describe(aligned)) if aligned else np.zeros((0, 1))  # (N, d)
        self._sum = own.sum(0)
        self.own_similarity = float((_unit(self._sum - own) * own).sum(1).mean()) if len(own) > 1 else np.nan

    @classmethod
    def from_video(cls, frames: Path, poses: Pose, usable: np.ndarray, describe: FaceDescriber) -> "Identity":
        """From the visible faces in the frames `usable` (indices) of a video; poses: of all its frames."""
        rows = evenly_spaced(usable[is_visible(poses.face[usable])], MAX_FACES)
        return cls(zip(select_frames(video_file.frames(frames), rows, frames), poses.face[rows]), describe)

    def __call__(self, picture: np.ndarray, points: np.ndarray) -> float:
        """Similarity of the face with these points (5, 3) in a picture. NaN if a point is unknown, or if no face of the
        person is known."""
        aligned = align_face(picture, points)
        if aligned is None or not self._sum.any():
            return np.nan
        return float(_unit(self._describe([aligned]))[0] @ _unit(self._sum))


def dlib_describer() -> FaceDescriber:
    """dlib's network. Raises pretrained.MissingWeights if its weights are missing."""
    path = pretrained.find(pretrained.FACES)
    import dlib  # here, because it is only needed if identity is measured

    network = dlib.face_recognition_model_v1(str(path))
    return lambda faces: np.array(network.compute_face_descriptor(list(faces)))


def is_visible(face: np.ndarray) -> np.ndarray:
    """Whether all five points of faces (..., 5, 3) have at least MIN_SCORE, (...) bool."""
    return (face[..., 2] >= MIN_SCORE).all(-1)


def align_face(picture: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """The face with these points (5, 3), moved, rotated and scaled onto LANDMARKS, (FACE_SIZE, FACE_SIZE, 3). None if a
    point is unknown or all points are equal."""
    if not (points[:, 2] > 0).all():
        return None
    face = points[:4, :2].astype(float)
    if not np.ptp(face, axis=0).any():
        return None
    matrix = similarity_transform(face - 0.5, LANDMARKS - 0.5)  # OpenCV's whole numbers are pixel centres
    return cv2.warpAffine(picture, matrix, (FACE_SIZE, FACE_SIZE), flags=cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REPLICATE)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
