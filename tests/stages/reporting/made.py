"""A project of toy people whose transfers have been made and measured: what reports are made of."""

import contextlib
import copy
from pathlib import Path

import numpy as np
import yaml

from stages import metrics, pose_coverage, report
from stages.media import video_file
from stages.params import PoseCoverage, Report, Transfer
from stages.reporting.report_inputs import ReportInputs
from tests.stages import toy

ROOT = Path(__file__).parents[3]
TRUTH = "ann_as_bob.mp4"
ENTRIES = {  # transfer: its entry
    "ann_from_ann": toy.RECONSTRUCTION,
    "ann_from_bob": Transfer(target="ann", source="bob", preset="demo", truth=TRUTH),
    "ann_like_bob": toy.IMITATION,  # without a truth
}
COVERED = PoseCoverage(near=0.15, frames=4)
SETTINGS = {
    "videos": {name: {"file": f"{name}.mp4", "preset": "demo"} for name in ("ann", "bob")},
    "subjects": {"ann": {"preset": "demo", "consent": "synthetic"}},
    "transfers": {
        "ann_from_ann": {"target": "ann", "source": "ann", "preset": "demo", "truth": "ann.mp4"},
        "ann_from_bob": {"target": "ann", "source": "bob", "preset": "demo", "truth": TRUTH},
        "ann_like_bob": {"target": "ann", "source": "bob", "preset": "demo", "truth": "bob.mp4"},
    },
}


def true_picture(t: int) -> np.ndarray:
    """The square of frame t of TRUTH: the figure in another colour than the generated one."""
    return toy.over(toy.figure(toy.pose(t), (40, 60, 220)), toy.wall())


def write_project(folder: Path) -> None:
    """All that a report reads, and the params.yaml that it comes from."""
    toy.write_all(folder)
    toy.write_transfer(folder / "artifacts", "ann_like_bob", toy.IMITATION)
    with video_file.h264(folder / TRUTH, toy.FPS, 12, {}) as show:
        for t in range(toy.FRAMES):
            show(np.pad(true_picture(t), ((8, 8), (16, 16), (0, 0))))
    settings = yaml.safe_load((ROOT / "params.yaml").read_text()) | copy.deepcopy(SETTINGS)
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    with contextlib.chdir(folder):
        for key, entry in ENTRIES.items():
            cover(Path(), key)
            metrics.run(**toy.paths("metrics", key, entry, Path()), params=toy.METRICS, entry=entry, key=key)


def cover(folder: Path, key: str) -> None:
    entry = ENTRIES[key]
    pose_coverage.run(**toy.paths("pose_coverage", key, entry, folder), params=COVERED, entry=entry)


def write_report(folder: Path, key: str) -> Path:
    entry = ENTRIES[key]
    with contextlib.chdir(folder):
        files = toy.paths("report", key, entry, Path())
        report.run(**files, params=Report(frames=4), entry=entry, key=key)
    return folder / files["report"]


def inputs(folder: Path, key: str) -> ReportInputs:
    files = toy.paths("report", key, ENTRIES[key], folder)
    files.pop("report")
    return ReportInputs(files, ENTRIES[key], key)
