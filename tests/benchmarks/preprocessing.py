"""Speed and memory of the stages before training: python -m tests.benchmarks.preprocessing

Renders a person and runs the real stages with the demo preset of params.yaml. Prints one row for each figure, and exits
with 1 if a goal is missed. Takes about five minutes on two cores.

speed   frames a second of pose_extraction (body, hands, face and mask in one pass), including decoding and encoding,
        relative to a plain loop over MediaPipe's Holistic (the same networks) that reads the clip and writes the masks
        with OpenCV. Also shown, without a goal, is the speed with the mirror images of the demo preset, and together with
        mask_segmentation and frames, which do work that the loop does not do: tracking, stabilisation, refinement. All run
        alternately in one process
memory  peak memory of each stage's process for a video ten times as long, relative to that for the video itself
large   a clip of 3840 x 2160 at 60 frames/s

--only speed,memory   runs some of these
--keep DIR            works in DIR and keeps it
--rounds N            of speed; the median is reported
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import yaml

from stages import layout, params, samples
from stages.__main__ import invoke
from stages.media import video_file
from stages.media.timeline import read_timeline
from tests import settings
from tests.benchmarks.figures import Figure, argument_parser, print_figures

ROOT = Path(__file__).parents[2]
STAGES = ("frames", "pose_extraction", "mask_segmentation", "background_inpainting", "face_vector_indexing")
SECONDS, FPS, SIDE = 6.0, 25.0, 256
REPEATS = {"clip": 1, "film": 4, "long": 10}  # how often a video repeats the clip, back and forth
LARGE, LARGE_FPS, LARGE_COUNT = (3840, 2160), 60.0, 90
# Runs the stage from a small process: a new process inherits the peak memory of its parent
_WATCH = """if True:
    import resource, subprocess, sys
    code = subprocess.call(sys.argv[1:])
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    sys.exit(code)"""
ONE, BOTH = "pose_extraction@once", "pose_extraction@film"  # without and with the mirror images
TIMED_STAGES = {  # label: the stages that are timed, and the goal
    "pose_extraction without mirror images": ((ONE,), 0.9),
    "pose_extraction": ((BOTH,), None),
    "pose_extraction + mask_segmentation": ((BOTH, "mask_segmentation@film"), None),
    "frames + pose_extraction + mask_segmentation": (("frames@film", BOTH, "mask_segmentation@film"), None),
}


def speed(rounds: int) -> list[Figure]:
    shares, rates = {what: [] for what in TIMED_STAGES}, []
    for _ in range(rounds):
        bare = timed(library, Path("film.mp4"))
        taken = {address: timed(invoke, *address.split("@"))
                 for address in ("frames@once", "frames@film", ONE, BOTH, "mask_segmentation@film")}
        rates.append(REPEATS["film"] * SECONDS * FPS / bare)
        for what, (needed, _) in TIMED_STAGES.items():
            shares[what].append(bare / sum(taken[stage] for stage in needed))
    remark = f"of the library's {np.median(rates):.1f} frames/s; rounds"
    return [Figure(f"speed: {what}", float(np.median(reached)), TIMED_STAGES[what][1],
                   remark=f"{remark} {', '.join(f'{share:.2f}' for share in reached)}")
            for what, reached in shares.items()]


def library(clip: Path) -> None:
    """A plain loop over MediaPipe's Holistic, frame by frame."""
    film = cv2.VideoCapture(str(clip))
    masks = cv2.VideoWriter("masks.mkv", cv2.VideoWriter_fourcc(*"FFV1"), FPS, (SIDE, SIDE), isColor=False)
    with mediapipe.solutions.holistic.Holistic(model_complexity=1, enable_segmentation=True) as holistic:
        while (frame := film.read()[1]) is not None:
            mask = holistic.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).segmentation_mask
            masks.write(np.zeros((SIDE, SIDE), np.uint8) if mask is None else np.rint(255 * mask).astype(np.uint8))
    masks.release()


def timed(work, *arguments) -> float:
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def memory(_) -> list[Figure]:
    figures = []
    for stage in STAGES:
        once, more = (peak(stage, key) for key in ("clip", "long"))
        figures.append(Figure(f"memory: {stage}, {REPEATS['long']} times as long", more / once, 1.1, "", True,
                              f"{once:.2f} and {more:.2f} GiB"))
    return figures


def large(_) -> list[Figure]:
    gib = peak("frames", "large")
    seconds = yaml.safe_load(layout.cost("frames", "large").read_text())["seconds"]
    about = read_timeline(layout.outputs("frames", "large")["timeline"]).about
    count = sum(1 for _ in video_file.frames(layout.outputs("frames", "large")["frames"]))
    good = count == LARGE_COUNT and about["full_size"] == list(LARGE) and about["fps"] == LARGE_FPS
    return [Figure("large: frames of a 4K clip at 60 frames/s", count if good else None, LARGE_COUNT,
                   remark=f"{count / seconds:.1f} frames/s, {gib:.2f} GiB")]


def peak(stage: str, key: str) -> float:
    """Peak memory of the stage in a separate process, GiB."""
    done = subprocess.run([sys.executable, "-c", _WATCH, sys.executable, "-m", "stages", stage, key], check=True,
                          stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return int(done.stdout.splitlines()[-1]) / 2**20


def prepare(wanted: list[str]) -> None:
    """The videos: a rendered clip, the clip repeated several times, and an enlarged clip."""
    files = {key: f"{key}.mp4" for key in (*REPEATS, "large")} | {"once": "film.mp4"}
    content = settings.people(files)
    demo = content["presets"]["demo"]
    content["presets"]["once"] = demo | {"pose_extraction": demo["pose_extraction"] | {"mirrored": False}}
    content["videos"]["once"]["preset"] = content["subjects"]["once"]["preset"] = "once"
    settings.write(Path(), content)
    if not Path("clip.mp4").exists():
        sample = params.SampleEntry(person="stranger_101", motions=("wave", "kick", "dance"), seed=101, seconds=SECONDS,
                               size=SIDE)
        samples.run(video=Path("clip.mp4"), truth=Path("truth.parquet"), alpha=Path("alpha.mkv"),
                    plate=Path("plate.png"), params=sample)
    pictures = list(video_file.frames(Path("clip.mp4")))
    for key in [key for key, part in (("film", "speed"), ("long", "memory")) if part in wanted]:
        with video_file.h264(Path(f"{key}.mp4"), FPS, 16, {}) as add:
            for i in range(REPEATS[key]):
                for picture in pictures[:: -1 if i % 2 else 1]:
                    add(picture)
    if "large" in wanted:
        film = cv2.VideoWriter("large.mp4", cv2.VideoWriter_fourcc(*"mp4v"), LARGE_FPS, LARGE)
        room = (LARGE[0] - LARGE[1]) // 2
        for picture in pictures[:LARGE_COUNT]:
            square = cv2.resize(picture, (LARGE[1], LARGE[1]), interpolation=cv2.INTER_CUBIC)
            film.write(cv2.copyMakeBorder(square, 0, 0, room, room, cv2.BORDER_REFLECT)[..., ::-1])
        film.release()


PARTS = {part.__name__: part for part in (speed, memory, large)}


def measured(part: str, rounds: int) -> list[Figure]:
    """The figures of a part, or a single missed figure if a stage that it needs fails."""
    try:
        return PARTS[part](rounds)
    except subprocess.CalledProcessError as error:
        return [Figure(part, None, 0, remark=f"not measured: {' '.join(error.cmd[1:])} ended with {error.returncode}")]


def main() -> int:
    parser = argument_parser(__doc__, PARTS)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (wanted.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        prepare(wanted.only)
        figures = [figure for part in wanted.only for figure in measured(part, wanted.rounds)]
        os.chdir(ROOT)
    print()
    return print_figures(figures)


if __name__ == "__main__":
    sys.exit(main())
