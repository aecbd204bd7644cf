"""Importing a folder of clips into params.yaml."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.datasets import folder
from stages import InputError, params
from stages.consent import Consent
from stages.media import takes, video_file

ROOT = Path(__file__).parents[3]
RECORD = ("all who are in it", "2026-11-22", "research", "the data set's licence: yes")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The repository's own params.yaml, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def images(folder: Path, numbers, size=(24, 32), kind="jpg", digits=3) -> Path:
    """Images (height, width), numbered."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        cv2.imwrite(str(folder / f"{i:0{digits}d}.{kind}"), np.full((*size, 3), i % 256, np.uint8))
    return folder


def film(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with video_file.h264(path, 25.0, 20, {}) as add:
        for i in range(4):
            add(np.full((32, 32, 3), 40 * i, np.uint8))
    return path


def run(monkeypatch, capsys, *arguments) -> tuple[int, str]:
    """Runs `python -m pipeline import`. Returns the exit code, and the output or the error."""
    monkeypatch.setattr(sys, "argv", ["pipeline", "import", *map(str, arguments)])
    failed = main()
    out, error = capsys.readouterr()
    return failed, error if failed else out


def test_a_folder_of_clips(here, monkeypatch, capsys):
    """A video, a folder of images (as in ComplexMotion), and a folder with two takes."""
    film(here / "clips/Ana dances (1).mp4")
    images(here / "clips/2024_Bó", range(5))
    for take in ("1", "2"):
        images(here / "clips/cleo" / take, range(3))
    failed, message = run(monkeypatch, capsys, "folder", "clips", "--preset", "demo")
    assert not failed and "3 of 3 people are new, with 3 videos and 3 transfers" in message and "`consent`" in message
    config = params.load()
    files = {"ana_dances_1": "clips/Ana dances (1).mp4", "clip_2024_bo": "clips/2024_Bó", "cleo": "clips/cleo"}
    for name, file in files.items():
        assert (config.videos[name].file, config.videos[name].preset) == (file, "demo")
        assert len(takes.open_takes(file, None).takes) == (2 if name == "cleo" else 1)
        transfer = config.transfers[f"{name}_from_{name}"]
        assert transfer.reconstruction and transfer.truth == file and config.subjects[name].preset == "demo"
        with pytest.raises(InputError, match=f"subjects.{name} has no consent"):
            config.subjects[name].require_consent(name)
    before = (here / "params.yaml").read_text()
    failed, message = run(monkeypatch, capsys, "folder", "clips", "--preset", "demo")
    assert not failed and "0 of 3 people are new" in message and "`consent` of 3 of them" in message
    assert (here / "params.yaml").read_text() == before


def test_consent_is_written_for_all(here, monkeypatch, capsys):
    images(here / "clips/a", range(3)), images(here / "clips/b", range(3))
    failed, message = run(monkeypatch, capsys, "folder", "clips", "--preset", "demo", "--consent", *RECORD)
    config = params.load()
    assert not failed and "consent" not in message
    assert [config.subjects[name].consent.scope for name in "ab"] == [RECORD[2]] * 2


def test_a_second_import_keeps_the_users_changes(here, monkeypatch, capsys):
    images(here / "clips/a", range(3)), images(here / "clips/b", range(3))
    assert not run(monkeypatch, capsys, "folder", "clips", "--preset", "demo")[0]
    text = (here / "params.yaml").read_text()
    text = text.replace("  a: {preset: demo}", "  a: {preset: paper, consent: synthetic}")
    text = text.replace("file: clips/b,", "file: clips/b, end: 0.1,")
    (here / "params.yaml").write_text(text)
    images(here / "clips/c", range(3))
    failed, message = run(monkeypatch, capsys, "folder", "clips", "--preset", "demo", "--consent", *RECORD)
    config = params.load()
    assert not failed and "1 of 3 people are new" in message and "`consent` of 1 of them" in message
    assert [config.subjects[name].consent for name in "abc"] == ["synthetic", None, Consent(**dict(zip(folder.CONSENT_FIELDS, RECORD)))]
    assert config.subjects["a"].preset == "paper" and config.videos["b"].end == 0.1


def test_unusable_clips_are_reported_and_the_others_imported(here, monkeypatch, capsys):
    images(here / "clips/whole", range(3))
    (here / "clips/notes.txt").write_text("not a video")
    (here / "clips/text.mp4").write_text("not a video either\n" * 99)
    (here / "clips/nothing").mkdir()
    film(here / "clips/A b.mp4"), film(here / "clips/a-b.mov"), film(here / "clips/日本.mp4")
    images(images(here / "clips/sizes", range(3)), [3], (48, 32))
    (images(here / "clips/broken", range(3)) / "001.jpg").write_bytes(b"no image")
    images(here / "clips/takes/1", range(3)), images(here / "clips/takes/2", range(3), (24, 40))
    failed, message = run(monkeypatch, capsys, "folder", "clips", "--preset", "demo")
    lines = message.partition("left out:\n")[2].partition("missing:")[0].splitlines()
    wanted = ["notes.txt: neither a folder nor", "clips/text.mp4: not a video", "clips/nothing: no images",
              "A b.mp4, a-b.mov: all would get the name a_b", "日本.mp4: no Latin letter", "sizes/003.jpg: 32 x 48, but",
              "broken/001.jpg: not a readable image", "takes/2/000.jpg: 40 x 24, but clips/takes/1/000.jpg 32 x 24"]
    assert not failed and len(lines) == len(wanted) and "1 of 1 people are new" in message
    assert [text for text in wanted if not any(text in line for line in lines)] == []
    assert set(params.load().subjects) == {"ava", "whole"}


@pytest.mark.parametrize("make, arguments, message", [
    (lambda clips: None, [], "clips: no such folder"),
    (lambda clips: clips.mkdir(), [], "clips: no clip can be imported"),
    (lambda clips: (clips / "a").mkdir(parents=True), [], "no clip can be imported:\n  clips/a: no images"),
    (lambda clips: images(clips, range(3)), [], "clips: has images itself; expected"),
    (lambda clips: images(clips / "a", range(3)), ["--preset", "worst"], "no preset `worst`; there are demo"),
    (lambda clips: images(clips / "ava", range(3)), [], "videos.ava: exists already with other values"),
    (lambda clips: images(clips / "tables", range(3)), [], "videos.tables: the name is taken"),
])
def test_without_a_usable_clip_nothing_changes(here, monkeypatch, capsys, make, arguments, message):
    make(here / "clips")
    before = (here / "params.yaml").read_bytes()
    with pytest.raises(InputError, match=message):
        raise InputError(run(monkeypatch, capsys, "folder", "clips", *arguments)[1])
    assert (here / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("text, name", [
    ("Ana", "ana"), ("Ana dances (1)", "ana_dances_1"), ("7", "clip_7"), ("Zoë-Élise", "zoe_elise"), ("日本", ""),
    ("a" * 60, "a" * 20), ("__x__", "x"), ("one two three four five", "one_two_three_four_f"),
])
def test_names(text, name):
    assert folder.to_name(text) == name
    assert len(f"{name}_from_{name}") <= 48


def test_files_outside_the_project_get_absolute_paths(here, tmp_path_factory, monkeypatch, capsys):
    away = tmp_path_factory.mktemp("away")
    images(away / "a", range(3))
    assert not run(monkeypatch, capsys, "folder", away, "--preset", "demo")[0]
    assert params.load().videos["a"].file == str(away / "a")
