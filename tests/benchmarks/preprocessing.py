"""What happens before training, beside the bare library's own loop: python -m tests.benchmarks.preprocessing

Renders a stranger and runs the real stages with the demo preset of params.yaml. Prints one row a figure and exits with
1 where one is missed. Takes about five minutes on two cores.

speed   frames a second of pose_extraction (body, hands, face and mask in one pass), decoding and encoding included, as
        a share of those of a loop over MediaPipe's Holistic (the same) that reads the clip and writes the masks with
        OpenCV. Beside it, without a goal, with mask_segmentation and frames as well, whose work the loop does not do:
        following, steadying, refining. In turn in one process, so that both have the same machine
memory  peak of each stage's process on ten times as long a video, as a share of that on the video itself
large   a clip of 3840 x 2160 at 60 frames/s

--only speed,memory   some of these
--keep DIR            works in DIR and leaves it
--rounds N            of speed; the median counts
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
from stages.media.clock import read_clock
from tests import settings
from tests.benchmarks.figures import Figure, command, verdict

ROOT = Path(__file__).parents[2]
STAGES = ("frames", "pose_extraction", "mask_segmentation", "background_inpainting", "face_vector_indexing")
SECONDS, FPS, SIDE = 6.0, 25.0, 256
TIMES = {"clip": 1, "film": 4, "long": 10}  # how often, forth and back, the pictures of the clip come in a video
LARGE, LARGE_FPS, LARGE_COUNT = (3840, 2160), 60.0, 90
# A small process between: a new one begins with the peak of the one it comes from
_WATCH = """if True:
    import resource, subprocess, sys
    code = subprocess.call(sys.argv[1:])
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    sys.exit(code)"""
BATCHES = {  # what is timed: the stages that it takes, and the goal
    "pose_extraction": (("pose_extraction",), 0.9),
    "pose_extraction + mask_segmentation": (("pose_extraction", "mask_segmentation"), None),
    "frames + pose_extraction + mask_segmentation": (("frames", "pose_extraction", "mask_segmentation"), None),
}


def speed(rounds: int) -> list[Figure]:
    shares, rates = {what: [] for what in BATCHES}, []
    for _ in range(rounds):
        bare = timed(library, Path("film.mp4"))
        taken = {stage: timed(invoke, stage, "film") for stage in STAGES[:3]}
        rates.append(TIMES["film"] * SECONDS * FPS / bare)
        for what, (needed, _) in BATCHES.items():
            shares[what].append(bare / sum(taken[stage] for stage in needed))
    remark = f"of the library's {np.median(rates):.1f} frames/s; rounds"
    return [Figure(f"speed: {what}", float(np.median(reached)), BATCHES[what][1],
                   remark=f"{remark} {', '.join(f'{share:.2f}' for share in reached)}")
            for what, reached in shares.items()]


def library(clip: Path) -> None:
    """MediaPipe's own way: one frame after the other."""
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
        figures.append(Figure(f"memory: {stage}, {TIMES['long']} times as long", more / once, 1.1, "", True,
                              f"{once:.2f} and {more:.2f} GiB"))
    return figures


def large(_) -> list[Figure]:
    gib = peak("frames", "large")
    seconds = yaml.safe_load(layout.cost("frames", "large").read_text())["seconds"]
    about = read_clock(layout.outputs("frames", "large")["clock"]).about
    count = sum(1 for _ in video_file.frames(layout.outputs("frames", "large")["frames"]))
    good = count == LARGE_COUNT and about["full_size"] == list(LARGE) and about["fps"] == LARGE_FPS
    return [Figure("large: frames of a 4K clip at 60 frames/s", count if good else None, LARGE_COUNT,
                   remark=f"{count / seconds:.1f} frames/s, {gib:.2f} GiB")]


def peak(stage: str, key: str) -> float:
    """GiB that the stage's own process takes at most."""
    done = subprocess.run([sys.executable, "-c", _WATCH, sys.executable, "-m", "stages", stage, key], check=True,
                          stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return int(done.stdout.splitlines()[-1]) / 2**20


def prepare(wanted: list[str]) -> None:
    """The videos: a rendered clip, its pictures several times, and they enlarged."""
    settings.write(Path(), settings.people({key: f"{key}.mp4" for key in (*TIMES, "large")}))
    if not Path("clip.mp4").exists():
        sample = params.SampleEntry(person="stranger_101", motions=("wave", "kick", "dance"), seed=101, seconds=SECONDS,
                               size=SIDE)
        samples.run(Path("clip.mp4"), Path("truth.parquet"), Path("alpha.mkv"), Path("plate.png"), sample)
    pictures = list(video_file.frames(Path("clip.mp4")))
    for key in [key for key, part in (("film", "speed"), ("long", "memory")) if part in wanted]:
        with video_file.h264(Path(f"{key}.mp4"), FPS, 16, {}) as add:
            for i in range(TIMES[key]):
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
    """The figures of a part; one missed figure where a stage that it needs stops."""
    try:
        return PARTS[part](rounds)
    except subprocess.CalledProcessError as error:
        return [Figure(part, None, 0, remark=f"not measured: {' '.join(error.cmd[1:])} ended with {error.returncode}")]


def main() -> int:
    parser = command(__doc__, PARTS)
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
    return verdict(figures)


if __name__ == "__main__":
    sys.exit(main())
