"""A rendered stranger who waves, with everything that is true about them: what the estimators are held to."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from stages import frames, params, samples
from stages.media import video_file
from stages.media.timeline import Timeline, read_timeline
from stages.samples.truth import read_truth

FRAMES = 18


@pytest.fixture(scope="session")
def stranger(tmp_path_factory) -> SimpleNamespace:
    """`file` (mp4, 256 x 256, 25 frames/s), true `pose`, `visible` points, `alpha` (T, S, S) and `plate`."""
    folder = tmp_path_factory.mktemp("stranger")
    paths = {"video": folder / "stranger.mp4", "truth": folder / "truth.parquet", "alpha": folder / "alpha.mkv",
             "plate": folder / "plate.png"}
    sample = params.SampleEntry(person="stranger_7", motions=("wave",), seed=5, seconds=FRAMES / 25, size=256)
    samples.run(**paths, params=sample)
    pose, visible = read_truth(paths["truth"])
    return SimpleNamespace(
        file=paths["video"], pose=pose, visible=visible, alpha=np.stack(list(video_file.frames(paths["alpha"], "gray"))),
        plate=cv2.imread(str(paths["plate"]))[..., ::-1], pictures=list(video_file.frames(paths["video"])))


@pytest.fixture(scope="session")
def other() -> list[np.ndarray]:
    """As many pictures of somebody else in a room of their own."""
    return [picture for picture, *_ in samples.frames("stranger_12", ("wave",), 3, FRAMES / 25, 256)]


@pytest.fixture
def lossless(tmp_path: Path):
    """Writes frames as a stage would and gives the path."""
    def write(name: str, pictures, mode="rgb", fps=25.0) -> Path:
        with video_file.lossless(tmp_path / name, fps, mode) as add:
            for picture in pictures:
                add(picture)
        return tmp_path / name
    return write


def frame(folder: Path, config: params.Params, file, video=(), **changes) -> tuple[Timeline, dict[str, Path]]:
    """Runs the stage `frames` on a file; gives the timeline and the paths."""
    block = config.presets["demo"].frames.model_copy(update={"size": 128, "max_size": 128, **changes})
    paths = {"frames": folder / "frames.mkv", "timeline": folder / "frames.parquet",
             "full_frames": folder / "full_frames.mkv", "view": folder / "view.parquet"}
    frames.run(**paths, params=block, entry=params.Video(file=str(file), preset="demo", **dict(video)))
    return read_timeline(paths["timeline"]), paths


@pytest.fixture
def framed(tmp_path, config):
    """`frame` within the test's folder."""
    return partial(frame, tmp_path, config)


@pytest.fixture(scope="session")
def stranger_framed(tmp_path_factory, config, stranger):
    """The stranger's own video framed, to be read only."""
    return frame(tmp_path_factory.mktemp("framed"), config, stranger.file)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A project of toy people, made and measured (reporting/made.py); to be read only."""
    from tests.stages.reporting import made  # takes a second, which few tests need

    folder = tmp_path_factory.mktemp("made")
    made.write_project(folder)
    return folder


@pytest.fixture(scope="session")
def reports(folder):
    """The report of each of its transfers, an HTML file by key."""
    from tests.stages.reporting import made

    return {key: made.write_report(folder, key) for key in made.ENTRIES}
