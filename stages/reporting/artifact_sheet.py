"""Artifacts as one picture with a row for each, which `python -m pipeline inspect STAGE@KEY` shows."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.face.face_index import FaceIndex
from stages.imaging import contact_sheets
from stages.media import parquet, png, video_file
from stages.media.container import frame_count, open_media
from stages.media.pose_table import read_poses
from stages.media.sampling import evenly_spaced
from stages.pose import skeleton
from stages.reporting.face_map import face_tile, real_face

MAX_TILES = 8      # in a row, and of a video
TILE_SIDE = 176    # pixels
GAP = 3            # pixels between tiles
LABEL_HEIGHT = 22  # pixels above a row
TEXT_COLOUR, LINE_COLOUR = (60, 58, 55), (40, 110, 190)

Row = tuple[str, list[np.ndarray]]  # label, pictures


def artifact_sheet(paths: Iterable[Path]) -> np.ndarray | None:
    """The picture of artifacts (files or folders), RGB uint8; None if none of them exists or can be shown."""
    rows = [row for path in paths if path.exists() for row in _rows(path) if row[1]]
    return stack([_labelled(label, tiles) for label, tiles in rows]) if rows else None


def write(paths: Iterable[Path], file: Path) -> bool:
    """Writes the sheet as PNG. Returns False, and writes no file, if there is nothing to show."""
    picture = artifact_sheet(paths)
    if picture is None:
        return False
    png.write(file, picture)
    return True


def _rows(path: Path) -> Iterable[Row]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".png", ".parquet", ".tsv"))
        shown = [file for file in files if file.suffix == ".png"]
        shown = shown[:: max(1, len(shown) - 1)]  # the first and the last preview
        yield from ((f"{path}/{file.name}", [png.read(file)]) for file in shown)
        yield f"{path}: curves", [tile for file in files if file.suffix == ".tsv" for tile in _curve_tiles(file)]
    elif path.suffix in (".mkv", ".mp4"):
        yield str(path), _video_tiles(path)
    elif path.suffix == ".png":
        yield str(path), [png.read(path)]
    elif path.suffix == ".parquet":
        yield str(path), _table_tiles(path)


def _video_tiles(path: Path) -> list[np.ndarray]:
    """Evenly spaced frames; foregrounds are composited over a plain background."""
    with open_media(path) as container:
        stream = container.streams.video[0]
        count = frame_count(container)
        mode = {"bgra": "rgba", "gray": "gray"}.get(stream.codec_context.pix_fmt, "rgb")
    found = video_file.pick(path, evenly_spaced(np.arange(count), MAX_TILES), mode)
    if mode == "rgba":
        return [contact_sheets.cut_out(frame[..., :3], frame[..., 3]) for frame in found.values()]
    return [frame if mode == "rgb" else cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB) for frame in found.values()]


def _table_tiles(path: Path) -> list[np.ndarray]:
    """Poses as skeletons, faces as pictures with their orientation vectors, other columns of numbers as curves."""
    schema = pq.read_schema(path)
    if schema.equals(parquet.POSES) or schema.equals(parquet.DRIVING):
        pose = read_poses(path)[0]
        points = pose.points(face=False)  # (T, 64, 3)
        points = points[..., :2][points[..., 2] > 0]
        side = 1.05 * float(points.max()) if len(points) else TILE_SIDE  # the table does not contain the frame's size
        return [skeleton.draw(pose[i], TILE_SIDE, TILE_SIDE / side, skeleton.DRAWN_PARTS)
                for i in evenly_spaced(np.arange(len(pose)), MAX_TILES)]
    if schema.equals(parquet.FACES):
        index = FaceIndex.read(path)
        return [face_tile(*real_face(index, i), TILE_SIDE) for i in evenly_spaced(np.arange(len(index)), MAX_TILES)]
    numbers = [field.name for field in schema if pa.types.is_floating(field.type) and field.name != "seconds"]
    columns = {name: column.to_numpy() for name, column in zip(numbers, pq.read_table(path, columns=numbers).columns)}
    return [curve_tile(name, values) for name, values in columns.items() if np.isfinite(values).any()]


def _curve_tiles(file: Path) -> list[np.ndarray]:
    values = np.loadtxt(file, skiprows=1, delimiter="\t", ndmin=2)[:, 1]
    return [curve_tile(file.stem, values)] if np.isfinite(values).any() and np.nanmax(np.abs(values)) > 0 else []


def curve_tile(name: str, values: np.ndarray) -> np.ndarray:
    """A line plot of the values (n,), with their minimum and maximum as text."""
    tile = np.full((TILE_SIDE, TILE_SIDE, 3), 255, np.uint8)
    known = np.flatnonzero(np.isfinite(values))
    if len(known):
        low, high = float(values[known].min()), float(values[known].max())
        x = 6 + (TILE_SIDE - 12) * known / max(1, len(values) - 1)
        y = TILE_SIDE - 24 - (TILE_SIDE - 64) * (values[known] - low) / max(high - low, 1e-12)
        cv2.polylines(tile, [np.stack([x, y], 1).round().astype(np.int32)], False, LINE_COLOUR, 1, cv2.LINE_AA)
        _draw_text(tile, f"{high:.4g}", (6, 32), 0.36)
        _draw_text(tile, f"{low:.4g}", (6, TILE_SIDE - 8), 0.36)
    _draw_text(tile, name, (6, 16), 0.42)
    return tile


def _labelled(label: str, tiles: list[np.ndarray]) -> np.ndarray:
    """A single picture at its own size, or several as tiles, below a label."""
    rows = [tiles[i : i + MAX_TILES] for i in range(0, len(tiles), MAX_TILES)]
    row = tiles[0] if len(tiles) == 1 else contact_sheets.sheet(rows, TILE_SIDE, GAP)
    head = np.full((LABEL_HEIGHT, max(row.shape[1], 8 * len(label)), 3), contact_sheets.PAPER, np.uint8)
    _draw_text(head, label, (2, 15), 0.45)
    return stack([head, row], 0)


def stack(rows: list[np.ndarray], gap: int = 8) -> np.ndarray:
    """Pictures below each other on a plain background."""
    width = max(row.shape[1] for row in rows)
    canvas = np.full((sum(len(row) + gap for row in rows), width, 3), contact_sheets.PAPER, np.uint8)
    top = 0
    for row in rows:
        canvas[top : top + len(row), : row.shape[1]] = row
        top += len(row) + gap
    return canvas


def _draw_text(picture: np.ndarray, text: str, origin: tuple[int, int], size: float) -> None:
    cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, TEXT_COLOUR, 1, cv2.LINE_AA)
