"""Helpers of benchmarks that train: prepare rendered people or videos, train for a given time, and score the generated
held-out frames against the true ones."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from stages import generator_training, layout, pretrained
from stages.evaluation.image_similarity import PixelBox
from stages.evaluation.metric_names import HEADLINE_SCORES, PERSON_BOX, WHOLE_FRAME
from stages.evaluation.perceptual_distance import PerceptualDistance, crop_for_lpips, lpips_network
from stages.evaluation.references import Reference
from stages.evaluation.scoring import score
from stages.imaging import compositing, optical_flow
from stages.learning import devices
from stages.learning.batches import Batches
from stages.learning.frame_store import FrameStore
from stages.learning.generator_inference import GeneratorInference
from stages.learning.training import Training
from stages.media import png, video_file
from stages.media.pose_table import read_poses
from stages.media.seek import select_frames
from stages.media.timeline import Timeline, read_timeline
from stages.media.view import read_view
from stages.params import GeneratorTraining, Subject
from stages.pose.skeleton import Pose
from tests import settings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MEASURED = {"who": "whoever is in the clip", "when": "2026-11-22", "scope": "nothing but measuring",
            "record": "its licence"}
ROOT = Path(__file__).parents[2]
MOTIONS, SECONDS = ["turn", "wave", "squat", "kick", "dance"], 20.0  # of rendered people
FACE_AND_HANDS = "lpips_face_and_hands"  # mean over the parts that are in view
LPIPS_VGG, VGG_INTERVAL = "lpips_vgg_person_box", 4  # frames
PREPARED = ("frames", "pose_extraction", "mask_segmentation", "background_inpainting", "face_vector_indexing")


def prepare(folder: Path, people: dict[str, str], size: int = 256, changes: dict[str, dict] | None = None,
            world: str = "plain", preset: str = "demo") -> None:
    """Runs all stages before training whose outputs are missing. people: name -> `rendered` or the path of a video.
    changes: to the preset, by stage. world: of the rendered people."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / pretrained.FOLDER).exists():
        (folder / pretrained.FOLDER).symlink_to(ROOT / pretrained.FOLDER)
    settings.write(folder, learned(people, size, changes or {}, world, preset))
    for name, file in people.items():
        for stage in (("samples",) if file == "rendered" else ()) + PREPARED:
            run_missing(folder, stage, name)


def learned(people: dict[str, str], size: int, changes: dict[str, dict], world: str = "plain", preset: str = "demo"
            ) -> dict:
    """The content of a params.yaml in which each person is a subject and the target of a reconstruction."""
    samples = {name: {"person": name, "motions": MOTIONS, "seed": seed_of(name), "seconds": SECONDS,
                      "size": size, "world": world} for name, file in people.items() if file == "rendered"}
    films = {name: f"artifacts/samples/{name}.mp4" if name in samples else file for name, file in people.items()}
    found = settings.people(films, preset, samples=samples, transfers={
        reconstruction_key(name): {"target": name, "source": name, "preset": preset, "truth": film}
        for name, film in films.items()})
    for stage, fields in changes.items():
        found["presets"][preset][stage] |= fields
    for name in people.keys() - samples.keys():
        found["subjects"][name]["consent"] = MEASURED
    return found


def seed_of(person: str) -> int:
    """The number in the name of a rendered person, such as stranger_301; 1 for a name without a number."""
    number = person.rsplit("_")[-1]
    return int(number) if number.isdigit() else 1


def reconstruction_key(name: str) -> str:
    """The name of the transfer that reconstructs a person's held-out frames."""
    return f"{name}_itself"


def run_missing(folder: Path, stage: str, key: str) -> None:
    """Runs `stage@key` in the folder, unless its outputs exist."""
    if not all((folder / path).exists() for path in layout.outputs(stage, key).values()):
        subprocess.run([sys.executable, "-m", "stages", stage, key], cwd=folder, check=True,
                       env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def rate(folder: Path, name: str, block: GeneratorTraining, steps: int = 3, least: float = 0.0) -> float:
    """Seconds per step of a training that begins; see `seconds_per_step`."""
    return seconds_per_step(*begin(folder, name, block), steps, least)


def seconds_per_step(batches: Batches, training: Training, steps: int, least: float = 0.0) -> float:
    """Seconds per step after a warm-up step, measured over at least `steps` steps and `least` seconds. The number of
    steps is a multiple of `adversarial_interval`, because not every step uses the discriminators."""
    training.advance(batches)
    synchronise(training)
    begun, done = time.perf_counter(), 0
    while done < steps or done % training.params.adversarial_interval or time.perf_counter() - begun < least:
        training.advance(batches)
        done += 1
    synchronise(training)
    return (time.perf_counter() - begun) / done


def synchronise(training: Training) -> None:
    """Waits until the device has finished."""
    if training.fabric.device.type == "cuda":
        torch.cuda.synchronize()


def relative_cost(folder: Path, name: str, block: GeneratorTraining, base: GeneratorTraining, rounds: int = 3) -> float:
    """CPU time of a step with `block`, relative to a step of the base. Both run in turns of `adversarial_interval`
    steps, so that other load on the machine slows both equally."""
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
    """The batches and the training, before the first step."""
    inputs = {argument: folder / path for argument, path in layout.inputs("generator_training", name).items()}
    times = read_timeline(inputs["timeline"])
    rows = times.training_frames()
    fabric = devices.fabric(block.device, 1, block.precision)
    files = (inputs[name] for name in ("frames", "masks", "background"))
    data = FrameStore(*files, read_poses(inputs["poses"])[0][rows], len(rows), fabric.device, times.take[rows],
                      block.shadows)
    return begin_on(data, block, fabric)


def begin_on(data: FrameStore, block: GeneratorTraining, fabric: "Fabric") -> tuple[Batches, Training]:
    """The same for these training frames. The textures of a limb atlas are random."""
    batches = Batches(data, block, fabric.device)
    return batches, Training(block, fabric, batches.in_channels, data)


def train(folder: Path, name: str, block: GeneratorTraining, seconds: float, to: Path) -> tuple[int, float]:
    """Trains for about `seconds` into the folder `to`. Returns the number of steps and the actual time in seconds."""
    steps = max(1, round(seconds / rate(folder, name, block, least=seconds / 20)))
    begun = time.perf_counter()
    learn(folder, name, block, steps, to)
    return steps, time.perf_counter() - begun


def learn(folder: Path, name: str, block: GeneratorTraining, steps: int, to: Path) -> None:
    """Trains for `steps` steps, with the schedule adjusted to them, into the folder `to`."""
    block = block.model_copy(update={"steps": steps, "checkpoint_every": 10**6, "preview_every": 10**6})
    inputs = {argument: folder / path for argument, path in layout.inputs("generator_training", name).items()}
    with contextlib.chdir(folder):
        generator_training.run(**inputs, generator=to, plots=to.with_name(f"{to.name}_plots"), params=block, key=name,
                               entry=Subject(preset="demo", consent=MEASURED))


def scores(folder: Path, name: str, generator: Path, pairs: int | None = None) -> dict[str, float]:
    """Mean scores of the composites of Eq. 12 over held-out frames, as the stage `metrics` computes them:
    HEADLINE_SCORES and WHOLE_FRAME of stages.evaluation.metric_names, FACE_AND_HANDS and LPIPS_VGG; NaN if no frame has a
    score.

    pairs: number of evenly spaced pairs of consecutive frames to score; None for all frames. Raises
    pretrained.MissingWeights if the weights of LPIPS are missing."""
    pretrained.find(pretrained.ALEXNET)
    artifacts, cpu = folder / layout.ROOT / name, torch.device("cpu")
    pose, times = read_poses(artifacts / "poses.parquet")[0], read_timeline(artifacts / "frames.parquet")
    rows = np.flatnonzero(np.array(times.split) == "test")
    scored = paired(len(rows), pairs)
    vgg = VggDistance()
    found = score(composites(artifacts, generator, pose[rows], scored), truths(artifacts, pose, times, rows[scored]),
                  times.about["fps"], optical_flow.DisFlow(), [PerceptualDistance(cpu), vgg], str(generator),
                  "train it again").metrics
    values = {key: np.nan if found[key].value is None else found[key].value for key in (*HEADLINE_SCORES, *WHOLE_FRAME)}
    parts = [found[f"lpips_{part}"].value for part in ("face", "right_hand", "left_hand")]
    known = [value for value in parts if value is not None]
    return values | {FACE_AND_HANDS: float(np.mean(known)) if known else np.nan, LPIPS_VGG: float(np.mean(vgg.distances))}


class VggDistance:
    """LPIPS by VGG-16 of the person's box in every VGG_INTERVAL-th frame, as a FrameScorer without columns: the stage
    `metrics` has no such score, because it takes a second per frame."""

    def __init__(self):
        self.reasons, self.distances, self._frames = {}, [], 0
        self._network = lpips_network("vgg").eval()

    def add(self, picture: np.ndarray, reference: Reference, regions: dict[str, PixelBox], delivered: np.ndarray | None
            ) -> None:
        if self._frames % VGG_INTERVAL == 0 and PERSON_BOX in regions:
            pictures = (crop_for_lpips(one, regions[PERSON_BOX]) for one in (picture, reference.truth))
            self.distances.append(lpips(self._network, *pictures))
        self._frames += 1

    def columns(self) -> dict:
        return {}

    totals = statistics = columns


def composites(artifacts: Path, generator: Path, pose: Pose, scored: np.ndarray) -> Iterator[np.ndarray]:
    """The composites of the poses with the indices `scored`."""
    plate = png.read(artifacts / "background.png")
    for indices, foregrounds in GeneratorInference(generator, torch.device("cpu")).foregrounds(pose, 8):
        for index, foreground in zip(indices, foregrounds.permute(0, 2, 3, 1).numpy()):  # (S, S, 4)
            if index in scored:
                yield compositing.compose(compositing.straight(foreground), plate)


def truths(artifacts: Path, pose: Pose, times: Timeline, rows: np.ndarray) -> Iterator[Reference]:
    """The references of these rows: their true frames."""
    camera, file = read_view(artifacts / "view.parquet"), artifacts / "frames.mkv"
    for row, picture in zip(rows.tolist(), select_frames(video_file.frames(file), rows, file)):
        mask = camera.visible(row, times.about["crop"], len(picture)) if camera.about["moving"] else None
        yield Reference(source_frame=row, take=int(times.take[row]), pose=pose[row], motion_picture=picture,
                        motion_mask=mask, placement=None, truth=picture, truth_mask=mask, retrieval_frame=None,
                        retrieved=None, retrieved_mask=None, real=picture)


@torch.no_grad()
def lpips(network: nn.Module, *pictures: np.ndarray) -> float:
    """LPIPS of two pictures (h, w, 3) uint8."""
    return float(network(*(torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1 for picture in pictures)))


def paired(count: int, pairs: int | None) -> np.ndarray:
    """The ascending indices of `pairs` pairs of consecutive frames, evenly spaced over `count` frames; all for None."""
    if pairs is None or 2 * pairs >= count:
        return np.arange(count)
    firsts = np.linspace(0, count - 2, pairs).round().astype(int)
    return np.unique([firsts, firsts + 1])
