"""What `inspect` and the end of a run print about known artifacts."""

import json
import math
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import inspect
from stages import InputError, params
from stages.media import parquet, video_file


def test_frames_rows_and_columns(project):
    with video_file.lossless("artifacts/ava/frames.mkv", fps=25.0) as append:
        for level in (0, 100, 200):
            append(np.full((48, 64, 3), level, np.uint8))
    columns = {"frame": [0, 1, 2], "seconds": [0.0, 0.04, 0.08], "split": ["train", "gap", "test"], "take": [0] * 3}
    parquet.write("artifacts/ava/frames.parquet", parquet.TIMELINE, columns, about={"fps": 25.0})
    shutil.rmtree("artifacts/ava/generator", ignore_errors=True)
    for name in ("full_frames.mkv", "view.parquet"):
        (project.folder / "artifacts/ava" / name).unlink()
    message = inspect.describe(params.load(), "frames@ava")
    for words in ("3 frames of 64 x 48, 25 fps, ffv1", "3 rows", "seconds: double", "fps = 25.0", "missing"):
        assert words in message


def test_inspect_lists_a_folder_file_by_file(project):
    folder = project.folder / "artifacts/ava/generator"
    folder.unlink()
    (folder / "previews").mkdir(parents=True)
    (folder / "log.json").write_text('{"loss": [1], "steps": [0]}')
    (folder / "previews/000.bin").write_bytes(bytes(1500))
    message = inspect.describe(params.load(), "generator_training@ava")
    assert re.search("artifacts/ava/generator/previews/000.bin +1.5 kB", message) and "loss, steps" in message
    curve = project.folder / "artifacts/ava/generator_plots/l1.tsv"
    curve.write_text("step\tl1\n5\t0.4\n10\t0.1\n")
    assert "0.4 .. 0.1  █▃" in inspect.describe(params.load(), "generator_training@ava")


@pytest.mark.parametrize("losses, message", [
    ([8.0, 6.0, 4.0, 2.0, 0.0], "8 .. 0  █▇▅▃▁"), ([0.0, 0.0], "not used"), ([math.nan, math.nan], "not used"),
    ([math.nan, 1.0], "1 .. 1  █"), ([2.0] * 64 + [1.0] * 64, f"2 .. 1  {'█' * 16}{'▅' * 16}"),
    ([-1.0, 1.0], "-1 .. 1  ▁█"),
])
def test_sparkline(losses, message):
    assert inspect.sparkline(losses) == message


def test_losses_are_shown_as_sparklines(project):
    (project.folder / "artifacts/ava/generator").unlink()
    log = pa.table({"step": [1, 2], "l1": pa.array([0.4, 0.1], pa.float32()), "gw": pa.array([0.0, 0.0], pa.float32())})
    (project.folder / "artifacts/ava/generator").mkdir()
    pq.write_table(log, project.folder / "artifacts/ava/generator/log.parquet")
    message = inspect.describe(params.load(), "generator_training@ava")
    assert "l1: 0.4 .. 0.1  █▃" in message and "gw: not used" in message and "step:" not in message


def test_an_unreadable_file_is_named(project):
    points = np.zeros((2, 10), np.float32)
    columns = {"frame": [0, 1], "points": points, "vectors": points, "box": points[:, :4], "crop": [b"", b""]}
    parquet.write("artifacts/ava/faces.parquet", parquet.FACES, columns)
    assert "box: 4 float" in inspect.describe(params.load(), "face_vector_indexing@ava")
    with pytest.raises(InputError, match="artifacts/ava/poses.parquet: cannot be read"):
        inspect.describe(params.load(), "pose_extraction@ava")


def test_show_sheet_opens_the_page_of_a_report(project, monkeypatch):
    asked = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or True)
    assert inspect.show_sheet("report@ava_from_ben") == "page: artifacts/ava_from_ben/report.html, opened"
    assert asked == [(project.folder / "artifacts/ava_from_ben/report.html").as_uri()]
    (project.folder / "artifacts/ava_from_ben/report.html").unlink()
    assert inspect.show_sheet("report@ava_from_ben") == "no picture: none of the outputs can be drawn"


def test_summary_has_headline_scores_units_and_reasons(project):
    score = lambda value, unit=None: {"value": value, "unit": unit, "reason": "no weights" if value is None else None}
    figures = {"ssim": score(0.9), "video_ssim": score(0.8), "psnr": score(26.1234, "dB"), "fid": score(7.0),
               "video_psnr": score(24.0, "dB"), "lpips": score(None), "lpips_face": score(None)}
    content = {"metrics": figures, "headline": ["lpips", "psnr", "lpips_face", "ssim"]}
    (project.folder / "artifacts/ava_from_ben/metrics.json").write_text(json.dumps(content))
    lines = inspect.summary("ava_from_ben").split("\n")
    assert [line.split() for line in lines[4:]] == [
        ["score", "video.mp4", "generated"], ["psnr", "24", "dB", "26.12", "dB"], ["ssim", "0.8", "0.9"],
        ["not", "measured:", "lpips,", "lpips_face:", "no", "weights"]]
