"""Fixtures: the miniature project with two transfers and two variants, in git, and a small table of the paper."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
import pipeline  # noqa: F401  before Prefect: switches its analytics off
from prefect.settings import PREFECT_API_URL, temporary_settings

from pipeline.dvc_backend.digests import write_digests
from pipeline.paper_tables import tables
from stages.evaluation.scoring import FRAME_SCORES
from tests.miniature import Project, once

ROOT = Path(__file__).parents[2]
TRANSFERS = ("ava_from_ava", "ava_from_ben")
ITSELF = dict(target="ava", source="ava", preset="demo", truth="artifacts/samples/ava.mp4")
WHAT_IS_SEEN = 'given["learned"] = [paths[name].read_text() for name in ("generator", "local_gans")]'
METRICS = '''
import json, zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.media.files import atomic_write

NAMES = []


def run(metrics, per_frame, scores, plots, foreground, key, **rest):
    """Scores that differ with what is seen, by which training made it."""
    level = zlib.crc32(foreground.read_bytes()) % 1000 / 100
    frames = np.arange(60)
    columns = {name: np.full(60, np.nan) for name in NAMES}
    columns |= {"psnr": 25 + level + np.sin(frames), "ssim": 0.9 + frames / 1e3}
    with atomic_write(per_frame) as temporary:
        pq.write_table(pa.table({"frame": frames} | columns), temporary)
    found = {"psnr": dict(value=25 + level, unit="dB", reason=None, low=24 + level, high=26 + level),
             "ssim": dict(value=0.93, unit=None, reason=None, low=0.9, high=0.96),
             "lpips": dict(value=None, unit=None, reason="no weights", low=None, high=None)}
    with atomic_write(metrics) as temporary:
        temporary.write_text(json.dumps(dict(fps=10.0, metrics=found)))
    scores.write_text(json.dumps({"psnr": 25 + level}))
    plots.mkdir()
'''
PAPER = {
    "best": {"psnr": 1, "ssim": 1, "lpips": -1}, "extra": {"reconstruction": [], "imitation": ["ssim"]},
    1: {"title": "In miniature", "ours": "complete",
        "columns": {"reconstruction": ["psnr", "lpips"], "imitation": ["psnr"]}, "rows": [
            dict(key="td", name="TD", variant="td", complexmotion=[26.0, 0.06, 20.0], iper=[25.0, 0.07, 21.0]),
            dict(key="lwgan", name="LWGAN", complexmotion=[24.0, 0.08, 19.0], iper=[22.0, 0.09, 18.0]),
            dict(key="complete", name="Ours", variant="complete", complexmotion=[27.0, 0.04, 22.0],
                 iper=[26.0, 0.05, 23.0]),
        ]},
}


def git(*arguments: str, folder: Path | None = None) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def prefect(server) -> Iterator[None]:
    """Flows of this process run on the server."""
    with temporary_settings({PREFECT_API_URL: server}):
        yield


@pytest.fixture(scope="session")
def ready(computed, tmp_path_factory) -> Path:
    """The project with a second transfer and two variants, in git, and a small table."""
    return once(tmp_path_factory, "ready", lambda folder: _prepare(computed, folder))


def _prepare(computed: Project, folder: Path) -> None:
    shutil.copytree(computed.folder, folder, symlinks=True, dirs_exist_ok=True)
    known = yaml.safe_load((ROOT / "params.yaml").read_text())["variants"]
    variants = {name: known[name] for name in ("complete", "td")}
    del variants["complete"]["metrics"]  # needs metric networks, whose weights `table` would fetch
    Project(folder).change(transfers={"ava_from_ava": ITSELF}, variants=variants)
    fusion = folder / "stages/fusion.py"
    fusion.write_text(fusion.read_text().replace('given["metrics"]', f"{WHAT_IS_SEEN}\n            given[\"metrics\"]"))
    (folder / "stages/metrics.py").write_text(METRICS.replace("NAMES = []", f"NAMES = {FRAME_SCORES}"))
    write_digests(folder)
    (folder / "paper.yaml").write_text(yaml.safe_dump(PAPER, sort_keys=False))
    git("add", ".gitignore", ".dvc", ".dvcignore", "digests", "dvc.yaml", "metric_weights", "params.yaml", "stages",
        folder=folder)
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all", folder=folder)
    (folder / "ran").unlink()


@pytest.fixture
def study(ready, tmp_path, monkeypatch) -> Project:
    shutil.copytree(ready, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("ORDERS", str(tmp_path / "project"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # git has no user name
    monkeypatch.setattr(tables, "PAPER", Path("paper.yaml"))
    return Project(tmp_path / "project")
