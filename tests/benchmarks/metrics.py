"""Speed and memory of the stage `metrics`, and agreement of its scores with scikit-image. No trained network is used.

    python -m tests.benchmarks.metrics

speed      frames/s of the whole stage without its imports, for 1,000 frames of 256 x 256 of a rendered person
memory     peak memory of the process for ten times as many frames, relative to that for the frames themselves
agreement  largest difference of PSNR and SSIM, of the frame and of every box, from scikit-image's on the crop
--only speed,memory   runs some of these
--keep DIR            works in DIR and keeps the footage there for the next run

Exits with 1 if a goal is missed.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stages import metrics, samples
from stages.__main__ import peak_memory
from stages.evaluation import image_similarity
from stages.imaging import compositing
from stages.media import parquet, png, video_file
from stages.media.pose_table import read_poses
from stages.params import Transfer
from stages.pose.skeleton import Pose
from tests.benchmarks.figures import Figure, argument_parser, print_figures
from tests.benchmarks.inference import paths, write_poses
from tests.stages import toy

PERSON, MOTIONS, SIZE, FPS = "stranger_301", ("dance",), 256, 25.0
RENDERED, TRAINED = 100, 250  # frames that are rendered and repeated back and forth, and frames of the training part
LENGTHS = {"clip": 200, "film": 1000, "long": 2000}  # frames that are scored
ME = Transfer(target="me", source="me", preset="demo", truth=None)


def make(root: Path) -> None:
    """Writes the inputs: a person, and three transfers whose generated frames are blurred, on a plain background."""
    found, plate = paths(root, "metrics", "clip"), np.full((SIZE, SIZE, 3), (150, 140, 120), np.uint8)
    if found["target_view"].exists():
        return
    shots = list(samples.frames(PERSON, MOTIONS, 301, RENDERED / FPS, SIZE))
    there_and_back = [*range(RENDERED), *reversed(range(RENDERED))]
    count = TRAINED + max(LENGTHS.values())
    order = (there_and_back * (count // len(there_and_back) + 1))[:count]
    poses = Pose.stack([shots[i][2] for i in order])
    found["target_frames"].parent.mkdir(parents=True, exist_ok=True)
    png.write(found["background"], plate)
    write_poses(found["target_poses"], poses)
    with video_file.lossless(found["target_frames"], FPS) as add:
        for i in order:
            add(shots[i][0])
    for key, length in LENGTHS.items():
        files = paths(root, "metrics", key)
        rows = np.arange(TRAINED, TRAINED + length)
        files["driving"].parent.mkdir(parents=True, exist_ok=True)
        parquet.write(files["driving"], parquet.POSES, poses[rows].columns() | {
            "frame": rows, "detected": [True] * length, "interpolated": [False] * length, "people": [1] * length,
        }, {"fps": FPS, "reconstruction": True})
        with (video_file.lossless(files["foreground"], FPS, "rgba") as add,
              video_file.h264(files["unsigned"], FPS, 18, {}) as show):
            for i in np.array(order)[rows]:
                rgba = np.dstack([cv2.GaussianBlur(shots[i][0], (0, 0), 2), shots[i][1]])
                add(rgba)
                show(compositing.compose(rgba, plate))
    parts = ["train"] * TRAINED + ["test"] * (count - TRAINED)
    parquet.write(found["target_timeline"], parquet.TIMELINE, {
        "frame": np.arange(count), "seconds": np.arange(count) / FPS, "split": parts, "take": [0] * count,
    }, {"fps": FPS, "file": "me.mp4", "full_size": [SIZE, SIZE], "crop": [0.0, 0.0, float(SIZE)], "size": SIZE})
    parquet.write(found["target_view"], parquet.VIEW, {
        "frame": np.arange(count), "box": np.tile(np.float32([0, 0, SIZE, SIZE]), (count, 1)), "people": [1] * count,
        "camera": np.tile(np.eye(3).ravel(), (count, 1)), "light": np.ones((count, 6), np.float32),
    }, {"moving": False, "reference": 0, "frame_size": [SIZE, SIZE]})


def score_once(root: Path, key: str) -> None:
    """Scores one transfer and prints wall-clock seconds, CPU seconds and peak memory in GiB."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        begun, busy = time.perf_counter(), time.process_time()
        metrics.run(**paths(root, "metrics", key), params=toy.METRICS, entry=ME, key=key)
    print(time.perf_counter() - begun, time.process_time() - busy, peak_memory())


def score_in_process(root: Path, key: str) -> tuple[float, float, float]:
    """The same numbers, measured in a separate process."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, str(root), key], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def speed(root: Path) -> list[Figure]:
    seconds, busy, _ = min(score_in_process(root, "film") for _ in range(2))
    count = LENGTHS["film"]
    return [Figure(f"speed: frames/s, {count} frames of {SIZE} x {SIZE}", count / seconds, 60, remark=(
        f"{os.cpu_count()} cores; {1000 * busy / count:.1f} ms of CPU time a frame"))]


def memory(root: Path) -> list[Figure]:
    short, long = (score_in_process(root, key)[2] for key in ("clip", "long"))
    return [Figure("memory: ten times as many frames", long / short, 1.1, at_most=True,
                   remark=f"{short:.2f} and {long:.2f} GiB")]


def agreement(root: Path) -> list[Figure]:
    files = paths(root, "metrics", "clip")
    plate, poses = png.read(files["background"]), read_poses(files["driving"])[0]
    composites = (compositing.compose(rgba, plate) for rgba in video_file.frames(files["foreground"], "rgba"))
    truths = islice(video_file.frames(files["target_frames"]), TRAINED, None)
    differences = {"psnr": 0.0, "ssim": 0.0}
    for picture, truth, pose in islice(zip(composites, truths, poses), 0, 60, 3):
        regions = image_similarity.region_boxes(pose, SIZE)
        scores = image_similarity.similarity_scores(picture, truth, regions)
        for region, (left, top, right, bottom) in ({"": (0, 0, SIZE, SIZE)} | regions).items():
            crop, suffix = np.s_[top:bottom, left:right], f"_{region}" if region else ""
            expected = {
                "psnr": peak_signal_noise_ratio(truth[crop], picture[crop]),
                "ssim": structural_similarity(picture[crop], truth[crop], channel_axis=2, data_range=255, sigma=1.5,
                                              gaussian_weights=True, use_sample_covariance=False),
            }
            for name, value in expected.items():
                differences[name] = max(differences[name], abs(scores[name + suffix] - value))
    return [Figure("agreement: PSNR, difference from scikit-image", differences["psnr"], 1e-4, "dB", at_most=True),
            Figure("agreement: SSIM, difference from scikit-image", differences["ssim"], 1e-5, at_most=True)]


PARTS = {part.__name__: part for part in (speed, memory, agreement)}


def main() -> int:
    options = argument_parser(__doc__, PARTS).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch)
        make(root)
        return print_figures([figure for name in options.only for figure in PARTS[name](root)])


if __name__ == "__main__":
    sys.exit(score_once(Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) == 3 and sys.argv[2] in LENGTHS else main())
