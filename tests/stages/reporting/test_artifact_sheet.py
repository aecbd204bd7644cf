"""Sheets of artifacts: every kind has its row."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import layout
from stages.media import png
from stages.reporting import artifact_sheet
from tests.stages import toy


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    toy.write_all(folder)
    return folder


@pytest.mark.parametrize("stage, key, kinds", [
    ("frames", "ann", 1), ("pose_extraction", "ann", 1), ("mask_segmentation", "ann", 1),
    ("background_inpainting", "ann", 2), ("face_vector_indexing", "ann", 1), ("generator_training", "ann", 2),
    ("retargeting", "ann_from_bob", 1), ("fusion", "ann_from_bob", 1),
])
def test_every_stage_has_a_picture(root, stage, key, kinds):
    paths = [root / path for path in layout.outputs(stage, key).values()]
    rows = [row for path in paths if path.exists() for row in artifact_sheet._rows(path) if row[1]]
    assert len(rows) >= kinds
    picture = artifact_sheet.artifact_sheet(paths)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert len(picture) >= sum(artifact_sheet.LABEL_HEIGHT + 8 for _ in rows) and np.unique(picture).size > 10


def test_skeletons_fit_into_their_tiles(root):
    """No limb is cut off at the edge of its tile."""
    for tile in artifact_sheet._table_tiles(root / layout.outputs("pose_extraction", "ann")["poses"]):
        assert tile.any() and not tile[-1].any() and not tile[:, -1].any()


def test_a_curve_rises_with_its_values():
    rising = artifact_sheet.curve_tile("", np.linspace(0, 1, 50))
    ink = rising[40:-20].min(-1) < 200  # between the two numbers
    columns = [int(np.flatnonzero(ink[:, x]).mean()) for x in range(20, 160, 20) if ink[:, x].any()]
    assert len(columns) > 4 and columns == sorted(columns, reverse=True)


def test_every_curve_with_a_value_is_shown(tmp_path):
    columns = {f"score_{i}": [0.0, 1.0 + i, 0.5] for i in range(11)} | {"frame": [0, 1, 2], "psnr": [np.nan] * 3}
    pq.write_table(pa.table(columns), tmp_path / "per_frame.parquet")
    assert len(artifact_sheet._table_tiles(tmp_path / "per_frame.parquet")) == 11
    assert len(artifact_sheet.artifact_sheet([tmp_path / "per_frame.parquet"])) > 2 * artifact_sheet.TILE_SIDE


def test_the_first_and_last_previews_of_a_training_are_shown(tmp_path):
    for step in (100, 200, 300):
        png.write(tmp_path / f"preview_{step:06d}.png", np.full((9, 9, 3), 200, np.uint8))
    shown = [name.rpartition("/")[2] for name, tiles in artifact_sheet._rows(tmp_path) if tiles]
    assert shown == ["preview_000100.png", "preview_000300.png"]


def test_no_file_is_written_if_there_is_nothing_to_show(tmp_path):
    assert not artifact_sheet.write([tmp_path / "none.mkv"], tmp_path / "a.png") and not (tmp_path / "a.png").exists()
    png.write(tmp_path / "one.png", np.full((9, 9, 3), 200, np.uint8))
    assert artifact_sheet.write([tmp_path / "one.png"], tmp_path / "a.png") and (tmp_path / "a.png").exists()
