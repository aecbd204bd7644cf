"""People to learn in benchmarks: rendered, or from a video file; training for a given time; and how near the generated
held-out frames come to the true ones."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn

from stages import generator_training, layout
from stages.imaging import compositing, image_quality, optical_flow
from stages.learning import devices
from stages.learning.batches import Batches
from stages.learning.frame_store import FrameStore
from stages.learning.generator_inference import GeneratorInference
from stages.learning.training import Training
from stages.media import clock as clocks, png, video_file
from stages.media.seek import chosen
from stages.params import GeneratorTraining, Subject
from stages.pose.skeleton import read_poses

MEASURED = {"who": "whoever is in the clip", "when": "2026-11-22", "scope": "nothing but measuring",
            "record": "its licence"}
ROOT = Path(__file__).parents[2]
MOTIONS = ["turn", "wave", "squat", "kick", "dance"]
PREPARED = ("frames", "pose_extraction", "mask_segmentation", "background_inpainting", "face_vector_indexing")


def prepare(folder: Path, people: dict[str, str], preset: str = "demo", seconds: float = 20.0, size: int = 256,
            changes: dict[str, dict] | None = None) -> None:
    """Everything before training, for people by name: `rendered`, or the path of a video. What is there is kept.
    changes: of the preset, by stage."""
    write_params(folder, people, preset, seconds, size, changes or {})
    for name, file in people.items():
        for stage in (("samples",) if file == "rendered" else ()) + PREPARED:
            make(folder, stage, name)


def write_params(folder: Path, people: dict[str, str], preset: str, seconds: float, size: int, changes: dict[str, dict]
                 ) -> None:
    """A params.yaml in which everybody is learned and reconstructed."""
    samples = {name: {"person": name, "motions": MOTIONS, "seed": int(name.rsplit("_")[-1]), "seconds": seconds,
                      "size": size} for name, file in people.items() if file == "rendered"}
    films = {name: f"artifacts/samples/{name}.mp4" if name in samples else file for name, file in people.items()}
    presets = yaml.safe_load((ROOT / "params.yaml").read_text())["presets"]
    for stage, fields in changes.items():
        presets[preset][stage] = presets[preset][stage] | fields
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump({
        "threads": "auto", "samples": samples,
        "videos": {name: {"file": film, "preset": preset} for name, film in films.items()},
        "subjects": {name: {"preset": preset, "consent": "synthetic" if name in samples else MEASURED}
                     for name in people},
        "transfers": {itself(name): {"target": name, "source": name, "preset": preset, "truth": film}
                      for name, film in films.items()},
        "presets": presets,
    }, sort_keys=False))


def itself(name: str) -> str:
    """The transfer that reconstructs a person's held-out part."""
    return f"{name}_itself"


def make(folder: Path, stage: str, key: str) -> None:
    """Runs `stage@key` in the folder, unless its outputs are there."""
    if not all((folder / path).exists() for path in layout.outputs(stage, key).values()):
        subprocess.run([sys.executable, "-m", "stages", stage, key], cwd=folder, check=True,
                       env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def rate(folder: Path, name: str, block: GeneratorTraining, steps: int = 3, least: float = 0.0) -> float:
    """Seconds per step after a first one, measured over at least `steps` steps and `least` seconds, in whole rounds of
    `adversarial_interval`, as not every step uses the discriminators."""
    batches, training = begin(folder, name, block)
    training.advance(batches)
    begun, done = time.perf_counter(), 0
    while done < steps or done % block.adversarial_interval or time.perf_counter() - begun < least:
        training.advance(batches)
        done += 1
    return (time.perf_counter() - begun) / done


def relative_cost(folder: Path, name: str, block: GeneratorTraining, base: GeneratorTraining, rounds: int = 3) -> float:
    """How many of the base's steps take as long as one of the block's, in CPU seconds; both run in turns, in whole
    rounds of `adversarial_interval`, so that whatever else slows the machine slows both."""
    if block.model_copy(update={"seed": base.seed}) == base:
        return 1.0
    runs, taken = [begin(folder, name, each) for each in (base, block)], np.zeros((2, rounds))
    for batches, training in runs:
        training.advance(batches)
    for turn in range(rounds):
        for i, (batches, training) in enumerate(runs):
            begun, every = time.process_time(), training.params.adversarial_interval
            for _ in range(every):
                training.advance(batches)
            taken[i, turn] = (time.process_time() - begun) / every
    return float(np.median(taken[1] / taken[0]))


def begin(folder: Path, name: str, block: GeneratorTraining) -> tuple[Batches, Training]:
    """A training at its first step."""
    inputs = {argument: folder / path for argument, path in layout.in_channels("generator_training", name).items()}
    timeline = clocks.read_clock(inputs["clock"])
    rows = timeline.training()
    fabric = devices.fabric(block.device, 1, block.precision)
    data = FrameStore(*(inputs[name] for name in ("frames", "masks", "background")), read_poses(inputs["poses"])[0][rows],
                   len(rows), fabric.device, timeline.take[rows])
    batches = Batches(data, block, fabric.device)
    return batches, Training(block, fabric, batches.in_channels)


def train(folder: Path, name: str, block: GeneratorTraining, seconds: float, to: Path) -> tuple[int, float]:
    """Trains for about that time into the folder `to`: how many steps, and how long."""
    steps = max(1, round(seconds / rate(folder, name, block, least=seconds / 20)))
    begun = time.perf_counter()
    learn(folder, name, block, steps, to)
    return steps, time.perf_counter() - begun


def learn(folder: Path, name: str, block: GeneratorTraining, steps: int, to: Path) -> None:
    """So many steps, the schedule fitted to them, into the folder `to`."""
    block = block.model_copy(update={"steps": steps, "checkpoint_every": 10**6, "preview_every": 10**6})
    inputs = {argument: folder / path for argument, path in layout.in_channels("generator_training", name).items()}
    os.chdir(folder)
    generator_training.run(**inputs, generator=to, plots=to.with_name(f"{to.name}_plots"), params=block, key=name,
                           entry=Subject(preset="demo", consent=MEASURED))


@dataclasses.dataclass
class Scores:
    """Means over held-out frames."""

    psnr: float  # dB, whole frame
    ssim: float
    box: float   # PSNR in the person's box, dB
    tcm: float
    lpips: float  # NaN where nobody looks


def scores(folder: Path, name: str, generator: Path, pairs: int | None = None, lpips: nn.Module | None = None
           ) -> Scores:
    """Of the composite of Eq. 12 against the true frames: all that are held out, or so many pairs of consecutive ones,
    evenly spread (all where there are no more). lpips: the network, stages.evaluation.metric_networks.lpips_network."""
    artifacts = folder / layout.ROOT / name
    pose, _, _ = read_poses(artifacts / "poses.parquet")
    rows = np.flatnonzero(np.array(clocks.read_clock(artifacts / "frames.parquet").split) == "test")
    plate = png.read(artifacts / "background.png")
    appearance = GeneratorInference(generator, torch.device("cpu"))
    values, steady, before = [], [], None
    scored = paired(len(rows), pairs)
    truths = chosen(video_file.frames(artifacts / "frames.mkv"), rows[scored], artifacts / "frames.mkv")
    for indices, foregrounds in appearance.foregrounds(pose[rows], 8):
        for index, foreground in zip(indices, foregrounds.permute(0, 2, 3, 1).numpy()):  # (S, S, 4)
            if index not in scored:
                before = None
                continue
            picture, truth = compositing.compose(compositing.straight(foreground), plate), next(truths)
            left, top, right, bottom = image_quality.person_box(pose[rows[index]], len(plate))
            part = np.s_[top:bottom, left:right]
            values.append((image_quality.psnr(picture, truth), image_quality.ssim(picture, truth),
                           image_quality.psnr(picture[part], truth[part]), perceived(lpips, picture, truth)))
            if before:
                steady.append(optical_flow.steadiness(optical_flow.FlowPair.of(optical_flow.Dis(), (before[1], truth)), (before[0], picture))[0])
            before = picture, truth
    *alike, lpips = np.mean(values, axis=0).tolist()
    return Scores(*alike, float(np.nanmean(steady)), lpips)


@torch.no_grad()
def perceived(network: nn.Module | None, *pictures: np.ndarray) -> float:
    """LPIPS of two pictures (h, w, 3) uint8."""
    if network is None:
        return float("nan")
    return float(network(*(torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1 for picture in pictures)))


def paired(count: int, pairs: int | None) -> np.ndarray:
    """The indices of that many pairs of neighbours, evenly spread over `count` frames, without their gaps; rising."""
    if pairs is None or 2 * pairs >= count:
        return np.arange(count)
    firsts = np.linspace(0, count - 2, pairs).round().astype(int)
    return np.unique([firsts, firsts + 1])
