"""Importing a miniature of iPER, in the layout of its release."""

import json
import shutil
from pathlib import Path

import pytest

from stages import params
from stages.media import footage, takes
from tests.pipeline.datasets.test_folder import RECORD, here, images, run  # noqa: F401: `here` is a fixture

OUTFITS = ("001/1", "001/10", "001/2", "007/1", "010/3")


@pytest.fixture
def data(here) -> Path:  # noqa: F811
    """Two clips per outfit. The images of the first have three digits, those of the second four."""
    root = here / "data/iPER"
    for outfit in OUTFITS:
        images(root / "images_HD" / outfit / "1", range(6))
        images(root / "images_HD" / outfit / "2", range(20), digits=4)
    lists = {"train.txt": ["001/1", "001/10"], "val.txt": ["001/2", "007/1", "010/3"]}
    for file, outfits in lists.items():
        (root / file).write_text("".join(f"{outfit}/{take}\n" for outfit in outfits for take in "12"))
    (root / "smpls").mkdir()
    return root


def imitations(config: params.Params) -> set[tuple[str, str]]:
    return {(one.target, one.source) for one in config.transfers.values()
            if one.target.startswith("iper") and not one.reconstruction}


def test_every_outfit_is_a_person_with_two_takes(data, monkeypatch, capsys):
    failed, message = run(monkeypatch, capsys, "iper", data, "--consent", *RECORD)
    config = params.load()
    names = [f"iper_{outfit.replace('/', '_')}" for outfit in OUTFITS]
    assert not failed and "5 of 5 people are new, with 5 videos and 8 transfers" in message and "left out" not in message
    assert list(config.videos)[2:] == [names[0], names[2], names[1], *names[3:]]  # 001/2 before 001/10
    for name, outfit in zip(names, OUTFITS):
        assert config.videos[name] == params.Video(file=f"data/iPER/images_HD/{outfit}", preset="best")
        assert config.subjects[name].consent.record == RECORD[3]
        assert config.transfers[f"{name}_from_{name}"].reconstruction
        film = takes.open_takes(config.videos[name].file, None)
        assert [take.path.name for take in film.takes] == ["1", "2"] and len(list(film.frames())) == 26
    crossed = imitations(config)
    assert crossed == {("iper_001_2", "iper_007_1"), ("iper_007_1", "iper_010_3"), ("iper_010_3", "iper_001_2")}
    assert "iPER_protocol.json is missing" in message
    assert config.entry("metrics", "iper_001_2_from_iper_007_1").truth is None


@pytest.mark.parametrize("fps, spans", [(None, ((7.2, 7.6), (0.0, 0.8))), (30.0, ((6.0, 6.3333), (0.0, 0.6667)))])
def test_imitations_of_the_protocol(data, monkeypatch, capsys, fps, spans):
    """The ranges of iPER's evaluators include their first and last image."""
    images(data / "images_HD/007/1/2", range(190), digits=4)
    cross = lambda target, *span: {"source": ["000.jpg"], "cross_imitation": {"target": target, "range": span}}
    (data / "iPER_protocol.json").write_text(json.dumps({"val": {
        "001/2/1": cross("007/1/2", 180, 189), "001/2/2": cross("010/3/2", 0, 19),
        "007/1/1": cross("010/3/2", 0, 19), "007/1/2": cross("010/3/2", 10, 20),
        "001/1/1": cross("007/1/2", 1, 2)}}))
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("fps: null", f"fps: {'null' if fps is None else fps}"))
    failed, message = run(monkeypatch, capsys, "iper", data / "images_HD", "--preset", "demo")
    config = params.load()
    assert not failed and "is missing" not in message
    assert "007/1/2 cannot imitate frames 10 to 20 of 010/3/2: it has 20" in message
    crossed = imitations(config)
    assert crossed == {("iper_001_2", "iper_007_1_2_180_189"), ("iper_001_2", "iper_010_3_2_0_19"),
                       ("iper_007_1", "iper_010_3_2_0_19")}  # 001/1 is for training
    drivers = ("iper_007_1_2_180_189", range(180, 190)), ("iper_010_3_2_0_19", range(20))
    for (source, numbers), span in zip(drivers, spans):
        entry = config.videos[source]
        assert (entry.start, entry.end) == span
        film = footage.open_footage(entry.file, fps, entry.start, entry.end)
        assert [round(picture.mean()) for picture in film.pictures()] == list(numbers)


def test_a_clip_with_a_gap_is_not_imitated(data, monkeypatch, capsys):
    """The protocol counts images, so that all numbers after the gap would be wrong."""
    (data / "images_HD/010/3/2/0005.jpg").unlink()
    cross = {"cross_imitation": {"target": "010/3/2", "range": [8, 12]}}
    (data / "iPER_protocol.json").write_text(json.dumps({"val": {"001/2/1": cross}}))
    failed, message = run(monkeypatch, capsys, "iper", data, "--only", "001")
    assert not failed and imitations(params.load()) == set()
    assert "001/2/1 cannot imitate frames 8 to 12 of 010/3/2: images missing in 2, from 0000 to 0019: 5" in message


def test_all_problems_are_reported_and_the_rest_imported(data, monkeypatch, capsys):
    folders = data / "images_HD"
    for file in (folders / "001/2/1").iterdir():
        file.unlink()
    (folders / "007/1/2").rename(folders / "007/1/3")
    (folders / "010/3/2/0007.jpg").unlink(), (folders / "010/3/2/0009.jpg").unlink()
    images(folders / "001/10/1", [5], (48, 32))
    images(folders / "002/1/1", range(3)), images(folders / "002/1/2", range(3), digits=4)
    (folders / "003").mkdir()
    with open(data / "val.txt", "a") as file:
        file.write("009/5/1\n009/5/2\n")
    (data / "train.txt").unlink()
    failed, message = run(monkeypatch, capsys, "iper", data, "--preset", "demo")
    assert not failed and "2 of 2 people are new" in message
    for text in ("001/2: no images in 1 (the turn in A-pose)", "007/1: no folder 2 (the random actions)",
                 "007/1: folders other than 1 and 2: 3", "010/3: images missing in 2, from 0000 to 0019: 7, 9",
                 "images_HD/001/10/1/005.jpg: 32 x 48, but ", "003: no outfits",
                 "val.txt lists missing clips: 007/1/2, 009/5/1, 009/5/2", "train.txt is missing",
                 "in neither list: 001/1, 001/10, 002/1", "missing: `consent`"):
        assert text in message, text
    assert set(params.load().subjects) == {"ava", "iper_001_1", "iper_002_1"}


def test_only_some_subjects(data, monkeypatch, capsys):
    failed, message = run(monkeypatch, capsys, "iper", data, "--only", "007,010", "--preset", "demo")
    assert not failed and set(params.load().subjects) == {"ava", "iper_007_1", "iper_010_3"}
    assert "missing clips: 0" not in message and "in neither list" not in message
    assert {"iper_007_1_from_iper_010_3", "iper_010_3_from_iper_007_1"} <= set(params.load().transfers)


@pytest.mark.parametrize("make, arguments, message", [
    (lambda data: (data / "images_HD").rename(data / "images"), [], "no folder images_HD; expected the layout of iPER"),
    (lambda data: None, ["--only", "007,099"], "no subject 099; there are 001, 007, 010"),
    (lambda data: None, ["--preset", "worst"], "no preset `worst`"),
    (lambda data: (data / "iPER_protocol.json").write_text('{"train": {}}'), [], "not iPER's protocol .*val"),
    (lambda data: (data / "iPER_protocol.json").write_text('{"val": {"001/2/1": {}}}'), [], "cross_imitation"),
    (lambda data: [shutil.rmtree(data / "images_HD" / outfit / "2") for outfit in OUTFITS], [],
     "no clip can be imported:\n  001/1: no folder 2"),
])
def test_another_folder_is_rejected(data, monkeypatch, capsys, make, arguments, message):
    make(data)
    before = Path("params.yaml").read_bytes()
    failed, error = run(monkeypatch, capsys, "iper", data, *arguments)
    assert failed == 1 and Path("params.yaml").read_bytes() == before
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(error)


def test_dvc_runs_what_was_imported(project, monkeypatch, capsys):
    """The folder is the dependency: after a new image, only the frames of that outfit are computed again."""
    for outfit in ("001/1", "002/1"):
        for take in "12":
            images(Path("data/images_HD") / outfit / take, range(3))
    assert not run(monkeypatch, capsys, "iper", "data", "--preset", "demo", "--consent", *RECORD)[0]
    project.dvc("repro", "metrics@iper_001_1_from_iper_001_1", "frames@iper_002_1")
    assert {"frames@iper_001_1", "frames@iper_002_1", "metrics@iper_001_1_from_iper_001_1"} <= set(project.ran())
    images(Path("data/images_HD/001/1/2"), [3])
    project.dvc("repro", "--single-item", "frames@iper_001_1", "frames@iper_002_1")
    assert project.ran() == ["frames@iper_001_1"]
