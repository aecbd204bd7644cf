"""Accuracy of all stages against the ground truth of rendered people that were not used during development.

    python -m tests.benchmarks.ground_truth

--world hard     renders the people in the hard world (stages/samples/hard_world.py): the same rows, with goals for the
                 background only
--only pose,gw   some of: pose, following, mask, background, camera, face, retargeting, reconstruction, imitation, gw,
                 repro
--keep DIR       works in DIR and keeps it; artifacts that are there are not computed again
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from stages import layout, pose_extraction, pretrained
from stages.evaluation.perceptual_distance import lpips_network
from stages.imaging import image_quality
from stages.media import timeline, footage, video_file
from stages.media.pose_table import read_poses
from stages.media.seek import select_frames
from stages.params import load
from stages.pose.skeleton import L_ANKLE, L_EAR, R_ANKLE, R_EAR, Pose, person_height
from stages.samples import motion, read_truth
from tests import settings
from tests.benchmarks.figures import Figure, argument_parser, print_figures
from tests.benchmarks.following import following
from tests.benchmarks.gromov_wasserstein import gw
from tests.benchmarks.held_out import lpips
from tests.benchmarks.moving import camera
from tests.boundaries import boundary_f

ROOT = Path(__file__).parents[2]
TARGET, SOURCE = "stranger_101", "stranger_102"
HARD = {"background: PSNR of the pixels seen": 40, "background: LPIPS to the true room": 0.01}  # with --world hard
ANKLES = [R_ANKLE, L_ANKLE]


def project(world: str) -> dict:
    """The content of a params.yaml with the presets of the project and rendered strangers as people."""
    imitator = {"person": SOURCE, "motions": ["dance", "wave", "squat"], "seed": 102, "seconds": 6.0, "size": 256,
                "world": world}
    motions = ["turn", "wave", "squat", "kick", "dance"]
    own = {"person": TARGET, "motions": motions, "seed": 101, "seconds": 20.0, "size": 256, "world": world}
    movie = {name: f"artifacts/samples/{name}.mp4" for name in ("target", "source", "truth")}
    return settings.people(
        {name: movie[name] for name in ("target", "source")},
        samples={"target": own, "source": imitator, "truth": imitator | {"person": TARGET}},
        subjects={"target": {"preset": "demo", "consent": "synthetic"}},
        transfers={
            "reconstruction": {"target": "target", "source": "target", "preset": "demo", "truth": movie["target"]},
            "imitation": {"target": "target", "source": "source", "preset": "demo", "truth": movie["truth"]},
        })


def make(folder: Path, stage: str, key: str) -> None:
    """Runs `stage@key` in the folder, after the stages that it needs, unless its outputs are there."""
    if all((folder / path).exists() for path in layout.outputs(stage, key).values()):
        return
    entry = yaml.safe_load((folder / "params.yaml").read_text())[layout.KINDS[stage]][key]
    keys = {"key": key, "target": entry.get("target"), "source": entry.get("source")}
    needed = {(producer, keys[whose]) for producer, _, whose in layout.INPUTS[stage].values()}
    if stage == "frames":
        needed = {("samples", key)}
    if stage == "metrics" and key == "imitation":
        needed |= {("samples", "truth")}
    for producer, name in sorted(needed):
        make(folder, producer, name)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "stages", stage, key], cwd=folder, env=environment, check=True)


class Square:
    """The ground truth in the S x S square of one video."""

    def __init__(self, folder: Path, of: str, square: str):
        self.about = timeline.read_timeline(folder / f"artifacts/{square}/frames.parquet").about
        seconds = timeline.read_timeline(folder / f"artifacts/{square if of != 'truth' else 'source'}/frames.parquet").seconds
        self.rows = np.rint(seconds * motion.FPS).astype(int)  # of the rendered video
        pose, visible = read_truth(folder / f"artifacts/samples/{of}.parquet")
        left, top, side = self.about["crop"]
        self.size, scale = self.about["size"], self.about["size"] / side
        # Points outside of the picture have a true position as well, so every score is 1.
        self.pose = pose[self.rows].map(
            lambda p: np.concatenate([(p[..., :2] - [left, top]) * scale, np.ones_like(p[..., 2:])], -1))
        inside = self.pose.map(lambda p: (p[..., :2] >= 0).all(-1) & (p[..., :2] < self.size).all(-1))
        self.visible = {name: seen[self.rows] & getattr(inside, name) for name, seen in visible.items()}
        self.height = np.percentile(person_height(self.pose.body), 95)  # nose to ankles, upright

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The square of a rendered picture, (S, S, 3)."""
        return footage.crop_square(picture, self.about["crop"], self.size)


def pose(folder: Path) -> list[Figure]:
    """Poses of both people. Jitter is the mean norm of the second difference of the error."""
    hits, jitter, lost, fast = [], [], [], []
    for name in ("target", "source"):
        make(folder, "pose_extraction", name)
        true, found = Square(folder, name, name), read_poses(folder / f"artifacts/{name}/poses.parquet")[0]
        off, rough = (error.body[..., :2] - true.pose.body[..., :2] for error in (found, raw_poses(folder, name)))
        distance, raw_distance = (np.linalg.norm(error, axis=-1) / true.height for error in (off, rough))  # (T, 18)
        seen = true.visible["body"]
        hits.append(distance[seen])
        thrice = seen[:-2] & seen[1:-1] & seen[2:]
        shaking = [np.nanmean(np.linalg.norm(np.diff(error, 2, axis=0), axis=-1)[thrice]) for error in (off, rough)]
        jitter.append(shaking[0] / shaking[1])
        worse = 100 * (distance - raw_distance)
        speed = np.linalg.norm(np.gradient(true.pose.body[..., :2], axis=0), axis=-1)
        lost.append(np.nanmean(worse[seen]))
        fast.append(np.nanmean(worse[seen & (speed > np.percentile(speed[seen], 90))]))
    hits = np.concatenate(hits)
    return [
        Figure("pose: visible joints within 5 % of the height", 100 * (hits <= 0.05).mean(), 98, "%"),
        Figure("pose: visible joints within 2.5 % of the height", 100 * (hits <= 0.025).mean(), 95, "%"),
        Figure("pose: jitter, smoothed / raw, the worse of two", max(jitter), 0.5, "", True),
        Figure("pose: accuracy lost by smoothing, share of the height", max(lost), 0, "%", True),
        Figure("pose: the same of the fastest tenth", max(fast), 0, "%", True),
    ]


def raw_poses(folder: Path, name: str) -> Pose:
    """The poses of the estimator alone: the stage with smoothing 0."""
    outputs = {argument: folder / "raw" / path for argument, path in layout.outputs("pose_extraction", name).items()}
    if not outputs["poses"].exists():
        inputs = {argument: folder / path for argument, path in layout.inputs("pose_extraction", name).items()}
        params = load(folder / "params.yaml").presets["demo"].pose_extraction.model_copy(update={"smoothing": 0.0})
        pose_extraction.run(**inputs, **outputs, params=params)
    return read_poses(outputs["poses"])[0]


def mask(folder: Path) -> list[Figure]:
    make(folder, "mask_segmentation", "target")
    true = Square(folder, "target", "target")
    alphas = video_file.frames(folder / "artifacts/samples/target_alpha.mkv", "gray")
    alphas = select_frames(alphas, true.rows,
                    "target_alpha.mkv")
    masks, scores, band = video_file.frames(folder / "artifacts/target/masks.mkv", "gray"), [], []
    for alpha, found in zip(map(true.cut, alphas), masks, strict=True):
        inside, called, error = alpha > 127, found > 127, cv2.absdiff(alpha, found) / 255
        edge = (cv2.dilate(alpha, np.ones((5, 5))) > 0) & (cv2.erode(alpha, np.ones((5, 5))) < 255)
        scores.append(((inside & called).sum() / (inside | called).sum(),
                       boundary_f(called, inside, 2 * true.size / 256), error.mean()))
        band.append(error[edge].mean())
    overlap, outline, error = np.mean(scores, axis=0)
    remark = f"{np.mean(band):.3f} of the pixels within 2 of the edge"
    return [
        Figure("mask: intersection over union at alpha 0.5, mean", overlap, 0.98, remark=f"worst {min(scores)[0]:.3f}"),
        Figure("mask: boundary F-score, 2 pixels at 256", outline, 0.95),
        Figure("mask: mean absolute error of alpha", error, 0.01, "", True, remark),
    ]


def background(folder: Path) -> list[Figure]:
    make(folder, "background_inpainting", "target")
    true = Square(folder, "target", "target")
    plate = true.cut(cv2.imread(str(folder / "artifacts/samples/target_plate.png")))
    found = cv2.imread(str(folder / "artifacts/target/background.png"))
    seen = cv2.imread(str(folder / "artifacts/target/background_seen.png"), cv2.IMREAD_GRAYSCALE) > 0
    inside = true.cut(np.full((*_full(folder, "target"), 3), 255, np.uint8)).all(-1)
    share, seen = f"{seen[inside].mean():.1%} seen", seen & inside
    return [
        Figure("background: PSNR of the pixels seen", image_quality.psnr(found[seen], plate[seen]), 35, "dB"),
        Figure("background: PSNR of all pixels", image_quality.psnr(found[inside], plate[inside]), 28, "dB",
               remark=share),
        perceived_background(found, np.where(inside[..., None], plate, found)),
    ]


def perceived_background(found: np.ndarray, plate: np.ndarray) -> Figure:
    what = "background: LPIPS to the true room"
    try:
        distance = lpips(lpips_network().eval(), *(np.ascontiguousarray(p[..., ::-1]) for p in (found, plate)))
        return Figure(what, distance, None, "", True)
    except pretrained.MissingWeights as error:
        return Figure(what, None, None, "", True, f"not measured: {error}")


def face(folder: Path) -> list[Figure]:
    make(folder, "pose_extraction", "target")
    true, found = Square(folder, "target", "target"), read_poses(folder / "artifacts/target/poses.parquet")[0]
    ears = np.linalg.norm(true.pose.body[:, R_EAR, :2] - true.pose.body[:, L_EAR, :2], axis=-1)
    width = np.percentile(ears, 95)  # ear to ear, seen from the front
    distance = np.linalg.norm(found.face[..., :2] - true.pose.face[..., :2], axis=-1)[true.visible["face"]]
    remark = f"{np.isfinite(distance).mean():.1%} of the visible points found; width = ear to ear, frontal"
    error = np.nanmedian(distance) / width
    return [Figure("face: median error of five points, face widths", error, 0.06, "", True, remark)]


def retargeting(folder: Path) -> list[Figure]:
    make(folder, "retargeting", "imitation")
    make(folder, "samples", "truth")
    square = Square(folder, "truth", "target")
    size, true = square.size, square.pose.body
    found = read_poses(folder / "artifacts/imitation/driving.parquet")[0].body
    foot = np.linalg.norm(found[:, ANKLES, :2] - true[:, ANKLES, :2], axis=-1)
    height = 100 * np.nanmedian(np.abs(person_height(found) - person_height(true))) / size
    return [
        Figure("retargeting: foot error, share of frame height, median", 100 * np.nanmedian(foot) / size, 2, "%", True),
        Figure("retargeting: height error, share of frame height, median", height, 3, "%", True),
    ]


def reconstruction(folder: Path) -> list[Figure]:
    make(folder, "metrics", "reconstruction")
    score = _scores(folder, "reconstruction")
    margin = score["psnr_person_box"] - score["retrieval_psnr_person_box"]
    remark = f"{score['psnr_person_box']:.2f} against {score['retrieval_psnr_person_box']:.2f} dB"
    return [
        Figure("reconstruction: PSNR of the whole frame", score["psnr"], 26, "dB"),
        Figure("reconstruction: SSIM of the whole frame", score["ssim"], 0.90),
        Figure("reconstruction: person's box, above nearest-pose retrieval", margin, 2, "dB", remark=remark),
    ]


def imitation(folder: Path) -> list[Figure]:
    make(folder, "metrics", "imitation")
    score = _scores(folder, "imitation")
    remark = (f"{score['psnr']:.2f} against {score['retrieval_psnr']:.2f} dB; in the box "
              f"{score['psnr_person_box']:.2f} against {score['retrieval_psnr_person_box']:.2f} dB")
    margin = score["psnr"] - score["retrieval_psnr"]
    return [Figure("imitation: PSNR above nearest-pose retrieval", margin, 0, "dB", remark=remark)]


def repro(_: Path) -> list[Figure]:
    """The time of `dvc repro` in this checkout if nothing has changed since the last run."""
    what = "dvc repro when nothing changed"
    dvc = [sys.executable, "-m", "dvc"]
    state = subprocess.run([*dvc, "status", "--quiet"], cwd=ROOT, capture_output=True)
    if state.returncode:
        return [Figure(what, None, 10, "s", True, "not up to date: run `dvc repro` before")]
    start = time.perf_counter()
    subprocess.run([*dvc, "repro", "--quiet"], cwd=ROOT, check=True)
    return [Figure(what, time.perf_counter() - start, 10, "s", True)]


PARTS = {part.__name__: part for part in
         (pose, following, mask, background, camera, face, retargeting, reconstruction, imitation, gw, repro)}


def measured(part: str, folder: Path) -> list[Figure]:
    """The figures of a part, or a single missed figure if a stage that it needs fails."""
    try:
        return PARTS[part](folder)
    except subprocess.CalledProcessError as error:
        return [Figure(part, None, 0, remark=f"not measured: {' '.join(error.cmd[1:])} ended with {error.returncode}")]


def _scores(folder: Path, key: str) -> dict[str, float]:
    scores = json.loads((folder / f"artifacts/{key}/metrics.json").read_text())["metrics"]
    return {name: score["value"] for name, score in scores.items()}


def _full(folder: Path, name: str) -> tuple[int, int]:
    """Height and width of a rendered picture."""
    return cv2.imread(str(folder / f"artifacts/samples/{name}_plate.png")).shape[:2]


def main() -> int:
    parser = argument_parser(__doc__, PARTS)
    parser.add_argument("--world", choices=("plain", "hard"), default="plain")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (wanted.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        there, content = folder / "params.yaml", project(wanted.world)
        if there.exists() and yaml.safe_load(there.read_text())["samples"] != content["samples"]:
            parser.error(f"{folder} holds other samples, perhaps of another world: name another folder")
        settings.write(folder, content)
        figures = [figure for part in wanted.only for figure in measured(part, folder)]
    if wanted.world == "hard":
        figures = [figure if figure.what in PARTS else replace(figure, goal=HARD.get(figure.what))
                   for figure in figures]
    print(f"\n{TARGET} (target) and {SOURCE} (source), {wanted.world} world")
    return print_figures(figures)


if __name__ == "__main__":
    sys.exit(main())
