"""The local GANs on the stick figure: they lower the error of the parts, and resume exactly."""

import cv2
import numpy as np
import pytest
import torch

from stages import layout, local_gan_training, params
from stages.learning import footage, weights
from stages.learning.checkpoints import Checkpoint
from stages.learning.local_gans import LocalGans
from stages.media import tables, video
from stages.nets.generator import Generator, GeneratorShape
from stages.nets.refiner import PARTS
from stages.vision import face_vectors
from stages.vision.face_enhancement import FaceIndex
from stages.vision.skeleton import read_poses

CPU = torch.device("cpu")


def write_faces(subject: dict, path, frames: list[int]) -> None:
    poses, _, _ = read_poses(subject["poses"])
    pictures = video.pick(subject["frames"], frames)
    points = poses.face[frames, :, :2]
    boxes = np.stack([(p.mean(0) - 8, p.mean(0) + 8) for p in points]).reshape(-1, 4)
    crops = [cv2.imencode(".png", pictures[f][int(b[1]):int(b[3]), int(b[0]):int(b[2]), ::-1])[1].tobytes()
             for f, b in zip(frames, boxes)]
    tables.write(path, tables.FACES, {
        "frame": frames, "points": points.reshape(-1, 10), "vectors": face_vectors.vectors(points).reshape(-1, 10),
        "box": boxes.astype(int), "crop": crops})


@pytest.fixture(scope="module")
def learned(subject, tmp_path_factory) -> dict:
    """The subject with a face index and an untrained generator."""
    folder = tmp_path_factory.mktemp("learned")
    write_faces(subject, folder / "faces.parquet", list(range(0, 17, 2)))
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, levels=2, stem=2, dense=True, inputs=footage.channels(("body",), "lines"))
    weights.save(folder / "generator", Generator(shape).state_dict(), {
        "shape": vars(shape), "size": 64, "parts": ["body"], "drawing": "lines"})
    return subject | {"faces": folder / "faces.parquet", "generator": folder / "generator"}


def train(learned: dict, folder, config, **changes):
    block = config.presets["demo"].local_gan_training.model_copy(
        update={"steps": 30, "batch": 4, "crop": 16, "width": 8, "checkpoint_every": 10, "device": "cpu",
                "learning_rate": 0.002} | changes)
    inputs = {name: learned[name] for name in layout.INPUTS["local_gan_training"]}
    local_gan_training.run(**inputs, local_gans=folder / "local_gans", params=block, key="figure",
                           entry=params.Subject(preset="demo", consent="synthetic"))
    return folder / "local_gans"


def test_refined_parts_are_nearer_to_the_truth(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    folder = train(learned, tmp_path, config, steps=50)
    log, _ = tables.read(folder / "log.parquet", local_gan_training.LOG)
    for part in PARTS:
        assert log[f"{part}_l1"][-5:].mean() < 0.7 * log[f"{part}_l1"][:5].mean(), part
    assert (folder / "preview.png").exists()


def test_a_resumed_run_ends_with_the_same_weights(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    unbroken = train(learned, tmp_path / "a", config).joinpath("model.safetensors").read_bytes()

    class Killed(Exception):
        pass

    save = Checkpoint.save

    def save_then_die(self, state):
        save(self, state)
        if state["step"] == 20:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", save_then_die)
    with pytest.raises(Killed):
        train(learned, tmp_path / "b", config)
    assert not (tmp_path / "b/local_gans").exists()
    monkeypatch.setattr(Checkpoint, "save", save)
    assert train(learned, tmp_path / "b", config).joinpath("model.safetensors").read_bytes() == unbroken


def test_a_subject_without_a_visible_face_is_polished_all_the_same(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    tables.write(tmp_path / "faces.parquet", tables.FACES, {name: [] for name in tables.FACES.names}, {"reason": "back"})
    poses, other, about = read_poses(learned["poses"])
    poses = poses.map(np.copy)
    poses.face[...] = (np.nan, np.nan, 0)
    for joint in (0, 14, 15, 16, 17):
        poses.body[:, joint] = (np.nan, np.nan, 0)
    tables.write(tmp_path / "poses.parquet", tables.POSES, poses.columns() | other, about)
    faceless = learned | {"faces": tmp_path / "faces.parquet", "poses": tmp_path / "poses.parquet"}
    folder = train(faceless, tmp_path, config, steps=3)
    gans = LocalGans(folder, CPU)
    assert "face" not in gans.refiners and "right_hand" in gans.refiners
    foregrounds = torch.rand(2, 4, 64, 64)
    polished = gans.polish(foregrounds, poses[np.array([0, 1])], FaceIndex.read(faceless["faces"]))
    assert polished.shape == foregrounds.shape and polished.isfinite().all()


def test_polishing_changes_the_parts_and_nothing_else(learned, tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    gans = LocalGans(train(learned, tmp_path, config), CPU)
    poses, _, _ = read_poses(learned["poses"])
    foregrounds = torch.full((1, 4, 64, 64), 0.5)
    change = (gans.polish(foregrounds, poses[np.array([3])], FaceIndex.read(learned["faces"])) - foregrounds).abs().sum(1)[0]
    assert change[8:18, 26:38].max() > 0  # the face
    assert change[38:44, 28:38].max() == 0  # the thighs
