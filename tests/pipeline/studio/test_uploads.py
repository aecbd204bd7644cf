"""Uploads: their content counts, not their names, and they are stored under a safe name."""

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.params_editor import Entry, add
from pipeline.studio import uploads
from stages import InputError, params
from stages.media import png, video_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A project with the repository's own params.yaml, and in it a folder for uploads."""
    (tmp_path / "project/dropped").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    return Path("dropped")


def film(path: Path, shade: int = 0) -> Path:
    with video_file.h264(path.with_suffix(".mp4"), 25.0, 20, {}) as add_frame:
        for i in range(4):
            add_frame(np.full((32, 32, 3), shade + 40 * i, np.uint8))
    return path.with_suffix(".mp4").rename(path)


def test_decodable_files_are_accepted(here):
    uploads.check(film(here / "a.mp4"))
    uploads.check(film(here / "named wrongly.avi"))


@pytest.mark.parametrize("name, make, message", [
    ("text.mp4", lambda path: path.write_text("text\n" * 99), "text.mp4: not a video that can be read"),
    ("empty.mov", lambda path: path.write_bytes(b""), "empty.mov: "),
    ("list.mp4", lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "list.mp4: not a video"),
    ("picture.mp4", lambda path: png.write(path.with_suffix(".png"), np.zeros((9, 9, 3), np.uint8))
        or path.with_suffix(".png").rename(path), "picture.mp4: "),
    ("gone.mp4", lambda path: None, "gone.mp4: the upload is gone"),
])
def test_other_files_are_rejected_without_their_path(here, name, make, message):
    make(here / name)
    with pytest.raises(InputError, match=message) as refused:
        uploads.check(here / name)
    assert "dropped/" not in str(refused.value)


def test_too_large_a_file_is_rejected_before_it_is_read(here):
    with (here / "huge.mp4").open("wb") as file:
        file.truncate(uploads.MAX_BYTES + 1)
    with pytest.raises(InputError, match="huge.mp4: 2 GB; at most 2 GB"):
        uploads.check(here / "huge.mp4")


def test_names(here):
    config = params.load()
    kept = {dropped: uploads.store(config, film(here / dropped, shade), "demo") for shade, dropped in enumerate(
        ["Ana (1).MP4", "ava.mp4", "tables.mov", "ava_from_ben.mp4", "日本.webm", "$(touch x); rm.mp4", "a.exe"])}
    names = {dropped: (name, place.name) for dropped, (name, place) in kept.items()}
    assert names == {
        "Ana (1).MP4": ("ana_1", "ana_1.mp4"), "ava.mp4": ("ava_2", "ava_2.mp4"),
        "tables.mov": ("tables_2", "tables_2.mov"), "ava_from_ben.mp4": ("ava_from_ben_2", "ava_from_ben_2.mp4"),
        "日本.webm": ("video", "video.webm"),
        "$(touch x); rm.mp4": ("touch_x_rm", "touch_x_rm.mp4"), "a.exe": ("a", "a")}
    assert all(place.parent == uploads.VIDEOS and uploads.same_content(here / dropped, place)
               for dropped, (_, place) in kept.items())


def known(name: str, place: Path, preset: str = "demo") -> params.Params:
    add([Entry.one_line("videos", name, file=str(place), preset=preset)], Path("params.yaml"))
    return params.load()


def test_the_same_video_keeps_its_name_and_another_one_gets_its_own(here):
    first = uploads.store(params.load(), film(here / "ana.mp4"), "demo")
    assert uploads.store(params.load(), here / "ana.mp4", "demo") == first  # although there is no entry yet
    config = known(*first)
    assert uploads.store(config, here / "ana.mp4", "demo") == first
    assert uploads.store(config, here / "ana.mp4", "best")[0] == "ana_2"
    film(here / "ana.mp4", 90)
    assert uploads.store(config, here / "ana.mp4", "demo")[0] == "ana_3"
    assert uploads.store(config, film(here / "cho.mp4"), "demo", taken=("cho",))[0] == "cho_2"
    long = film(here / f"{'long' * 20}.mp4")
    assert len(uploads.store(config, long, "demo", taken=("longlonglonglonglong",))[0]) == 20


def test_the_disk_is_not_filled(here, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, uploads.MIN_FREE_BYTES))
    with pytest.raises(InputError, match="free some space"):
        uploads.store(params.load(), film(here / "ana.mp4"), "demo")
    assert list(uploads.VIDEOS.iterdir()) == []
