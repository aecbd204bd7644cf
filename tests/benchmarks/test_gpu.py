"""The benchmark for a GPU runs in miniature on the CPU."""

import json
import sys

from stages.params import Preset
from tests.benchmarks import gpu
from tests.settings import content

SMALL = {"width": 8, "max_channels": 16, "num_downsamples": 2, "blocks": 1, "discriminator_width": 8, "features_depth": 1,
         "features_size": 32, "clips": 1, "adversarial_interval": 2, "gw_outer": 2}


def test_every_figure_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # without weights
    presets = {name: Preset(**{**preset, "generator_training": preset["generator_training"] | SMALL})
               for name, preset in content()["presets"].items()}
    monkeypatch.setattr(sys, "argv", ["gpu", "out", "--size", "64", "--film", "1", "--train", "0.5", "1.5", "--paper", "2",
                                      "--device", "cpu"])
    assert gpu.main(presets) == 0
    found = json.loads((tmp_path / "out/figures.json").read_text())
    assert found["device"] == "CPU" and found["features"] == {"best": "random", "paper": "random"}
    for name in ("best: images/s", "best_0.5: PSNR, dB", "best_1.5: inference, frames/s", "paper: hours for all steps"):
        assert found[name] > 0
    assert {file.name for file in (tmp_path / "out").glob("best_*")} == {"best_0.5.png", "best_1.5.png"}
