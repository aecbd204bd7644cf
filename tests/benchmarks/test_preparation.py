"""Preparation of people in benchmarks: the parameters are valid, and a clip passes through the real stages."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from stages import layout, params, samples
from stages.__main__ import invoke
from stages.media import timeline, video_file
from tests import settings
from tests.benchmarks import ground_truth, held_out, plates, preprocessing, scale

PRESETS = {"demo", "fine", "best", "paper"}


def people(folder: Path) -> None:
    """A rendered person and a clip, as `experiments`, `training` and `seen` prepare them."""
    held_out.prepare(folder, {"stranger_1": "rendered", "dancer": str(folder / "dancer.mp4")})


def strangers(folder: Path) -> None:
    settings.write(folder, ground_truth.project("hard"))


def rooms(folder: Path) -> None:
    plates.make(folder, ["stranger_1", "stranger_2"])


def film(folder: Path) -> None:
    with video_file.h264(folder / "clip.mp4", 25.0, 30, {}) as add:
        add(np.zeros((64, 64, 3), np.uint8))
    with contextlib.chdir(folder):
        preprocessing.prepare([])


def many(folder: Path) -> None:
    scale.project(folder, 3)


@pytest.mark.parametrize("prepare", [people, strangers, rooms, film, many], ids=lambda prepare: prepare.__name__)
def test_every_benchmark_writes_parameters_with_a_consent_for_everybody(tmp_path, monkeypatch, prepare):
    monkeypatch.setattr(held_out, "run_missing", lambda *_: None)
    prepare(tmp_path)
    found = params.load(tmp_path / "params.yaml")
    assert found.subjects and PRESETS <= set(found.presets)
    assert all(subject.require_consent(name) for name, subject in found.subjects.items())


def test_a_clip_is_prepared_by_the_stages_themselves(tmp_path, monkeypatch):
    """A second of a rendered stranger, as a video file."""
    rendered = params.SampleEntry(person="stranger_7", motions=("wave",), seed=5, seconds=1.0, size=128)
    files = {name: tmp_path / path.name for name, path in layout.outputs("samples", "dancer").items()}
    samples.run(**files, params=rendered)

    def make(folder: Path, stage: str, key: str) -> None:
        with contextlib.chdir(folder):  # in this process, because each new process would load MediaPipe again
            invoke(stage, key)

    monkeypatch.setattr(held_out, "run_missing", make)
    held_out.prepare(tmp_path / "work", {"dancer": str(files["video"])}, changes={
        "frames": {"size": 64, "max_size": 64, "gap_seconds": 0.04}, "background_inpainting": {"inpainter": "telea"}})
    for stage in held_out.PREPARED:
        assert all((tmp_path / "work" / path).exists() for path in layout.outputs(stage, "dancer").values())
    found = timeline.read_timeline(tmp_path / "work" / layout.outputs("frames", "dancer")["timeline"])
    assert len(found.training_frames()) == 20 and found.about["size"] == 64
