"""Training on the stick figure: it learns, and needs consent. tests/faults covers killed trainings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stages import InputError, generator_training, layout, params, processors, threads
from stages.learning import objective, saved_networks, training
from stages.learning.divergence import Diverged
from stages.losses.gromov_wasserstein import NoPlan
from stages.media import parquet
from stages.media.timeline import read_timeline
from tests import settings

ROOT = Path(__file__).parents[2]
SMALL = {"steps": 12, "clips": 1, "clip_length": 3, "width": 8, "num_downsamples": 3, "patch_size": 2,
         "discriminator_width": 8, "features_depth": 1, "features_size": 32, "features": "random", "adversarial_interval": 1,
         "precision": "float32", "checkpoint_every": 4, "preview_every": 6, "device": "cpu",
         "gw_outer": 3, "gw_inner": 10}


def place(subject: dict, folder: Path, consent: str | None = "synthetic", **changes) -> None:
    """Prepares a folder in which `python -m stages generator_training figure` runs."""
    content = settings.content()
    preset = content["presets"]["demo"]
    preset["generator_training"] |= SMALL | changes
    content = {"threads": 1, "samples": {}, "videos": {"figure": {"file": "figure.mp4", "preset": "demo"}}, "transfers": {},
               "subjects": {"figure": {"preset": "demo", "consent": consent}}, "presets": {"demo": preset}}
    folder.mkdir(parents=True, exist_ok=True)
    settings.write(folder, content)
    for argument, path in layout.inputs("generator_training", "figure").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(subject[argument], folder / path)


def start(folder: Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "stages", "generator_training", "figure"], cwd=folder,
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path) -> str:
    process = start(folder)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return output


def train(subject, folder, monkeypatch, **changes):
    """Runs the stage in this process; its output folder."""
    place(subject, folder, **changes)
    monkeypatch.chdir(folder)
    config = params.load()
    generator_training.run(
        **layout.inputs("generator_training", "figure"), **layout.outputs("generator_training", "figure"),
        params=config.block("generator_training", "figure"), entry=config.subjects["figure"], key="figure")
    return folder / layout.outputs("generator_training", "figure")["generator"]


def test_the_loss_falls_and_the_artifact_is_complete(subject, tmp_path, monkeypatch):
    folder = train(subject, tmp_path, monkeypatch, steps=30, preview_every=15, learning_rate=0.003,
                   architecture="fakemotion")
    log, _ = parquet.read(folder / "log.parquet", generator_training.LOG)
    assert log["step"].tolist() == list(range(1, 31))
    assert log["l1"][-5:].mean() < 0.6 * log["l1"][:5].mean()
    state, about = saved_networks.load(folder)
    assert about["threads"]["setting"] == "auto" and sum(about["threads"]["steps"].values()) == 30
    assert about["features"] == "random" and about["consent_record"] == "synthetic" and about["training_frames"] == 17
    assert sorted(p.name for p in folder.glob("*.png")) == ["preview_000015.png", "preview_000030.png"]
    plots = layout.outputs("generator_training", "figure")["plots"]
    assert {file.stem for file in plots.iterdir()} == {name for name in generator_training.LOSSES if log[name].any()}
    drawn = np.loadtxt(plots / "l1.tsv", skiprows=1)
    assert (drawn[:, 0] == log["step"]).all() and (drawn[:, 1] == log["l1"]).all()
    assert not list(Path(".checkpoints").iterdir())


def test_a_limb_atlas_is_shown_too(subject, tmp_path, monkeypatch):
    folder = train(subject, tmp_path, monkeypatch, steps=2, preview_every=2)
    assert sorted(p.name for p in folder.glob("*.png")) == ["atlas.png", "charts.png", "preview_000002.png"]


@pytest.mark.parametrize("term", ["weight_vgg", "weight_gw", "weight_spatial", "weight_temporal", "weight_l1"])
def test_each_weight_switches_its_term_off(subject, tmp_path, monkeypatch, term):
    folder = train(subject, tmp_path, monkeypatch, steps=2, preview_every=2, **{term: 0.0})
    log, _ = parquet.read(folder / "log.parquet", generator_training.LOG)
    assert all(np.isfinite(log[name]).all() for name in generator_training.LOSSES)
    block = params.load().block("generator_training", "figure")
    on = {name for name in objective.TERMS if getattr(block, f"weight_{name}")}
    on |= {f"d_{name}" for name in on & {"spatial", "temporal"}}
    assert term.removeprefix("weight_") not in on
    assert {name for name in generator_training.LOSSES if log[name].any()} == on


def test_without_consent_there_is_no_training(subject, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="subjects.figure has no consent"):
        train(subject, tmp_path, monkeypatch, consent=None)
    assert not (tmp_path / "artifacts/figure/generator").exists()


def test_a_video_too_short_to_split_is_rejected(subject, tmp_path, monkeypatch):
    columns, about = parquet.read(subject["timeline"], parquet.TIMELINE)
    columns["split"] = [None] * len(columns["frame"])
    parquet.write(tmp_path / "timeline.parquet", parquet.TIMELINE, columns, about | {"split_reason": "24 frames are too short"})
    with pytest.raises(InputError, match="figure.mp4: cannot be used for training: 24 frames are too short"):
        train(subject | {"timeline": tmp_path / "timeline.parquet"}, tmp_path / "run", monkeypatch)


def test_held_out_frames_do_not_reach_training(subject, tmp_path, monkeypatch):
    """Black frames in place of the held-out ones change nothing."""
    first = train(subject, tmp_path / "a", monkeypatch, steps=3)
    from stages.media import video_file
    training = len(read_timeline(subject["timeline"]).training_frames())
    with video_file.lossless(tmp_path / "frames.mkv", 8.0) as append:
        for i, frame in enumerate(video_file.frames(subject["frames"])):
            append(frame if i < training else np.zeros_like(frame))
    second = train(subject | {"frames": tmp_path / "frames.mkv"}, tmp_path / "b", monkeypatch, steps=3)
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()


def test_two_processes_learn_the_same_as_one(subject, tmp_path):
    """Gradients are averaged over gloo; Gromov-Wasserstein compares the frames of both."""
    logs = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        place(subject, folder, steps=6, clips=2, single_frames=2, devices=devices, weight_gw=5.0, optimiser="adam",
              learning_rate=1e-5, discriminator_learning_rate=1e-5)
        finish(folder)
        logs.append(parquet.read(folder / "artifacts/figure/generator/log.parquet", generator_training.LOG)[0])
        assert not list((folder / ".checkpoints").glob("*.pt"))
    one, two = logs
    assert one["gw"].all()
    for name in objective.LOSSES:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_fixed_number_of_threads_gives_the_same_bytes_resumed_or_not(subject, tmp_path, monkeypatch):
    """Two threads add gradients up in two parts; the interrupted training starts with another number of threads."""
    monkeypatch.delenv(processors.LIMIT, raising=False)
    advance, before, made = training.Training.advance, torch.get_num_threads(), {}

    def ended(self, batches):
        if self.step == 3:
            raise KeyboardInterrupt
        return advance(self, batches)

    with threads.using(2):
        for name in ("whole", "ended"):
            if name == "ended":
                torch.set_num_threads(3)
                with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                    patch.setattr(training.Training, "advance", ended)
                    train(subject, tmp_path / name, monkeypatch, steps=4, checkpoint_every=2)
                torch.set_num_threads(3)
            folder = train(subject, tmp_path / name, monkeypatch, steps=4, checkpoint_every=2)
            made[name] = {file.name: file.read_bytes() for file in folder.iterdir()}
    torch.set_num_threads(before)
    assert made["whole"] == made["ended"] and saved_networks.load(folder)[1]["threads"] == {"setting": 2, "steps": {"2": 4}}


def test_a_training_that_diverges_stops_and_keeps_its_last_good_state(subject, tmp_path, monkeypatch):
    true = objective.perceptual_loss
    seen = []

    def broken(*features):
        seen.append(1)
        return true(*features) * (float("nan") if len(seen) > 6 else 1.0)

    monkeypatch.setattr(objective, "perceptual_loss", broken)
    with pytest.raises(Diverged, match=r"generator_training: the loss `vgg` .* in step 7; .* state is .*\.pt"):
        train(subject, tmp_path, monkeypatch, steps=30)
    kept, = Path(".checkpoints").glob("*.pt")
    assert torch.load(kept, weights_only=True)["training"]["step"] == 4
    assert not (tmp_path / "artifacts/figure/generator").exists()


def test_a_plan_that_cannot_be_met_leaves_the_term_out(subject, tmp_path, monkeypatch):
    """In the second and third of four steps; counted, also by a training that is resumed."""
    true, seen, advance = objective.gromov_wasserstein_loss, [], training.Training.advance

    def broken(*arguments):
        seen.append(1)
        if len(seen) in (2, 3):
            raise NoPlan("no plan")
        return true(*arguments)

    def interrupted(self, batches):
        if self.step == 2 and len(seen) == 2:
            raise KeyboardInterrupt
        return advance(self, batches)

    monkeypatch.setattr(objective, "gromov_wasserstein_loss", broken)
    monkeypatch.setattr(training.Training, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(subject, tmp_path, monkeypatch, steps=4, checkpoint_every=2)
    monkeypatch.setattr(training.Training, "advance", advance)
    folder = train(subject, tmp_path, monkeypatch, steps=4, checkpoint_every=2)
    assert saved_networks.load(folder)[1]["gw_skipped"] == 2
    gw = parquet.read(folder / "log.parquet", generator_training.LOG)[0]["gw"]
    assert gw[0] == gw[1] == gw[2] != gw[3]


def test_discriminators_that_do_not_learn_are_named(subject, tmp_path, monkeypatch):
    folder = train(subject, tmp_path, monkeypatch, steps=4, discriminator_learning_rate=1e-12, weight_temporal=0.0)
    loss = parquet.read(folder / "log.parquet", generator_training.LOG)[0]["d_spatial"][-1]
    assert loss > 0.98 * np.log(2) and saved_networks.load(folder)[1]["discriminators_guessing"] == ["spatial"]


def test_weights_that_are_not_finite_are_not_saved(subject, tmp_path, monkeypatch):
    """In step 4 a gradient is NaN, but the losses are finite."""
    optimizer_step = training.Training.optimizer_step

    def broken(self, name):
        if self.step == 3 and name == "generator":
            next(self.networks[name].parameters()).grad.fill_(float("nan"))
        optimizer_step(self, name)

    monkeypatch.setattr(training.Training, "optimizer_step", broken)
    with pytest.raises(Diverged, match="weights are not finite numbers in step 4; .*no state was kept"):
        train(subject, tmp_path, monkeypatch, steps=8)
