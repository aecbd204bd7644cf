"""Reads the index of the subject's real faces: `faces.parquet`, written by the stage face_vector_indexing."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.media import parquet


@dataclass(frozen=True)
class FaceIndex:
    """N real faces of the subject: points, orientation vectors and crops."""

    frames: np.ndarray   # (N,) frame of each face
    points: np.ndarray   # (N, 5, 2) in pixels of the S x S frame
    vectors: np.ndarray  # (N, 5, 2) in face sizes, see face_vectors.py
    boxes: np.ndarray    # (N, 4) in pixels of the S x S frame
    crops: list          # N PNG files as bytes, each the content of a box

    @classmethod
    def read(cls, path: Path) -> "FaceIndex":
        columns, _ = parquet.read(path, parquet.FACES)
        shaped = (columns[name].reshape(-1, 5, 2) for name in ("points", "vectors"))
        return cls(columns["frame"], *shaped, columns["box"], list(columns["crop"]))

    def __len__(self) -> int:
        return len(self.frames)

    def crop(self, i: int) -> np.ndarray:
        """The crop of face number i, RGB (side, side, 3) uint8."""
        return cv2.imdecode(np.frombuffer(self.crops[i], np.uint8), cv2.IMREAD_COLOR_RGB)

    def candidates(self, frame: int, distance: int) -> np.ndarray:
        """Indices of the faces that are at least `distance` frames away from `frame`. Training blends only these into
        the face of `frame`, because closer ones are nearly identical to it."""
        return np.flatnonzero(np.abs(self.frames - frame) >= distance)
