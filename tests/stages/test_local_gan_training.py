"""The local GANs on the stick figure: they reduce the error of the parts, and resume exactly."""

import tempfile

import cv2
import numpy as np
import pytest
import torch

from stages import layout, local_gan_training, params, threads
from stages.face import face_vectors
from stages.face.face_index import FaceIndex
from stages.learning import saved_networks
from stages.learning.checkpoints import Checkpoint
from stages.learning.local_gan_inference import LocalGans
from stages.media import parquet, video_file
from stages.media.pose_table import read_poses
from stages.nets.generator import Generator, GeneratorShape
from stages.nets.refiner import REFINED_PARTS
from stages.nets.vgg import Vgg

CPU = torch.device("cpu")
TWO = ("face", "left_foot")


def write_faces(subject: dict, path, frames: list[int]) -> None:
    poses, _, _ = read_poses(subject["poses"])
    pictures = video_file.pick(subject["frames"], frames)
    points = poses.face[frames, :, :2]
    boxes = np.stack([(p.mean(0) - 8, p.mean(0) + 8) for p in points]).reshape(-1, 4)
    crops = [cv2.imencode(".png", pictures[f][int(b[1]):int(b[3]), int(b[0]):int(b[2]), ::-1])[1].tobytes()
             for f, b in zip(frames, boxes)]
    parquet.write(path, parquet.FACES, {
        "frame": frames, "points": points.reshape(-1, 10), "vectors": face_vectors.vectors(points).reshape(-1, 10),
        "box": boxes.astype(int), "crop": crops})


@pytest.fixture(scope="module")
def learned(subject, tmp_path_factory) -> dict:
    """The subject with a face index and an untrained generator."""
    folder = tmp_path_factory.mktemp("learned")
    write_faces(subject, folder / "faces.parquet", list(range(0, 17, 2)))
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, max_channels=64, num_downsamples=2, patch_size=2, dense=True, inputs=9)
    saved_networks.save(folder / "generator", Generator(shape).state_dict(), {
        "architecture": "fakemotion", "shape": vars(shape), "size": 64, "parts": ["body"], "pose_maps": "skeleton",
        "pose_context": 1, "crop": False, "crop_margin": 0.1})
    return subject | {"faces": folder / "faces.parquet", "generator": folder / "generator"}


def train(learned: dict, folder, config, **changes):
    block = config.presets["demo"].local_gan_training.model_copy(
        update={"steps": 30, "batch": 4, "crop_share": 0.25, "width": 8, "blocks": 1, "checkpoint_every": 10, "device": "cpu",
                "learning_rate": 0.005, "features": "random"} | changes)
    inputs = {name: learned[name] for name in layout.INPUTS["local_gan_training"]}
    local_gan_training.run(**inputs, local_gans=folder / "local_gans", plots=folder / "plots", params=block,
                           key="figure", entry=params.Subject(preset="demo", consent="synthetic"))
    return folder / "local_gans"


@pytest.mark.parametrize("changes", [
    {"parts": REFINED_PARTS}, {"limb_maps": False}, {"patch_size": 1, "num_downsamples": 3, "blocks": 2},
    {"adversarial": "least_squares"},
    {"weight_l1": 20.0, "weight_l2": 0.0}, {"faces": "features", "features": "random"}, {"weight_adversarial": 0.0},
], ids=str)
def test_refined_parts_have_a_smaller_error(learned, tmp_path, monkeypatch, config, changes):
    monkeypatch.chdir(tmp_path)
    folder = train(learned, tmp_path, config, **{"parts": ("face",)} | changes)
    log, _ = parquet.read(folder / "log.parquet", local_gan_training.LOG)
    for part in changes.get("parts", ("face",)):
        assert log[f"{part}_l2"][-5:].mean() < 0.7 * log[f"{part}_l2"][:5].mean(), part
    adversarial = changes.get("weight_adversarial") != 0
    assert (log["face_d"] > 0).all() == adversarial
    assert (folder / "preview.png").exists()
    drawn = {file.stem: np.loadtxt(file, skiprows=1)[:, 1] for file in (tmp_path / "plots").iterdir()}
    assert set(drawn) == {name for name in local_gan_training.LOG.names[1:] if np.nan_to_num(log[name]).any()}
    assert all(values == pytest.approx(log[name]) for name, values in drawn.items())


def test_a_resumed_run_ends_with_the_same_weights(learned, tmp_path, monkeypatch, config):
    """With a fixed number of threads, because the bytes depend on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(threads, "_setting", 1)
    short = {"parts": TWO, "steps": 12, "checkpoint_every": 4}
    unbroken = train(learned, tmp_path / "a", config, **short).joinpath("model.safetensors").read_bytes()

    class Killed(Exception):
        pass

    save = Checkpoint.save

    def save_then_die(self, state):
        save(self, state)
        if state["step"] == 8:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        train(learned, tmp_path / "b", config, **short)
    assert not (tmp_path / "b/local_gans").exists()
    monkeypatch.setattr(Checkpoint, "save", save)
    resumed = train(learned, tmp_path / "b", config, **short)
    assert resumed.joinpath("model.safetensors").read_bytes() == unbroken


def test_a_subject_without_a_visible_face_is_refined_too(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    none = {name: [] for name in parquet.FACES.names}
    parquet.write(tmp_path / "faces.parquet", parquet.FACES, none, {"reason": "back"})
    poses, other, about = read_poses(learned["poses"])
    poses = poses.map(np.copy)
    poses.face[...] = (np.nan, np.nan, 0)
    for joint in (0, 14, 15, 16, 17):
        poses.body[:, joint] = (np.nan, np.nan, 0)
    parquet.write(tmp_path / "poses.parquet", parquet.POSES, poses.columns() | other, about)
    faceless = learned | {"faces": tmp_path / "faces.parquet", "poses": tmp_path / "poses.parquet"}
    folder = train(faceless, tmp_path, config, steps=3)
    gans = LocalGans(folder, CPU)
    assert "face" not in gans.refiners and "right_hand" in gans.refiners
    foregrounds = torch.rand(2, 4, 64, 64)
    refined = gans.refine_parts(foregrounds, poses[np.array([0, 1])], FaceIndex.read(faceless["faces"]))
    assert refined.shape == foregrounds.shape and refined.isfinite().all()


def change(folder, learned: dict) -> torch.Tensor:
    """How much each pixel of a grey foreground changes, (S, S)."""
    poses, _, _ = read_poses(learned["poses"])
    foregrounds = torch.full((1, 4, 64, 64), 0.5)
    refined = LocalGans(folder, CPU).refine_parts(foregrounds, poses[np.array([3])], FaceIndex.read(learned["faces"]))
    return (refined - foregrounds).abs().sum(1)[0]


FACE, HAND, THIGHS = np.s_[8:18, 26:38], np.s_[32:38, 40:46], np.s_[46:50, 31:35]


@pytest.mark.parametrize("changes, face, hand", [
    ({}, True, True),
    ({"parts": ("face",)}, True, False),                                     # Everybody Dance Now's
    ({"parts": (), "faces": "vectors", "alpha": 1.0, "beta": 0.0}, True, False),  # enhancement alone
    ({"parts": (), "faces": "none"}, False, False),
], ids=str)
def test_refining_changes_the_wanted_parts_and_nothing_else(
        learned, tmp_path, monkeypatch, config, changes, face, hand):
    monkeypatch.chdir(tmp_path)
    changed = change(train(learned, tmp_path, config, steps=5, **changes), learned)
    assert (changed[FACE].max() > 0) == face and (changed[HAND].max() > 0) == hand
    assert changed[THIGHS].max() == 0


def test_refining_a_batch_is_refining_its_frames(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    gans = LocalGans(train(learned, tmp_path, config, steps=5, faces="vectors"), CPU)
    (poses, _, _), index = read_poses(learned["poses"]), FaceIndex.read(learned["faces"])
    poses = poses.map(np.copy)
    poses.body[1, 4] = poses.body[1, 3] = poses.right_hand[1] = (np.nan, np.nan, 0)  # one hand is not seen
    pictures = torch.rand(3, 4, 64, 64)
    pictures[:, :3] *= pictures[:, 3:]
    whole = gans.refine_parts(pictures, poses[np.arange(3)], index)
    alone = torch.cat([gans.refine_parts(pictures[i : i + 1], poses[np.array([i])], index) for i in range(3)])
    assert torch.allclose(whole, alone, atol=1e-5)
    assert (whole[:, :3] <= whole[:, 3:]).all()


def test_the_strength_of_a_refiner_minimises_the_perceptual_distance():
    """It is 1/2 if the residual is twice as large as it should be, and 0 if it increases the distance."""
    real, network = torch.full((6, 4, 32, 32), 0.4), Vgg("random", 3)

    class ConstantResidual:
        device = CPU
        validation_frames = {"face": np.arange(6)}

        def __init__(self, step: float):
            self.average = lambda inputs: torch.full_like(inputs[:, :4], step)

        def crops(self, part, frames):
            return torch.full((len(frames), 4, 32, 32), 0.2), torch.zeros(len(frames), 0, 32, 32), real[frames]

    for step, wanted in ((0.4, 0.5), (0.2, 1.0), (0.1, 1.0), (-0.1, 0.0)):
        found = local_gan_training.refiner_strength(ConstantResidual(step), ConstantResidual(step), "face", 4, network)
        assert found == pytest.approx(wanted), step


def test_a_part_that_gains_nothing_is_switched_off(learned, tmp_path, monkeypatch, config, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_gan_training, "refiner_strength", lambda local, pairs, part, batch, network: float(part != "face"))
    gans = LocalGans(train(learned, tmp_path, config, steps=2), CPU)
    assert gans.about["off"] == ["face"] and set(gans.refiners) == set(REFINED_PARTS[1:])
    assert "face off (no gain)" in capsys.readouterr().out


def test_crops_are_stored_in_the_project_not_in_the_temporary_folder(learned, tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    assert (train(learned, tmp_path, config, steps=1, parts=("face",)) / "model.safetensors").exists()
    assert list(layout.CHECKPOINTS.iterdir()) == []
