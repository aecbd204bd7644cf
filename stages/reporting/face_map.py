"""The index of faces as a map of where they look, and the real faces that are nearest to the driving ones (Eq. 8)."""

from dataclasses import dataclass

import numpy as np

from stages.face import face_vectors
from stages.face.face_index import FaceIndex
from stages.imaging import contact_sheets
from stages.media.seek import SeekableVideo
from stages.pose.skeleton import Pose
from stages.reporting import html_page
from stages.reporting.report_inputs import Inputs, spread

COLUMNS, ROWS = 9, 5  # cells of the map
TILE, LARGE = 64, 132  # pixels of a face in the map, and in the list
DOTS = 240            # driving faces that are marked in the map
SHOWN = 3             # driving faces in the list, and real ones for each
EDGE = 1.0            # percentile of the orientations beyond which a face stands at the map's edge


@dataclass(frozen=True)
class Map:
    """Cells and dots in units of one cell, from the top left; x grows with the nose's way to the picture's right, y
    down."""

    cells: list[dict]  # column, row, count, picture, frame (of the target's video)
    dots: list[dict]   # x, y, frame (of the result), alone (no real face in its cell)
    alone: int         # driving faces in cells without a real one
    driving: int       # driving faces


def orientation(vectors: np.ndarray) -> np.ndarray:
    """Where faces look, (..., 5, 2) -> (..., 2): the nose, seen from between the eyes, in face sizes."""
    return vectors[..., 4, :]


def driving_faces(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """The frames whose pose has a whole face, and its vectors (n, 5, 2)."""
    frames = np.flatnonzero((pose.face[..., 2] > 0).all(-1))
    return frames, face_vectors.vectors(pose.face[frames, :, :2])


def chart(inputs: Inputs) -> Map | None:
    """None where the index is empty."""
    index = FaceIndex.read(inputs.paths["faces"])
    if not len(index):
        return None
    frames, vectors = driving_faces(inputs.driving)
    real, driven = orientation(index.vectors.astype(float)), orientation(vectors)
    low, high = np.percentile(np.concatenate([real, driven]), [EDGE, 100 - EDGE], axis=0)
    reach = np.maximum(high - low, 1e-6) / (COLUMNS, ROWS)
    last = np.array([COLUMNS, ROWS]) - 1e-6
    real, driven = (np.clip((spots - low) / reach, 0, last) for spots in (real, driven))
    cells = []
    for column, row in sorted({(int(x), int(y)) for x, y in real}):
        members = np.flatnonzero((real.astype(int) == (column, row)).all(1))
        middle = members[np.abs(real[members] - (column + 0.5, row + 0.5)).sum(1).argmin()]
        tile = contact_sheets.fit_tile(index.crop(middle), TILE)
        cells.append({"column": column, "row": row, "count": len(members), "frame": int(index.frames[middle]),
                      "picture": html_page.picture(tile)})
    taken = {(cell["column"], cell["row"]) for cell in cells}
    alone = np.array([(int(x), int(y)) not in taken for x, y in driven], bool)
    shown = spread(np.arange(len(frames)), DOTS) if len(frames) else []
    dots = [{"x": float(driven[i, 0]), "y": float(driven[i, 1]), "frame": int(frames[i]), "alone": bool(alone[i])}
            for i in shown]
    return Map(cells, dots, int(alone.sum()), len(frames))


def nearest(inputs: Inputs) -> list[dict]:
    """For a few driving frames that show a face: that face, and the real ones that look the same way."""
    index = FaceIndex.read(inputs.paths["faces"])
    frames, vectors = driving_faces(inputs.driving)
    if not len(index) or not len(frames):
        return []
    out, pose = [], inputs.poses("source")[0]
    places = spread(np.arange(len(frames)), SHOWN)
    with SeekableVideo(inputs.paths["source_frames"]) as source:
        pictures = [source[int(inputs.rows[frames[place]])] for place in places]
    for place, picture in zip(places, pictures):
        row = int(inputs.rows[frames[place]])
        points = pose.face[row, :, :2]
        order, similarity = face_vectors.most_similar(index.vectors, vectors[place], min(SHOWN, len(index)))
        crop, corner = contact_sheets.square_crop(picture, points.mean(0), 4 * np.abs(points - points.mean(0)).max())
        out.append({
            "frame": int(frames[place]), "picture": html_page.picture(large(crop, points - corner)),
            "found": [(int(index.frames[i]), float(alike), html_page.picture(large(*real_face(index, i))))
                      for i, alike in zip(order, similarity)],
        })
    return out


def large(crop: np.ndarray, points: np.ndarray, side: int = LARGE) -> np.ndarray:
    """A face in a tile, with its vectors drawn at the tile's size."""
    height, width = crop.shape[:2]
    scale = side / max(height, width)
    offset = (side - np.array([width, height]) * scale) / 2
    return contact_sheets.with_vectors(contact_sheets.fit_tile(crop, side), points * scale + offset)


def real_face(index: FaceIndex, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop i of the index, and its points in pixels of the crop."""
    crop = index.crop(i)
    left, top, right, _ = index.boxes[i]
    return crop, (index.points[i] - [left, top]) * crop.shape[1] / (right - left)
