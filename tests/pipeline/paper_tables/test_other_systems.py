"""`python -m pipeline evaluate` on a transfer with made-up artifacts."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from pipeline.__main__ import main
from pipeline.paper_tables import other_systems
from stages import layout, metrics, params
from stages.evaluation import system_frames
from stages.imaging import compositing
from stages.media import png, video_file
from tests.stages import toy

ROOT = Path(__file__).parents[3]
KEY = "ann_from_ann"


@pytest.fixture
def transfer(tmp_path, monkeypatch) -> Path:
    """ann's reconstruction in the current folder, and frames of another system: ours with noise."""
    monkeypatch.chdir(tmp_path)
    toy.write_all(Path())
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    entries = {"samples": {}, "videos": {"ann": {"file": "ann.mp4", "preset": "demo"}},
               "subjects": {"ann": {"preset": "demo", "consent": "synthetic"}},
               "transfers": {KEY: dict(target="ann", source="ann", preset="demo", truth="ann.mp4")},
               "variants": {}}
    content["presets"]["demo"]["metrics"] = toy.METRICS.model_dump()
    Path("params.yaml").write_text(yaml.safe_dump(content | entries))
    Path("frames").mkdir()
    plate, rng = png.read(Path("artifacts/ann/background.png")), np.random.default_rng(0)
    for t, rgba in enumerate(video_file.frames(Path(f"artifacts/{KEY}/foreground.mkv"), "rgba")):
        picture = compositing.compose(rgba, plate) + rng.normal(0, 10, plate.shape)
        cv2.imwrite(f"frames/{t}.png", picture.clip(0, 255).astype(np.uint8)[..., ::-1])
    return tmp_path


def run(monkeypatch, capsys, name="lwgan", frames="frames", key=KEY) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pipeline", "evaluate", "--frames", frames, "--as", name, key])
    return main(), *capsys.readouterr()


def test_scores_are_shown_next_to_ours(transfer, monkeypatch, capsys):
    config = params.load()
    files = toy.paths("metrics", KEY, config.entry("metrics", KEY), Path())
    metrics.run(**files, params=config.block("metrics", KEY), entry=config.entry("metrics", KEY), key=KEY)
    capsys.readouterr()
    failed, message, _ = run(monkeypatch, capsys)
    found = json.loads(layout.system(KEY, "lwgan")["metrics"].read_text())["metrics"]
    ours = json.loads(files["metrics"].read_text())["metrics"]
    assert not failed and 20 < found["psnr"]["value"] < ours["psnr"]["value"]
    line = next(line for line in message.splitlines() if line.startswith("  psnr ")).split()
    assert line == ["psnr", f"{found['psnr']['value']:.4g}", "dB", f"{ours['psnr']['value']:.4g}", "dB"]
    assert layout.system(KEY, "lwgan")["per_frame"].exists()
    assert other_systems.outdated_reason(layout.system(KEY, "lwgan")["metrics"], files["metrics"]) is None


def test_code_checksum_includes_reading_frames(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(other_systems, "ROOT", tmp_path)
    before = other_systems.code_checksum()
    for name, counts in (("system_frames", True), ("scoring", True), ("comparison", False)):
        with open(tmp_path / f"stages/evaluation/{name}.py", "a") as file:
            file.write("changed = 1\n")
        assert (other_systems.code_checksum() != before) == counts
        before = other_systems.code_checksum()


def test_metric_settings_are_those_of_the_tables_own_rows(transfer, monkeypatch):
    content, given = yaml.safe_load(Path("params.yaml").read_text()), []
    Path("params.yaml").write_text(yaml.safe_dump(content | {"variants": {"complete": {"metrics": {"weights": True}}}}))
    monkeypatch.setattr(system_frames, "run", lambda *_, params, **__: given.append(params))
    monkeypatch.setattr(other_systems, "summary", lambda *_: "")
    other_systems.evaluate(params.load(), Path("frames"), "lwgan", KEY)
    assert given == [toy.METRICS.model_copy(update={"weights": True})]


@pytest.mark.parametrize("given, message", [
    ({"name": "LWGAN"}, "expected lower-case letters, digits and _, such as lwgan"),
    ({"name": "complete"}, "not `complete`, which is ours"),
    ({"frames": "none"}, "none: no such file or folder"),
    ({"key": "bob_from_ann"}, "no `bob_from_ann` in `transfers`; there are ann_from_ann"),
])
def test_invalid_arguments_are_rejected(transfer, monkeypatch, capsys, given, message):
    failed, _, error = run(monkeypatch, capsys, **given)
    assert failed == 1 and message in error and "Traceback" not in error
    assert not list(Path("artifacts").rglob("systems/*.json"))


def test_an_error_is_on_a_line_of_its_own(transfer, monkeypatch, capsys):
    """Not behind a progress bar."""
    Path("frames/9.png").unlink()
    failed, _, error = run(monkeypatch, capsys)
    assert failed == 1 and error.splitlines()[-1].startswith("frames: 9 frames; expected 10")


def test_missing_artifacts_name_their_stage(transfer, monkeypatch, capsys):
    shutil.rmtree(f"artifacts/{KEY}")
    failed, _, error = run(monkeypatch, capsys)
    assert failed == 1 and f"run `python -m pipeline stage retargeting@{KEY}`" in error
