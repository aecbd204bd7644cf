"""Ground truth of a rendered video: where every point of the person is, and whether the camera sees it.

Points as in parquet.POSES, in pixels of the rendered frame. Points outside the frame have their true position and
score 0; all others have score 1.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.media import parquet
from stages.pose.skeleton import Pose

SIZES = {"body": 18, "left_hand": 21, "right_hand": 21, "feet": 4, "face": 5}

TRUTH = pa.schema([
    ("frame", pa.int32()),
    *((name, parquet.points(n)) for name, n in SIZES.items()),
    ("visible", pa.list_(pa.float32(), sum(SIZES.values()))),  # 1 visible, 0 hidden; in the order of SIZES
])


def split(values: np.ndarray) -> dict[str, np.ndarray]:
    """Values of all points, (..., 69) or (..., 69, 3) -> one array per point set."""
    ends = np.cumsum(list(SIZES.values()))
    last = values.ndim > 1 and values.shape[-1] == 3
    return dict(zip(SIZES, np.split(values, ends[:-1], axis=-2 if last else -1)))


def to_pose(pixels: np.ndarray, size: int) -> Pose:
    """Pixel positions (69, 2) of all points -> a pose."""
    inside = ((pixels >= 0) & (pixels < size)).all(-1, keepdims=True)
    return Pose(**split(np.concatenate([pixels, inside], -1).astype(np.float32)))


def write_truth(path: Path, poses: list[Pose], visible: list[np.ndarray], about: dict) -> None:
    parquet.write(path, TRUTH, {"frame": np.arange(len(poses)), "visible": np.stack(visible),
                               **Pose.stack(poses).point_sets()}, about)


def read_truth(path: Path) -> tuple[Pose, dict[str, np.ndarray]]:
    """The true poses (T frames) and, for each point set, which of its points are visible, (T, n) bool."""
    columns, _ = parquet.read(path, TRUTH)
    pose = Pose(*(columns[name].reshape(len(columns["frame"]), -1, 3) for name in SIZES))  # (T, n, 3)
    return pose, split(columns["visible"] > 0.5)
