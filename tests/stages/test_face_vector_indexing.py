"""The face index of a rendered stranger, and of a person without a visible face."""

import cv2
import numpy as np
import pytest

from stages import face_vector_indexing
from stages.face import face_vectors
from stages.media import parquet
from stages.pose.skeleton import Pose


@pytest.fixture
def index(tmp_path, lossless, config):
    def index(pictures, pose: Pose, training: int):
        count = len(pictures)
        parquet.write(tmp_path / "timeline.parquet", parquet.TIMELINE, {
            "frame": np.arange(count), "seconds": np.arange(count) / 25,
            "split": ["train"] * training + ["test"] * (count - training),
            "take": [0] * count}, {"fps": 25.0, "file": "wave.mp4"})
        parquet.write(tmp_path / "poses.parquet", parquet.POSES, pose.columns() | {
            "frame": np.arange(count), "detected": [True] * count, "interpolated": [False] * count,
            "people": [1] * count})
        face_vector_indexing.run(
            frames=lossless("frames.mkv", pictures), timeline=tmp_path / "timeline.parquet",
            poses=tmp_path / "poses.parquet", faces=tmp_path / "faces.parquet",
            params=config.presets["demo"].face_vector_indexing)
        return parquet.read(tmp_path / "faces.parquet", parquet.FACES)
    return index


def test_faces_of_training_frames_are_indexed(stranger, index):
    pose = stranger.pose.map(np.copy)
    pose.face[2, 0, 2] = 0.2  # an eye that is not sure
    faces, about = index(stranger.pictures, pose, 12)
    assert faces["frame"].tolist() == [0, 1, *range(3, 12)] and about["reason"] is None
    points = faces["points"].reshape(-1, 5, 2)
    assert np.allclose(faces["vectors"].reshape(-1, 5, 2), face_vectors.vectors(points), atol=1e-5)
    for row in (0, 5):
        left, top, right, bottom = faces["box"][row]
        crop = cv2.imdecode(np.frombuffer(faces["crop"][row], np.uint8), cv2.IMREAD_COLOR)
        assert crop.shape[0] == crop.shape[1] and right - left == pytest.approx(bottom - top)
        scale = crop.shape[0] / (right - left)
        x, y = ((points[row, 4] - (left, top)) * scale).astype(int)
        fx, fy = points[row, 4].astype(int)
        assert np.abs(crop[y, x, ::-1].astype(int) - stranger.pictures[faces["frame"][row]][fy, fx]).max() < 25


def test_without_a_face_the_table_is_empty_and_gives_the_reason(stranger, index, capsys):
    pose = stranger.pose.map(np.copy)
    pose.face[:12] = [np.nan, np.nan, 0]
    faces, about = index(stranger.pictures, pose, 12)
    assert len(faces["frame"]) == 0
    assert "no face is visible in any of 12 training frames" in about["reason"]
    assert "skipped" in capsys.readouterr().out
