"""The index of faces as a map by orientation, and the training faces that are nearest to driving faces (Eq. 8)."""

from dataclasses import dataclass

import numpy as np

from stages.face import face_vectors
from stages.face.face_index import FaceIndex
from stages.imaging import contact_sheets
from stages.media.sampling import evenly_spaced
from stages.media.seek import SeekableVideo
from stages.pose.skeleton import Pose
from stages.reporting import html_page
from stages.reporting.report_inputs import ReportInputs

COLUMNS, ROWS = 9, 5              # cells of the map
CELL_SIDE, LISTED_SIDE = 64, 132  # pixels of a face in the map, and in the list
MAX_DOTS = 240                    # driving faces that are marked in the map
LISTED_FACES = 3                  # driving faces in the list, and training faces for each
EDGE_PERCENTILE = 1.0             # orientations beyond it are placed at the edge of the map


@dataclass(frozen=True)
class FaceMap:
    """Coordinates are in cells from the top left; x grows as the nose points to the picture's right, y as it points
    down."""

    cells: list[dict]  # column, row, count, picture, frame (of the target's video)
    dots: list[dict]   # x, y, frame (of the result), unmatched (no training face in its cell)
    unmatched: int         # driving faces in cells without a training face
    driving: int       # driving faces


def orientation(vectors: np.ndarray) -> np.ndarray:
    """Where faces point, (..., 5, 2) -> (..., 2): from between the eyes to the nose, in face sizes."""
    return vectors[..., 4, :]


def driving_faces(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """The frames whose pose contains all points of the face, and their orientation vectors (n, 5, 2)."""
    frames = np.flatnonzero((pose.face[..., 2] > 0).all(-1))
    return frames, face_vectors.vectors(pose.face[frames, :, :2])


def face_map(inputs: ReportInputs) -> FaceMap | None:
    """None if the index is empty."""
    index = FaceIndex.read(inputs.paths["faces"])
    if not len(index):
        return None
    frames, vectors = driving_faces(inputs.driving)
    training, driving = orientation(index.vectors.astype(float)), orientation(vectors)
    low, high = np.percentile(np.concatenate([training, driving]), [EDGE_PERCENTILE, 100 - EDGE_PERCENTILE], axis=0)
    cell_size = np.maximum(high - low, 1e-6) / (COLUMNS, ROWS)
    last = np.array([COLUMNS, ROWS]) - 1e-6
    training, driving = (np.clip((points - low) / cell_size, 0, last) for points in (training, driving))
    cells = []
    for column, row in sorted({(int(x), int(y)) for x, y in training}):
        members = np.flatnonzero((training.astype(int) == (column, row)).all(1))
        central = members[np.abs(training[members] - (column + 0.5, row + 0.5)).sum(1).argmin()]
        tile = contact_sheets.fit_tile(index.crop(central), CELL_SIDE)
        cells.append({"column": column, "row": row, "count": len(members), "frame": int(index.frames[central]),
                      "picture": html_page.jpeg_url(tile)})
    occupied = {(cell["column"], cell["row"]) for cell in cells}
    unmatched = np.array([(int(x), int(y)) not in occupied for x, y in driving], bool)
    marked = evenly_spaced(np.arange(len(frames)), MAX_DOTS) if len(frames) else []
    dots = [{"x": float(driving[i, 0]), "y": float(driving[i, 1]), "frame": int(frames[i]),
             "unmatched": bool(unmatched[i])} for i in marked]
    return FaceMap(cells, dots, int(unmatched.sum()), len(frames))


def nearest(inputs: ReportInputs) -> list[dict]:
    """For a few driving faces their picture and the training faces with the most similar orientation."""
    index = FaceIndex.read(inputs.paths["faces"])
    frames, vectors = driving_faces(inputs.driving)
    if not len(index) or not len(frames):
        return []
    out, pose = [], inputs.poses("source")[0]
    sample = evenly_spaced(np.arange(len(frames)), LISTED_FACES)
    with SeekableVideo(inputs.paths["source_frames"]) as source:
        pictures = [source[int(inputs.source_frames[frames[i]])] for i in sample]
    for i, picture in zip(sample, pictures):
        row = int(inputs.source_frames[frames[i]])
        points = pose.face[row, :, :2]
        order, similarities = face_vectors.most_similar(index.vectors, vectors[i], min(LISTED_FACES, len(index)))
        crop, corner = contact_sheets.square_crop(picture, points.mean(0), 4 * np.abs(points - points.mean(0)).max())
        out.append({
            "frame": int(frames[i]), "picture": html_page.jpeg_url(face_tile(crop, points - corner)),
            "found": [(int(index.frames[j]), float(similarity), html_page.jpeg_url(face_tile(*real_face(index, j))))
                      for j, similarity in zip(order, similarities)],
        })
    return out


def face_tile(crop: np.ndarray, points: np.ndarray, side: int = LISTED_SIDE) -> np.ndarray:
    """A crop of a face as a tile (side, side, 3), with its orientation vectors; points (5, 2) in pixels of the crop."""
    height, width = crop.shape[:2]
    scale = side / max(height, width)
    offset = (side - np.array([width, height]) * scale) / 2
    return contact_sheets.with_vectors(contact_sheets.fit_tile(crop, side), points * scale + offset)


def real_face(index: FaceIndex, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop i of the index, and its points (5, 2) in pixels of the crop."""
    crop = index.crop(i)
    left, top, right, _ = index.boxes[i]
    return crop, (index.points[i] - [left, top]) * crop.shape[1] / (right - left)
