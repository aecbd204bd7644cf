"""Takes: which clips a folder contains, and that they are read one after the other."""

import subprocess

import cv2
import numpy as np
import pytest

from stages import InputError
from stages.media import takes
from tests.stages.media.test_footage import levels, write


def folder(path, pictures, kind="png"):
    path.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(path / f"{i:03d}.{kind}"), picture)
    return path


@pytest.fixture
def outfit(tmp_path):
    """Takes 1, 2 and 10 with 4, 5 and 3 images of increasing values."""
    pictures = levels(12)
    for name, some in (("10", pictures[9:]), ("2", pictures[4:9]), ("1", pictures[:4])):
        folder(tmp_path / "me" / name, some)
    (tmp_path / "me" / ".hidden").mkdir()
    (tmp_path / "me" / "notes.txt").write_text("no take")
    return tmp_path / "me"


def test_takes_follow_each_other_in_natural_order(outfit):
    film = takes.open_takes(outfit, None)
    assert [take.path.name for take in film.takes] == ["1", "2", "10"] and film.fps == 25
    assert film.remarks == {"assumed_fps": 25} and film.audio == {}
    found = [(take, round(shot.picture().mean() / 10)) for take, shot in film.frames()]
    assert found == [*((0, i) for i in range(4)), *((1, i) for i in range(4, 9)), *((2, i) for i in range(9, 12))]
    assert film.firsts == [0, 4, 9] and film.take_indices(12).tolist() == [0] * 4 + [1] * 5 + [2] * 3
    assert film.describe_frame(3) == f"{outfit}/1: frame 3 (0.12 s)"
    assert film.describe_frame(6) == f"{outfit}/2: frame 2 (0.08 s)"


def test_videos_are_takes_at_the_first_ones_rate(tmp_path):
    write(tmp_path / "a.mp4", levels(6), fps=10)
    write(tmp_path / "b.mp4", levels(8), fps=20)
    film = takes.open_takes(tmp_path, None)
    assert film.fps == 10
    assert [round(picture.mean() / 10) for picture in film.pictures()] == [0, 1, 2, 3, 4, 5, 0, 2, 4, 6]
    assert film.take_indices(10).tolist() == [0] * 6 + [1] * 4


@pytest.mark.parametrize("make, names", [
    (lambda path: folder(path / "x", levels(3)).parent, ["x"]),
    (lambda path: folder(path, levels(3)), None),
    (lambda path: folder(folder(path, levels(3)) / "more", levels(3)).parent, None),  # contains images itself
    (lambda path: write(path.with_suffix(".mp4"), levels(3)), None),
    (lambda path: path, None),                                                  # empty
])
def test_list_takes(tmp_path, make, names):
    path = make(tmp_path / "me")
    assert takes.list_takes(path) == ([path] if names is None else [path / name for name in names])


def test_a_single_take(tmp_path):
    path = write(tmp_path / "a.mp4", levels(20))
    film = takes.open_takes(path, None, 0.5, 0.8)
    assert [round(picture.mean() / 10) for picture in film.pictures()] == [5, 6, 7]
    assert film.describe_frame(1) == f"{path}: frame 1 (0.60 s)"


def test_a_range_of_several_takes_is_rejected(outfit):
    with pytest.raises(InputError, match="start and end require a single take, but there are 3: 1, 2, 10; remove them"):
        takes.open_takes(outfit, None, start=0.5)


def test_a_take_without_images_is_named(outfit):
    (outfit / "3").mkdir()
    with pytest.raises(InputError, match="me/3: no images in this folder"):
        takes.open_takes(outfit, None)


def test_damage_is_reported_by_file(tmp_path):
    pictures = list(np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8))
    whole = write(tmp_path / "a.mp4", pictures, options={"movflags": "faststart"})
    (tmp_path / "b.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    film = takes.open_takes(tmp_path, None)
    count = len(list(film.pictures()))
    assert list(film.remarks["damaged"]) == [str(tmp_path / "b.mp4")]
    assert count == 20 + film.remarks["damaged"][str(tmp_path / "b.mp4")]["decoded"]


def test_checksums_are_those_of_sha256sum(outfit, tmp_path):
    def ask(command, where):
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
        return subprocess.check_output(["bash", "-c", command], cwd=where, env=environment, text=True).split()[0]

    (outfit / "2" / "notes.txt").write_text("no image")
    assert takes.open_takes(outfit, None).checksums() == {
        str(outfit / name): ask("sha256sum *.png | sha256sum", outfit / name) for name in ("1", "2", "10")}
    write(tmp_path / "a.mp4", levels(6), fps=10)
    assert takes.open_takes(tmp_path / "a.mp4", None).checksums() == {
        str(tmp_path / "a.mp4"): ask("sha256sum a.mp4", tmp_path)}
