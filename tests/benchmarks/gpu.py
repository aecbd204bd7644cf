"""Training and inference on a GPU, without DVC, Prefect or a network: python -m tests.benchmarks.gpu OUT

Renders one person with the true poses and masks, trains the preset `best` on the first four fifths for a fixed time, and
scores the held-out frames several times during the training. Then it trains the preset `paper` for some steps, to measure
its speed and memory. Writes OUT/figures.json (the table that it prints) and OUT/best_<seconds>.png (true above generated
frames). Takes ten minutes. With --device cpu and small values it also runs on a CPU, as in tests/benchmarks/test_gpu.py.

OUT                folder for the results
--size 512         side of the frames in pixels
--film 20          seconds of film to render
--train 60 180 360 seconds of training after which the held-out frames are scored
--paper 200        training steps of `paper`
--device cuda      or cpu
"""

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from stages import params, pretrained, samples
from stages.evaluation.perceptual_distance import lpips_network
from stages.imaging import compositing
from stages.learning import devices, saved_networks
from stages.learning.batches import Batches
from stages.learning.frame_store import FrameStore
from stages.learning.generator_inference import GeneratorInference
from stages.learning.training import Training
from stages.media import files, png, video_file
from stages.media.sampling import evenly_spaced
from stages.pose.skeleton import Pose
from tests.benchmarks.held_out import begin_on, lpips, seconds_per_step, synchronise

ROOT = Path(__file__).parents[2]
PERSON, MOTIONS, SEED = "stranger_304", ("turn", "wave", "squat", "kick", "dance"), 304
SCORED = 16  # held-out frames


class Film:
    """A rendered person: `train`, the training frames; and truth and poses of the held-out fifth."""

    def __init__(self, folder: Path, size: int, seconds: float, device: torch.device):
        poses, pictures, masks = [], [], []
        for rgb, alpha, pose, _ in samples.frames(PERSON, MOTIONS, SEED, seconds, size):
            pictures.append(rgb)
            masks.append(alpha)
            poses.append(pose)
        count = len(poses) * 4 // 5
        self.plate = np.median(np.stack(pictures[::5]), 0).astype(np.uint8)
        self.truth, self.held_out = pictures[count:], Pose.stack(poses[count:])
        with (video_file.lossless(folder / "frames.mkv", 25.0) as frame,
              video_file.lossless(folder / "masks.mkv", 25.0, "gray") as mask):
            for picture, alpha in zip(pictures[:count], masks):
                frame(picture)
                mask(alpha)
        png.write(folder / "background.png", self.plate)
        self.train = FrameStore(folder / "frames.mkv", folder / "masks.mkv", folder / "background.png",
                                Pose.stack(poses[:count]), count, device)


def begin(film: Film, block: params.GeneratorTraining) -> tuple[Batches, Training]:
    batches, training = begin_on(film.train, block, devices.fabric(block.device, 1, block.precision))
    training.initialise(batches)
    return batches, training


def best(film: Film, block: params.GeneratorTraining, seconds: list[float], out: Path) -> dict:
    """Trains for the last of `seconds`, scores after each of them."""
    batches, training = begin(film, block)
    per_step = seconds_per_step(batches, training, 4 * block.adversarial_interval)
    block = block.model_copy(update={"steps": max(1, round(seconds[-1] / per_step))})
    batches, training = begin(film, block)
    frames, found, spent = block.clips * block.clip_length + block.single_frames, {}, 0.0
    for until in seconds:
        while spent < until and training.step < block.steps:
            begun = time.perf_counter()
            training.advance(batches)
            synchronise(training)
            spent += time.perf_counter() - begun
        found |= scores(film, training, out, f"best_{until:g}")
    return found | {"best: images/s": training.step * frames / spent, "best: steps": training.step,
                    "best: memory, GiB": memory(training)}


def memory(training: Training) -> float | None:
    on_gpu = training.fabric.device.type == "cuda"
    return torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None


def scores(film: Film, training: Training, out: Path, name: str) -> dict:
    """LPIPS and PSNR of the held-out frames, and the speed of inference."""
    p, folder = training.params, out / name
    saved_networks.save(folder, training.average.state_dict(), {
        "architecture": p.architecture, "shape": training.shape, "size": film.train.size, "parts": list(p.parts),
        "pose_maps": p.pose_maps, "pose_context": p.pose_context, "crop": p.crop, "crop_margin": p.crop_margin})
    generator, composites = GeneratorInference(folder, training.fabric.device), []
    begun = time.perf_counter()
    for _, foregrounds in generator.foregrounds(film.held_out, 8):
        for foreground in foregrounds.permute(0, 2, 3, 1).cpu().numpy():
            composites.append(compositing.compose(compositing.straight(foreground), film.plate))
    rate = len(composites) / (time.perf_counter() - begun)
    shown = evenly_spaced(np.arange(len(composites)), SCORED)
    png.write(out / f"{name}.png", np.vstack([np.hstack([pictures[i] for i in shown[::4]])
                                              for pictures in (film.truth, composites)]))
    try:
        network = lpips_network().eval()
        distance = float(np.mean([lpips(network, film.truth[i], composites[i]) for i in shown]))
    except pretrained.MissingWeights:
        distance = None
    files.remove(folder)
    return {f"{name}: LPIPS": distance, f"{name}: inference, frames/s": rate,
            f"{name}: PSNR, dB": float(np.mean([cv2.PSNR(film.truth[i], composites[i]) for i in shown]))}


def paper(film: Film, block: params.GeneratorTraining, steps: int) -> dict:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    batches, training = begin(film, block)
    per_step = seconds_per_step(batches, training, steps)
    return {"paper: images/s": block.clips * block.clip_length / per_step, "paper: memory, GiB": memory(training),
            "paper: hours for all steps": per_step * training.params.steps / 3600}


def available(block: params.GeneratorTraining, device: str) -> params.GeneratorTraining:
    """The parameters for this device. Without the trained weights of VGG, random features are used: they cost the same."""
    try:
        pretrained.find(pretrained.VGG.get(block.features, pretrained.VGG["vgg16"]))
    except pretrained.MissingWeights:
        block = block.model_copy(update={"features": "random"})
    return block.model_copy(update={"device": device})


def main(presets: dict[str, params.Preset] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--film", type=float, default=20.0)
    parser.add_argument("--train", type=float, nargs="+", default=[60.0, 180.0, 360.0])
    parser.add_argument("--paper", type=int, default=200)
    parser.add_argument("--device", default="cuda")
    wanted = parser.parse_args()
    presets = presets or params.load(ROOT / "params.yaml").presets
    out = wanted.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    film = Film(out, wanted.size, wanted.film, torch.device(wanted.device))
    blocks = {name: available(presets[name].generator_training, wanted.device) for name in ("best", "paper")}
    found = {"device": torch.cuda.get_device_name() if wanted.device == "cuda" else "CPU",
             "features": {name: block.features for name, block in blocks.items()}}
    found |= best(film, blocks["best"], sorted(wanted.train), out)
    found |= paper(film, blocks["paper"], wanted.paper)
    (out / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(f"{name:<40}{value if isinstance(value, (str, dict)) or value is None else round(value, 4)}"
                    for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
