"""Speed of inference: the stage fusion, from driving poses to the encoded video. Rows of tests.benchmarks.training.

The networks have the architecture of a preset but are hardly trained, which does not affect the speed."""

import os
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from stages import face_vector_indexing, fusion, generator_training, layout, local_gan_training, params, samples
from stages.media import parquet, png, video_file
from stages.pose.skeleton import Pose
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
PERSON, MOTIONS, FPS, RENDERED, SHOWN = "stranger_301", ("dance",), 25.0, 60, 240  # RENDERED, SHOWN: frames
GOALS = {128: 12, 256: 4}
ME = params.Transfer(target="me", source="me", preset="demo", truth=None)


def inference() -> list[Figure]:
    """The speed with the demo preset on this machine's CPU, one row for each frame size."""
    remark = f"{os.cpu_count()} cores, {SHOWN} frames"
    return [Figure(f"inference: frames/s at {size}", speed(size), goal, remark=remark) for size, goal in GOALS.items()]


def speed(size: int, device: str = "cpu", preset: str = "demo") -> float:
    """Frames per second at size x size, including the start and the end of the stage."""
    preset = params.load(ROOT / "params.yaml").presets[preset]
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        root = Path(scratch)
        learn(root, preset, size, device)
        begun = time.perf_counter()
        fusion.run(**paths(root, "fusion", "me_from_me"), entry=ME, params=small(preset.fusion, device=device))
        return SHOWN / (time.perf_counter() - begun)


def learn(root: Path, preset: params.Preset, size: int, device: str) -> None:
    """Writes the inputs of fusion: the ground truth of a rendered person, and networks trained on it for one step."""
    found = paths(root, "fusion", "me_from_me") | paths(root, "generator_training", "me")
    poses, count = [], RENDERED
    found["frames"].parent.mkdir(parents=True)
    with video_file.lossless(found["frames"], FPS) as frame, video_file.lossless(found["masks"], FPS, "gray") as mask:
        for rgb, alpha, pose, _ in samples.frames(PERSON, MOTIONS, 301, RENDERED / FPS, size):
            frame(rgb)
            mask(alpha)
            poses.append(pose)
    for plate in ("background", "full_background"):
        png.write(found[plate], rgb)
    write_poses(found["poses"], Pose.stack(poses))
    there_and_back = [*range(count), *reversed(range(count))]
    write_poses(found["driving"], Pose.stack([poses[i] for i in there_and_back * (SHOWN // len(there_and_back))]))
    parquet.write(found["timeline"], parquet.TIMELINE, {
        "frame": np.arange(count), "seconds": np.arange(count) / FPS, "split": ["train"] * count, "take": [0] * count,
    }, {"fps": FPS, "file": "me.mp4", "full_size": [size, size], "crop": [0.0, 0.0, float(size)], "size": size})
    parquet.write(found["target_view"], parquet.VIEW, {
        "frame": np.arange(count), "box": np.tile(np.float32([0, 0, size, size]), (count, 1)), "people": [1] * count,
        "camera": np.tile(np.eye(3), (count, 1, 1)).reshape(count, 9), "light": np.ones((count, 6), np.float32),
    }, {"moving": False, "reference": 0, "frame_size": [size, size]})

    subject, before = params.Subject(preset="demo", consent="synthetic"), os.getcwd()
    os.chdir(root)  # the trainings store their checkpoints in the current folder
    try:
        face_vector_indexing.run(**paths(root, "face_vector_indexing", "me"), params=preset.face_vector_indexing)
        for stage, block in ((generator_training, preset.generator_training),
                             (local_gan_training, preset.local_gan_training)):
            stage.run(**paths(root, stage.__name__.removeprefix("stages."), "me"), entry=subject, key="me",
                      params=small(block, steps=1, features="random", device=device))
    finally:
        os.chdir(before)


def paths(root: Path, stage: str, key: str) -> dict[str, Path]:
    """The inputs and outputs of a stage by argument name; target and source are the same person."""
    ends = {"target": "me", "source": "me"} if layout.KINDS[stage] == "transfers" else {}
    found = layout.inputs(stage, key, **ends) | layout.outputs(stage, key)
    return {name: root / path for name, path in found.items()}


def write_poses(path: Path, poses: Pose) -> None:
    count = len(poses)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write(path, parquet.POSES, poses.columns() | {
        "frame": np.arange(count) % RENDERED, "detected": [True] * count, "interpolated": [False] * count,
        "people": [1] * count})


def small(block: params.PresetBlock, **changes) -> params.PresetBlock:
    return block.model_copy(update=changes)
