"""Previews of what each stage wrote, for the drawn figure."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages import InputError, layout, params
from stages.imaging import contact_sheets
from stages.media import parquet, png, video_file
from stages.reporting import previews
from tests.conftest import FRAMES, SIZE

ROOT = Path(__file__).parents[3]
KEYS = {"videos": "ava", "subjects": "ava", "transfers": "ava_from_ben"}


@pytest.fixture(scope="module")
def made(subject, tmp_path_factory) -> Path:
    """A project in which the figure is ava, and ben; what it has no file of is made up."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    for key in ("ava", "ben"):
        (folder / f"artifacts/{key}").mkdir(parents=True)
        for path in subject.values():
            shutil.copy(path, folder / f"artifacts/{key}")
    ava, transfer = folder / "artifacts/ava", folder / "artifacts/ava_from_ben"
    columns, about = parquet.read(ava / "frames.parquet", parquet.TIMELINE)
    parquet.write(ava / "frames.parquet", parquet.TIMELINE, columns, about | {"size": SIZE})
    seen = np.full((SIZE, SIZE), 255, np.uint8)
    seen[:, : SIZE // 2] = 0
    png.write(ava / "background_seen.png", seen)
    for step, shade in ((100, 10), (200, 250)):
        png.write(ava / f"generator/preview_{step:06d}.png", np.full((9, 9, 3), shade, np.uint8))
    transfer.mkdir()
    shutil.copy(subject["poses"], transfer / "driving.parquet")
    frames, masks = (list(video_file.frames(subject[name], mode))
                     for name, mode in (("frames", "rgb"), ("masks", "gray")))
    with video_file.lossless(transfer / "foreground.mkv", 8.0, "rgba") as add:
        for frame, mask in zip(frames, masks):
            add(np.dstack([frame, mask]))
    return folder


@pytest.fixture
def config(made, monkeypatch) -> params.Params:
    monkeypatch.chdir(made)
    return params.load()


def shown(config, stage: str) -> np.ndarray:
    return previews.preview(stage, KEYS[layout.KINDS[stage]], config)[1]


def tiles(sheet: np.ndarray) -> list[np.ndarray]:
    """The six pictures of a sheet, at the figure's own size."""
    edges = np.linspace(0, sheet.shape[1], previews.COLUMNS + 1).round().astype(int)
    return [cv2.resize(sheet[:, a:b], (SIZE, SIZE), interpolation=cv2.INTER_AREA) for a, b in zip(edges, edges[1:])]


def near(picture: np.ndarray, other: np.ndarray) -> bool:
    return np.abs(picture.astype(float) - other).mean() < 8


def test_frames_are_spread_over_the_video(config, subject):
    frames = list(video_file.frames(subject["frames"]))
    picks = np.linspace(0, FRAMES - 1, 6).round().astype(int)
    for i, tile in zip(picks, tiles(shown(config, "frames"))):
        assert near(tile, frames[i]) and np.argmin([np.abs(tile.astype(float) - frame).mean() for frame in frames]) == i


def test_poses_are_drawn_over_darkened_frames(config, subject):
    frame, tile = next(video_file.frames(subject["frames"])), tiles(shown(config, "pose_extraction"))[0]
    alpha = next(video_file.frames(subject["masks"], "gray"))
    outside = cv2.dilate(alpha, np.ones((15, 15))) == 0
    assert np.abs(tile[outside] - 0.75 * frame[outside]).mean() < 6
    colourful = np.ptp(tile.astype(int), axis=-1)  # the joints' colours are; the wall is nearly grey
    assert colourful[alpha > 0].mean() > 2 * colourful[outside].mean()


@pytest.mark.parametrize("stage, row", [("mask_segmentation", 0), ("fusion", 1)])
def test_the_person_is_cut_out(config, subject, stage, row):
    sheet = shown(config, stage)
    side = sheet.shape[1] // previews.COLUMNS
    alpha, tile = next(video_file.frames(subject["masks"], "gray")), tiles(sheet[row * side :][:side])[0]
    outside = cv2.dilate(alpha, np.ones((5, 5))) == 0
    assert np.abs(tile[outside].astype(int) - contact_sheets.PAPER).max() < 12
    assert np.abs(tile[alpha > 0].astype(int) - contact_sheets.PAPER).mean() > 60


def test_unseen_background_is_red(config, subject):
    sheet, plate = shown(config, "background_inpainting"), png.read(subject["background"])
    left, right = (cv2.resize(half, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
                   for half in (sheet[:, :350], sheet[:, -350:]))
    assert near(left, plate) and near(right[:, SIZE // 2 + 2 :], plate[:, SIZE // 2 + 2 :])
    unseen = right[:, : SIZE // 2 - 2].reshape(-1, 3).mean(0)
    assert unseen[0] > unseen[1] + 60 and unseen[0] > unseen[2] + 60


def test_the_last_picture_of_a_training(config):
    assert shown(config, "generator_training").mean() == 250


def test_stages_without_a_preview(config):
    assert previews.preview("metrics", "ava_from_ben", config) is None
    assert previews.preview("report", "ava_from_ben", config) is None


def test_the_command(made):
    """As the studio runs it."""
    (made / "out.jpg").unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "stages.reporting.previews", "frames@ava", "out.jpg"]
    done = subprocess.run(command, cwd=made, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "frames\n", "")
    assert cv2.imread(str(made / "out.jpg")).shape[1] == previews.MAX_WIDTH


def test_output_of_the_command_without_a_preview(config, tmp_path, monkeypatch, capsys):
    """No file for stages without figures; an error if the figure cannot be drawn."""

    def run(address: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["previews", address, str(tmp_path / "out.jpg")])
        return previews.main(), *capsys.readouterr()

    assert run("metrics@ava_from_ben") == (0, "", "") and not (tmp_path / "out.jpg").exists()
    assert run("local_gan_training@ava") == (1, "", "there is nothing to show\n")
    assert run("frames")[0] == 2


def test_no_face_is_an_error(config, made):
    parquet.write(made / "artifacts/ava/faces.parquet", parquet.FACES, {name: [] for name in parquet.FACES.names})
    with pytest.raises(InputError, match="there is nothing to show"):
        shown(config, "face_vector_indexing")
