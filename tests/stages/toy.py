"""A full set of tiny synthetic artifacts: a striped figure moves in front of a noisy wall. For tests of stages that
read many artifacts and do not depend on their content."""

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages import layout
from stages.media import parquet, video_file
from stages.params import Metrics, Transfer
from stages.pose.skeleton import LIMBS, L_ANKLE, L_WRIST, R_ANKLE, R_WRIST, Pose

SIZE, FPS, FRAMES = 64, 25.0, 40
RECONSTRUCTION = Transfer(target="ann", source="ann", preset="demo", truth=None)
METRICS = Metrics(weights=False, flow="dis", redetect=False, min_score=0.3, device="cpu", batch=8)
IMITATION = Transfer(target="ann", source="bob", preset="demo", truth=None)


def pose(t: int, height: float = 40.0) -> Pose:
    """Pose of the figure in frame t; all points are known."""
    x = SIZE / 2 + 8 * np.sin(t / 5) + t / 50
    unit = height / 40
    spots = [(0, -36), (0, -30), (-6, -30), (-8, -22), (-9, -15), (6, -30), (8, -22), (9, -15), (-3, -16), (-4, -8),
             (-4, 0), (3, -16), (4, -8), (4, 0), (-2, -38), (2, -38), (-4, -37), (4, -37)]
    body = np.float32([(x + a * unit, SIZE - 8 + b * unit + (b < -20) * np.sin(t / 3), 0.9) for a, b in spots])
    hand = lambda wrist: wrist + np.float32([[0.15 * i, 0.2 * i, 0] for i in range(21)])
    feet = body[[R_ANKLE, R_ANKLE, L_ANKLE, L_ANKLE]] + np.float32([[-1, 2, 0], [2, 3, 0]] * 2)
    face = body[0] + np.float32([[-2, -2, 0], [2, -2, 0], [1.5, 2, 0], [-1.5, 2, 0], [0, 0, 0]])
    return Pose(body, hand(body[L_WRIST]), hand(body[R_WRIST]), feet, face)


def poses(frames: int = FRAMES, height: float = 40.0) -> Pose:
    return Pose.stack([pose(t, height) for t in range(frames)])


def wall() -> np.ndarray:
    noise = np.random.default_rng(7).integers(60, 190, (SIZE // 4, SIZE // 4, 3), np.uint8)
    return cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def figure(p: Pose, colour=(200, 80, 60)) -> np.ndarray:
    """RGBA image of the figure: thick lines for limbs."""
    picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    for i, (a, b) in enumerate(LIMBS):
        shade = tuple(int(c * (0.7 + 0.3 * (i % 2))) for c in colour)
        cv2.line(picture, *(tuple(int(v) for v in p.body[j, :2]) for j in (a, b)), (*shade, 255), 4)
    return picture


def over(rgba: np.ndarray, background: np.ndarray) -> np.ndarray:
    return np.where(rgba[..., 3:] > 127, rgba[..., :3], background)


def write_timeline(path: Path, frames: int = FRAMES, split: bool = True, take=None, **about) -> None:
    parts = ["train"] * (frames - 15) + ["gap"] * 5 + ["test"] * 10 if split else [None] * frames
    columns = {"frame": np.arange(frames), "seconds": np.arange(frames) / FPS, "split": parts,
               "take": [0] * frames if take is None else take}
    parquet.write(path, parquet.TIMELINE, columns, {
        "fps": FPS, "file": "ann.mp4", "full_size": [96, 80], "crop": [16, 8, 64], "size": SIZE, "full_frames": [0],
        "camera": None, "sha256": {"ann.mp4": 64 * "a"}, "split_reason": None if split else "1.6 s are too short",
        **about,
    })


def write_view(path: Path, frames: int = FRAMES, camera: np.ndarray | None = None, **about) -> None:
    """The view of a static camera, or of one with the homographies `camera` (T, 3, 3)."""
    moved = np.tile(np.eye(3), (frames, 1, 1)) if camera is None else camera
    parquet.write(path, parquet.VIEW, {
        "frame": np.arange(frames), "box": np.tile(np.float32([20, 10, 44, 60]), (frames, 1)), "people": [1] * frames,
        "camera": moved.reshape(frames, 9), "light": np.tile(np.repeat(np.float32([1, 0]), 3), (frames, 1)),
    }, {"moving": camera is not None, "reference": 0, "frame_size": [96, 80], "residual": 0.0, **about})


def write_poses(path: Path, p: Pose, about: dict | None = None, frames=None) -> None:
    count = len(p)
    rest = {"frame": np.arange(count) if frames is None else frames, "detected": [True] * count,
            "interpolated": [False] * count, "people": [1] * count}
    parquet.write(path, parquet.POSES, p.columns() | rest, about)


def write_driving(path: Path, p: Pose, about: dict, frames, scale: float = 1.0, offset=(0.0, 0.0)) -> None:
    """Poses that retargeting has transformed by one similarity for all frames."""
    count = len(p)
    rest = {"frame": frames, "detected": [True] * count, "interpolated": [False] * count, "people": [1] * count,
            "scale": [scale] * count, "offset": np.tile(offset, (count, 1))}
    parquet.write(path, parquet.DRIVING, p.columns() | rest, about)


def write_log(path: Path) -> None:
    steps = np.arange(1, 61)
    pq.write_table(pa.table({"step": steps, "l1": 1 / steps**0.5, "gw": 0.1 / steps, "spatial": 0.2 + 0 * steps}), path)


def write_person(root: Path, key: str, height: float, colour) -> None:
    """All outputs of the stages frames to local_gan_training for one person."""
    folder, p, background = root / key, poses(height=height), wall()
    folder.mkdir(parents=True)
    with (video_file.lossless(folder / "frames.mkv", FPS) as frames,
          video_file.lossless(folder / "masks.mkv", FPS, "gray") as masks):
        for t in range(FRAMES):
            rgba = figure(p[t], colour)
            frames(over(rgba, background))
            masks(rgba[..., 3])
    write_timeline(folder / "frames.parquet")
    write_view(folder / "view.parquet")
    write_poses(folder / "poses.parquet", p)
    cv2.imwrite(str(folder / "background.png"), background[..., ::-1])
    seen = np.full((SIZE, SIZE), 255, np.uint8)
    seen[40:50, 30:34] = 0
    cv2.imwrite(str(folder / "background_seen.png"), seen)
    crops = [cv2.imencode(".png", np.full((24, 24, 3), 20 * i, np.uint8))[1].tobytes() for i in range(8)]
    face = p.face[:8, :, :2]
    vectors = face[:, [1, 2, 3, 0, 4]] - face[:, [0, 1, 2, 3, 0]]
    parquet.write(folder / "faces.parquet", parquet.FACES, {
        "frame": np.arange(8), "points": face, "vectors": vectors / 4, "box": np.tile([20, 10, 44, 34], (8, 1)),
        "crop": crops,
    })
    for name in ("generator", "local_gans"):
        (folder / name).mkdir()
        (folder / name / "about.json").write_text(json.dumps({"features": "random", "steps": 60, "consent": "synthetic"}))
        write_log(folder / name / "log.parquet")
    cv2.imwrite(str(folder / "generator" / "preview_00050.png"), background)
    cv2.imwrite(str(folder / "generator" / "preview_00060.png"), background)
    cv2.imwrite(str(folder / "local_gans" / "preview.png"), background)


def write_transfer(root: Path, key: str, entry: Transfer) -> None:
    """The outputs of retargeting, fusion and signing, with a foreground that differs slightly from the truth."""
    folder, background = root / key, wall()
    folder.mkdir(parents=True)
    rows = np.arange(FRAMES - 10, FRAMES) if entry.reconstruction else np.arange(FRAMES)
    p = poses()[rows]
    about = {"fps": FPS, "first": int(rows[0]), "reconstruction": entry.reconstruction, "scale": 1.0, "outside": 0.02}
    write_driving(folder / "driving.parquet", p, about, rows)
    with video_file.lossless(folder / "foreground.mkv", FPS, "rgba") as foreground:
        for t in range(len(rows)):
            foreground(figure(p[t], (190, 90, 70)))
    for name in ("unsigned.mp4", "video.mp4"):
        with video_file.h264(folder / name, FPS, 18, {"title": "toy"}) as whole:
            for t in range(len(rows)):
                whole(np.pad(over(figure(p[t]), background), ((8, 8), (16, 16), (0, 0))))


def write_all(root: Path) -> None:
    """ann and bob, ann_from_ann and ann_from_bob, below root/artifacts."""
    artifacts = root / layout.ROOT
    write_person(artifacts, "ann", 40.0, (200, 80, 60))
    write_person(artifacts, "bob", 44.0, (60, 80, 200))
    write_transfer(artifacts, "ann_from_ann", RECONSTRUCTION)
    write_transfer(artifacts, "ann_from_bob", IMITATION)


def paths(stage: str, key: str, entry: Transfer, root: Path) -> dict[str, Path]:
    """The paths among the arguments of a transfer stage's `run`."""
    found = layout.inputs(stage, key, entry.target, entry.source) | layout.outputs(stage, key)
    return {name: root / path for name, path in found.items()}
