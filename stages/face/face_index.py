"""The subject's real faces as face_vector_indexing found them: `faces.parquet`."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.media import parquet


@dataclass(frozen=True)
class FaceIndex:
    """The subject's real faces: `faces.parquet`."""

    frames: np.ndarray   # (N,)
    points: np.ndarray   # (N, 5, 2) pixels of the S x S frame
    vectors: np.ndarray  # (N, 5, 2) in face sizes
    boxes: np.ndarray    # (N, 4) pixels of the S x S frame
    crops: list          # N encoded pictures

    @classmethod
    def read(cls, path: Path) -> "FaceIndex":
        columns, _ = parquet.read(path, parquet.FACES)
        shaped = (columns[name].reshape(-1, 5, 2) for name in ("points", "vectors"))
        return cls(columns["frame"], *shaped, columns["box"], list(columns["crop"]))

    def __len__(self) -> int:
        return len(self.frames)

    def crop(self, i: int) -> np.ndarray:
        """Crop i, RGB (side, side, 3) uint8."""
        return cv2.imdecode(np.frombuffer(self.crops[i], np.uint8), cv2.IMREAD_COLOR_RGB)

    def candidates(self, frame: int, distance: int) -> np.ndarray:
        """The faces at least `distance` frames away: what training may use for `frame`."""
        return np.flatnonzero(np.abs(self.frames - frame) >= distance)
