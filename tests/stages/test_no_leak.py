"""No held-out frame, and none of the gap before it, has any effect on what is learned.

Whatever these frames show, the masks of the training frames, the background, the face index, the generator and the local
GANs are the same, byte for byte. A change of the training frames changes every one of them. (Poses are smoothed over time
up to the gap, not across it.) The video has two takes; the held-out part is in the last one.
"""

from pathlib import Path

import numpy as np
import pytest

from stages import (
    background_inpainting, face_vector_indexing, generator_training, layout, local_gan_training, mask_segmentation,
    params, pose_extraction,
)
from stages.media import video_file
from stages.media.timeline import read_timeline
from stages.pose.cleaning import clean_poses
from tests.stages import toy

SUBJECT = params.Subject(preset="demo", consent="synthetic")
FULL_FRAMES = [0, 8, 16, 24]  # training frames whose full picture is kept
STAGES = {  # in order, with changes to the demo preset that make them fast
    mask_segmentation: {},
    background_inpainting: {"inpainter": "gated", "size": 32, "width": 4, "steps": 2, "batch": 1, "device": "cpu"},
    face_vector_indexing: {},
    generator_training: {
        "steps": 3, "clips": 1, "clip_length": 3, "single_frames": 1, "width": 8, "num_downsamples": 3,
        "patch_size": 2, "blocks": 1,
        "discriminator_width": 8, "features_depth": 1, "features_size": 32, "features": "random", "adversarial_interval": 1, "gw_outer": 2,
        "gw_inner": 5, "checkpoint_every": 99, "preview_every": 3, "precision": "float32", "device": "cpu"},
    local_gan_training: {
        "steps": 3, "batch": 4, "crop_share": 0.25, "width": 8, "num_downsamples": 1, "patch_size": 1, "blocks": 1,
        "faces": "vectors", "features": "random", "checkpoint_every": 99, "device": "cpu"},
}
TRAINING = 25  # frames, as toy's timeline has it
FOLDER = layout.ROOT / "ann"
RESULTS = ("masks.mkv", "background.png", "background_seen.png", "background_full.png", "faces.parquet",
           "generator/model.safetensors", "local_gans/model.safetensors")


def prepare(root: Path, garbage: range) -> None:
    """Writes the inputs of toy's ann. The frames in `garbage` are noise, with random poses and other silhouettes."""
    folder = root / FOLDER
    toy.write_person(root / layout.ROOT, "ann", 40.0, (200, 80, 60))
    toy.write_timeline(folder / "frames.parquet", full_frames=FULL_FRAMES, take=np.repeat([0, 1], [10, 30]))
    noise, poses = np.random.default_rng(5), toy.poses()
    pictures, outlines = list(video_file.frames(folder / "frames.mkv")), list(video_file.frames(folder / "masks.mkv", "gray"))
    for t in garbage:
        pictures[t] = noise.integers(0, 256, pictures[t].shape, np.uint8)
        outlines[t] = np.roll(outlines[t], 20, 1)
    for points in poses.point_sets().values():
        points[garbage, :, :2] = noise.uniform(0, toy.SIZE, points[garbage, :, :2].shape)
    toy.write_poses(folder / "poses.parquet", poses, {"silhouettes": "mediapipe"})
    whole = [np.pad(pictures[t], ((8, 8), (16, 16), (0, 0)), "edge") for t in FULL_FRAMES]
    files = (("frames", "rgb", pictures), ("silhouettes", "gray", outlines), ("full_frames", "rgb", whole))
    for name, mode, shown in files:
        with video_file.lossless(folder / f"{name}.mkv", toy.FPS, mode) as add:
            for picture in shown:
                add(picture)


def learn(root: Path, config, monkeypatch) -> dict[str, bytes]:
    """Runs the stages; the content of their files, for the masks that of the training frames."""
    monkeypatch.chdir(root)
    found = {}
    for stage, changes in STAGES.items():
        name = stage.__name__.split(".")[-1]
        block = getattr(config.presets["demo"], name)
        block = type(block)(**block.model_dump() | changes)
        about = {"entry": SUBJECT, "key": "ann"} if name.endswith("training") else {}
        stage.run(**layout.inputs(name, "ann"), **layout.outputs(name, "ann"), params=block, **about)
        for path in layout.outputs(name, "ann").values():
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            found |= {str(file): file.read_bytes() for file in files}
    masks = np.stack(list(video_file.frames(FOLDER / "masks.mkv", "gray")))
    return found | {str(FOLDER / "masks.mkv"): masks[read_timeline(FOLDER / "frames.parquet").training_frames()].tobytes()}


@pytest.fixture(scope="module")
def reference(tmp_path_factory, config) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("reference")
    prepare(root, range(0))
    with pytest.MonkeyPatch.context() as patch:
        return learn(root, config, patch)


def test_other_frames_have_no_effect(reference, tmp_path, config, monkeypatch):
    prepare(tmp_path, range(TRAINING, toy.FRAMES))
    found = learn(tmp_path, config, monkeypatch)
    assert set(found) == set(reference) and len(found) >= 12
    assert [name for name in found if found[name] != reference[name]] == []


def test_training_frames_have_an_effect_on_everything(reference, tmp_path, config, monkeypatch):
    """So the test above can fail: the last training frame is changed."""
    prepare(tmp_path, range(TRAINING - 1, TRAINING))
    found = learn(tmp_path, config, monkeypatch)
    assert [name for name in RESULTS if found[str(FOLDER / name)] == reference[str(FOLDER / name)]] == []


def test_held_out_poses_do_not_smooth_into_the_training_part():
    poses, others = toy.poses(200), toy.poses(200)
    train, test = slice(0, 150), slice(175, 200)  # a gap of a second
    for points in others.point_sets().values():
        points[test, :, :2] = np.random.default_rng(0).uniform(0, toy.SIZE, points[test, :, :2].shape)
    poses.depth[:], others.depth[:], others.depth[test] = 0, 0, 10
    one, other = (clean_poses(pose, np.zeros(200, int), toy.FPS, 1.0, 10)[0].columns() for pose in (poses, others))
    for name in one:
        assert np.abs(one[name][train] - other[name][train]).max() < 1e-4, name
        assert np.abs(one[name][150:175] - other[name][150:175]).max() > 0.1  # it would be seen
