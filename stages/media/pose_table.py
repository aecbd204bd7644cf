"""The pose tables: `poses.parquet` and `driving.parquet` as a `Pose`."""

from pathlib import Path

from stages.media import parquet
from stages.pose.skeleton import POINT_SETS, Pose


def read_poses(path: Path) -> tuple[Pose, dict, dict]:
    """Reads a `POSES` or `DRIVING` table.

    Returns the pose of every row (T rows), the other columns by name, and the table's metadata `about`."""
    columns, about = parquet.read(path, parquet.POSES, parquet.DRIVING)
    points = {name: columns[name].reshape(len(columns[name]), -1, 3) for name in POINT_SETS}  # (T, n, 3)
    pose = Pose(**points, depth=columns["depth"])
    return pose, {name: column for name, column in columns.items() if name not in pose.columns()}, about
