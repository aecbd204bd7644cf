"""A picture of what a stage wrote: a row for every artifact. `python -m pipeline inspect STAGE@KEY` shows it."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.face.face_index import FaceIndex
from stages.imaging import contact_sheets
from stages.media import parquet, png, video_file
from stages.media.container import open_media
from stages.media.pose_table import read_poses
from stages.pose import skeleton
from stages.reporting.face_map import large, real_face
from stages.reporting.report_inputs import spread

TILES = 8    # of a row at most, and of a video
SIDE = 176   # pixels of a tile
GAP = 3
LABEL = 22   # pixels above a row
INK, LINE = (60, 58, 55), (40, 110, 190)

Row = tuple[str, list[np.ndarray]]  # what it is, pictures


def sheet(paths: Iterable[Path]) -> np.ndarray | None:
    """Of artifacts, files or folders, RGB; None where none of them is there, or shows anything."""
    rows = [row for path in paths if path.exists() for row in _rows(path) if row[1]]
    return stacked([_labelled(name, tiles) for name, tiles in rows]) if rows else None


def write(paths: Iterable[Path], file: Path) -> bool:
    """Writes the sheet as PNG; False, and no file, where there is nothing to show."""
    picture = sheet(paths)
    if picture is None:
        return False
    png.write(file, picture)
    return True


def _rows(path: Path) -> Iterable[Row]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".png", ".parquet", ".tsv"))
        shown = [file for file in files if file.suffix == ".png"]
        shown = shown[:: max(1, len(shown) - 1)]  # of previews the first and the last
        yield from ((f"{path}/{file.name}", [png.read(file)]) for file in shown)
        yield f"{path}: curves", [tile for file in files if file.suffix == ".tsv" for tile in _plots(file)]
    elif path.suffix in (".mkv", ".mp4"):
        yield str(path), _frames(path)
    elif path.suffix == ".png":
        yield str(path), [png.read(path)]
    elif path.suffix == ".parquet":
        yield str(path), _table(path)


def _frames(path: Path) -> list[np.ndarray]:
    """Frames at even distances; what a foreground leaves open is paper."""
    with open_media(path) as container:
        stream = container.streams.video[0]
        count = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        mode = {"bgra": "rgba", "gray": "gray"}.get(stream.codec_context.pix_fmt, "rgb")
    found = video_file.pick(path, spread(np.arange(count), TILES), mode)
    if mode == "rgba":
        return [contact_sheets.cut_out(frame[..., :3], frame[..., 3]) for frame in found.values()]
    return [frame if mode == "rgb" else cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB) for frame in found.values()]


def _table(path: Path) -> list[np.ndarray]:
    """Poses as skeletons, faces as pictures with their vectors, other columns of numbers as curves."""
    schema = pq.read_schema(path)
    if schema.equals(parquet.POSES) or schema.equals(parquet.DRIVING):
        pose = read_poses(path)[0]
        points = pose.points(face=False)  # (T, 64, 3)
        points = points[..., :2][points[..., 2] > 0]
        side = 1.05 * float(points.max()) if len(points) else SIDE  # the frame's own is not told in the table
        return [skeleton.draw(pose[i], SIDE, SIDE / side, skeleton.DRAWN_PARTS)
                for i in spread(np.arange(len(pose)), TILES)]
    if schema.equals(parquet.FACES):
        index = FaceIndex.read(path)
        return [large(*real_face(index, i), SIDE) for i in spread(np.arange(len(index)), TILES)]
    numbers = [field.name for field in schema if pa.types.is_floating(field.type) and field.name != "seconds"]
    columns = {name: column.to_numpy() for name, column in zip(numbers, pq.read_table(path, columns=numbers).columns)}
    return [curve(name, values) for name, values in columns.items() if np.isfinite(values).any()]


def _plots(file: Path) -> list[np.ndarray]:
    values = np.loadtxt(file, skiprows=1, delimiter="\t", ndmin=2)[:, 1]
    return [curve(file.stem, values)] if np.isfinite(values).any() and np.nanmax(np.abs(values)) > 0 else []


def curve(name: str, values: np.ndarray) -> np.ndarray:
    """A line over the rows, from the least to the greatest value, both written beside it."""
    tile = np.full((SIDE, SIDE, 3), 255, np.uint8)
    known = np.flatnonzero(np.isfinite(values))
    if len(known):
        low, high = float(values[known].min()), float(values[known].max())
        x = 6 + (SIDE - 12) * known / max(1, len(values) - 1)
        y = SIDE - 24 - (SIDE - 64) * (values[known] - low) / max(high - low, 1e-12)
        cv2.polylines(tile, [np.stack([x, y], 1).round().astype(np.int32)], False, LINE, 1, cv2.LINE_AA)
        _write(tile, f"{high:.4g}", (6, 32), 0.36)
        _write(tile, f"{low:.4g}", (6, SIDE - 8), 0.36)
    _write(tile, name, (6, 16), 0.42)
    return tile


def _labelled(name: str, tiles: list[np.ndarray]) -> np.ndarray:
    """One picture as it is, several as tiles of rows, below their name."""
    rows = [tiles[i : i + TILES] for i in range(0, len(tiles), TILES)]
    row = tiles[0] if len(tiles) == 1 else contact_sheets.sheet(rows, SIDE, GAP)
    head = np.full((LABEL, max(row.shape[1], 8 * len(name)), 3), contact_sheets.PAPER, np.uint8)
    _write(head, name, (2, 15), 0.45)
    return stacked([head, row], 0)


def stacked(rows: list[np.ndarray], gap: int = 8) -> np.ndarray:
    """Pictures below each other on paper."""
    width = max(row.shape[1] for row in rows)
    canvas = np.full((sum(len(row) + gap for row in rows), width, 3), contact_sheets.PAPER, np.uint8)
    top = 0
    for row in rows:
        canvas[top : top + len(row), : row.shape[1]] = row
        top += len(row) + gap
    return canvas


def _write(picture: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
