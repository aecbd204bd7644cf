"""The map of faces with known orientations."""

import shutil

import cv2
import numpy as np
import pytest

from stages.face import face_vectors
from stages.media import parquet
from stages.reporting import face_map
from tests.stages.reporting import made

FRONT = np.float32([[-2, -2], [2, -2], [1.5, 2], [-1.5, 2], [0, 0]])  # right eye, left eye, mouth corners, nose


def turned(across: float, down: float = 0.0) -> np.ndarray:
    """A face whose nose points there, (5, 2) pixels."""
    return FRONT + np.float32([[0, 0]] * 4 + [[across, down]])


@pytest.fixture
def project(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def write(project, real, driven) -> None:
    """real, driven: orientations (across, down) of the index's and of the driving faces, in pixels."""
    points = np.stack([turned(*spot) for spot in real]) + 30
    crops = [cv2.imencode(".png", np.full((24, 24, 3), 9 * i, np.uint8))[1].tobytes() for i in range(len(real))]
    parquet.write(project / "artifacts/ann/faces.parquet", parquet.FACES, {
        "frame": np.arange(len(real)), "points": points, "vectors": face_vectors.vectors(points),
        "box": np.tile([18, 18, 42, 42], (len(real), 1)), "crop": crops,
    })
    path = project / "artifacts/ann_from_bob/driving.parquet"
    columns, about = parquet.read(path, parquet.DRIVING)
    face = columns["face"].reshape(40, 5, 3).copy()
    face[..., 2] = 0
    for t, spot in enumerate(driven):
        face[t] = np.column_stack([turned(*spot) + 30, np.ones(5)])
    parquet.write(path, parquet.DRIVING, columns | {"face": face}, about)


def test_faces_are_placed_by_orientation(project):
    write(project, [(-2, 0), (-2, 0.01), (2, 0), (0, -1), (0, 1)], [(-2, 0), (2, 1)])
    chart = face_map.face_map(made.inputs(project, "ann_from_bob"))
    places = {(cell["column"], cell["row"]): cell["count"] for cell in chart.cells}
    last, low = face_map.COLUMNS - 1, face_map.ROWS - 1
    assert places == {(0, low // 2): 2, (last, low // 2): 1, (last // 2, 0): 1, (last // 2, low): 1}
    unmatched = [dot["unmatched"] for dot in chart.dots]
    assert unmatched == [False, True] and (chart.unmatched, chart.driving) == (1, 2)
    assert chart.dots[0]["x"] < 1 and chart.dots[1]["x"] > last and chart.dots[1]["y"] > low


def test_without_driving_faces_the_map_shows_training_faces(project):
    write(project, [(0, 0), (1, 1)], [])
    inputs = made.inputs(project, "ann_from_bob")
    chart = face_map.face_map(inputs)
    assert len(chart.cells) == 2 and chart.dots == [] and face_map.nearest(inputs) == []


def test_nearest_faces_have_the_same_orientation(project):
    write(project, [(-2, 0), (2, 0), (0, -1), (0, 1)], [(1.9, 0), (0, 0.9)])
    found = face_map.nearest(made.inputs(project, "ann_from_bob"))
    assert [(face["frame"], face["found"][0][0]) for face in found] == [(0, 1), (1, 3)]
    assert all(first[1] >= second[1] for face in found for first, second in zip(face["found"], face["found"][1:]))
