"""Shared fixtures, among them a tiny subject that needs no estimator: a waving stick figure with poses, masks and
timeline."""

import gc
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages import params, pretrained
from stages.media import parquet, video_file
from stages.pose import skeleton
from tests import fork
from tests.browser import page  # noqa: F401  fixtures
from tests.miniature import computed, project  # noqa: F401
from tests.server import database, server  # noqa: F401

SIZE, FRAMES, FPS = 64, 24, 8.0


gc.disable()


def pytest_collection_finish():
    """Excludes loaded modules (torch, DVC, Prefect) from garbage collection, which would take long."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_unconfigure():
    gc.unfreeze()


@pytest.fixture(scope="session")
def config() -> params.Params:
    """The repository's own params.yaml."""
    return params.load(Path(__file__).parents[1] / "params.yaml")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """What packages hold of trained weights, where stages look for it, and nothing else."""
    for folder in ("FOLDER", "METRIC_FOLDER"):
        monkeypatch.setattr(pretrained, folder, tmp_path / "trained")
    (tmp_path / "trained").mkdir()
    for name in pretrained.table():
        if path := pretrained.packaged(name):
            pretrained.path_of(name).symlink_to(path)


@pytest.fixture(scope="session", autouse=True)
def forks():
    """Runs DVC and stages as forks (tests/fork.py), except in tests marked `subprocesses`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", fork.Popen)
        yield


@pytest.fixture(autouse=True)
def no_forks(request, monkeypatch):
    if request.node.get_closest_marker("subprocesses"):
        monkeypatch.setattr(subprocess, "Popen", fork.REAL)


@pytest.fixture
def s3():
    """An S3 server, which the test may stop and start; see tests/remotes.py."""
    from tests.remotes import S3Server  # slow import, needed by few tests

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3_remote(s3):
    """An empty bucket as DVC's remote: `s3_remote.configure(folder)`."""
    return s3.remote()


@pytest.fixture
def folder_remote(tmp_path):
    """An empty folder as DVC's remote."""
    from tests.remotes import Remote

    return Remote(str(tmp_path / "remote"))


@pytest.fixture(params=["folder_remote", "s3_remote"])
def remote(request):
    """Both kinds of remotes."""
    return request.getfixturevalue(request.param)


def small(block, **changes):
    """A preset's block with some values changed."""
    return block.model_copy(update=changes)


def waving_pose(phase: float, size: int = SIZE) -> skeleton.Pose:
    """A standing person with a swinging right arm and a turning face; all points are known."""
    body = np.array([
        (32, 12), (32, 19), (27, 19), (24, 26), (20 + 6 * np.cos(phase), 32 + 8 * np.sin(phase)), (37, 19), (40, 26),
        (42, 33), (29, 36), (28, 46), (28, 56), (35, 36), (36, 46), (36, 56), (30, 10), (34, 10), (28, 11), (36, 11)])
    hand = np.linspace(0, 3, 21)[:, None] * [0.3, 1]
    face = np.array([(30, 10), (34, 10), (34, 15), (30, 15), (32 + np.sin(phase), 12.5)])
    feet = np.array([(28, 58), (25, 59), (36, 58), (39, 59)])
    sets = (body, body[7] + hand, body[4] + hand, feet, face)
    return skeleton.Pose(*(np.concatenate([xy * size / SIZE, np.ones((len(xy), 1))], 1).astype(np.float32) for xy in sets))


def paint(pose: skeleton.Pose, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """The figure as foreground RGB (S, S, 3) and alpha (S, S), uint8."""
    colour, alpha = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    for i, (a, b) in enumerate(skeleton.LIMBS):
        ends = [tuple(int(v) for v in pose.body[j, :2]) for j in (a, b)]
        cv2.line(colour, *ends, [int(c) for c in skeleton.COLOURS[i]], 3)
        cv2.line(alpha, *ends, 255, 3)
    return colour, alpha


@pytest.fixture(scope="session")
def subject(tmp_path_factory) -> dict:
    """Paths of the inputs of training (frames, timeline, masks, background, poses): 24 frames of 64 x 64."""
    folder = tmp_path_factory.mktemp("subject")
    paths = {name: folder / file for name, file in {
        "frames": "frames.mkv", "timeline": "frames.parquet", "masks": "masks.mkv", "poses": "poses.parquet",
        "background": "background.png"}.items()}
    rng = np.random.default_rng(0)
    background = cv2.GaussianBlur(rng.integers(60, 200, (SIZE, SIZE, 3), np.uint8), (0, 0), 2)
    cv2.imwrite(str(paths["background"]), background[..., ::-1])
    poses = [waving_pose(0.4 * i) for i in range(FRAMES)]
    with video_file.lossless(paths["frames"], FPS) as add_frame, video_file.lossless(paths["masks"], FPS, "gray") as add_mask:
        for pose in poses:
            colour, alpha = paint(pose)
            add_frame(np.where(alpha[..., None] > 0, colour, background))
            add_mask(alpha)
    split = ["train"] * 17 + ["gap"] * 2 + ["test"] * 5
    about = {"fps": FPS, "file": "figure.mp4", "full_size": [96, 80], "crop": [10.0, 5.0, 72.0],
             "full_frames": [0], "split_reason": None}
    parquet.write(paths["timeline"], parquet.TIMELINE, {
        "frame": np.arange(FRAMES), "seconds": np.arange(FRAMES) / FPS, "split": split, "take": [0] * FRAMES}, about)
    parquet.write(paths["poses"], parquet.POSES, skeleton.Pose.stack(poses).columns() | {
        "frame": np.arange(FRAMES), "detected": [True] * FRAMES, "interpolated": [False] * FRAMES,
        "people": [1] * FRAMES}, {"estimator": "drawn"})
    return paths
