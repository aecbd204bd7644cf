"""Local GAN training (paper section 2.3, Eqs. 9-11 and 15): trains one refiner for each body part: face, hands, feet.

Reads the subject's training frames, masks, background, poses and face index, and the trained generator. Writes the
folder `local_gans/`: the refiners (model.safetensors, about.json), the losses of every step (log.parquet), and
generated, refined and real crops (preview.png). Also writes `plots`, the losses as curves.

The last `validation_share` of the training frames is used for validation. There the factor (`strength`) of each
refiner's residual is chosen that minimises the perceptual distance. A refiner that does not reduce it is not saved.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from stages import __version__, threads
from stages.face.face_index import FaceIndex
from stages.learning import devices, saved_networks
from stages.learning.checkpoints import Checkpoint
from stages.learning.crop_pairs import CropPairs
from stages.learning.face_enhancer import FaceEnhancer
from stages.learning.frame_store import FrameStore
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan import LocalGan
from stages.learning.preview_sheet import preview_sheet
from stages.losses.perceptual import perceptual_loss
from stages.media import curves, files, parquet, png
from stages.media.pose_table import read_poses
from stages.media.sampling import evenly_spaced_indices
from stages.media.timeline import read_timeline
from stages.nets.refiner import REFINED_PARTS, refine
from stages.nets.vgg import Vgg
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import LocalGanTraining, Subject

LOG = pa.schema([("step", pa.int32())] + [
    (f"{part}_{name}", pa.float32()) for part in REFINED_PARTS for name in ("l1", "l2", "detail", "adversarial", "d")])
PREVIEW_FRAMES = 8
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a refiner's residual
VGG_DEPTH = 3  # blocks, of the perceptual distance by which the strength is chosen


def run(*, frames: Path, timeline: Path, masks: Path, background: Path, poses: Path, faces: Path, generator: Path,
        local_gans: Path, plots: Path, params: "LocalGanTraining", entry: "Subject", key: str) -> None:
    """Trains the refiners, or resumes from the last checkpoint. A part that is unknown in all training frames has no
    refiner. Raises InputError without consent, and if pre-trained weights of VGG are missing."""
    consent = entry.require_consent(key)
    times = read_timeline(timeline)
    pose, _, _ = read_poses(poses)
    rows = times.training_frames()
    inputs = [frames, timeline, masks, background, poses, faces, generator]
    checkpoint = Checkpoint(f"local_gan_training@{key}", inputs, params)
    device = devices.choose(params.device)
    inference = GeneratorInference(generator, device)
    params = params.for_frames(inference.size)
    data = FrameStore(frames, masks, background, pose[rows], len(rows), take=times.take[rows],
                      shadows=inference.about.get("shadows", False))
    network = Vgg(params.features, VGG_DEPTH).to(device) if params.validation_share else None
    stage_threads = threads.Threads(fixed=device.type != "cpu")

    enhancement = {name: getattr(params, name) for name in
                   ("faces", "face_vectors", "candidates", "alpha", "beta", "features")}
    pairs = CropPairs(data, inference, FaceEnhancer(FaceIndex.read(faces), enhancement),
                      times.about["fps"], params)
    gans = {part: LocalGan(params, part, device) for part in params.parts if len(pairs.training_frames[part])}
    log = train(gans, pairs, checkpoint, stage_threads, params, device)

    strengths = {part: refiner_strength(gan, pairs, part, params.batch, network) for part, gan in gans.items()}
    kept = {part: gan for part, gan in gans.items() if strengths[part] > 0}
    steps = np.arange(len(log)) + 1
    losses = {name: [row.get(name, float("nan")) for row in log] for name in LOG.names[1:]}
    curves.write(plots, "step", steps, losses)
    with files.atomic_write(local_gans) as folder:
        state = {f"{part}.{name}": tensor for part, gan in kept.items()
                 for name, tensor in gan.average.state_dict().items()}
        parts = {part: {"shape": vars(gan.shape), "strength": strengths[part]} for part, gan in kept.items()}
        about = {"parts": parts, "off": sorted(set(gans) - set(kept)), "crop_size": pairs.crop_size,
                 "limb_maps": params.limb_maps, "enhancement": enhancement, "steps": params.steps,
                 "threads": stage_threads.about, "consent": consent, "version": __version__}
        saved_networks.save(folder, state, about)
        parquet.write(folder / "log.parquet", LOG, {"step": steps} | losses)
        if gans:
            png.write(folder / "preview.png", preview(gans, strengths, pairs))
    checkpoint.remove()
    summary = ", ".join(f"{part} {value:.2f}" if value else f"{part} off (no gain)"
                        for part, value in strengths.items()) or "no part to refine"
    print(f"local GANs of {key}: {params.steps} steps; strength on validation frames: {summary}; {stage_threads}")


def train(gans: dict[str, LocalGan], pairs: CropPairs, checkpoint: Checkpoint, stage_threads: threads.Threads,
          params: "LocalGanTraining", device: torch.device) -> list[dict[str, float]]:
    """Makes all remaining steps of all parts. Returns the losses of every step, by the name `<part>_<loss>`."""
    step, log = 0, []
    if state := checkpoint.load():
        step, log = state["step"], state["log"]
        stage_threads.used.update(state["threads"])
        for part, gan in gans.items():
            gan.restore(state[part])
        print(f"resumed at step {step} of {params.steps}")
    steps = range(step, params.steps if gans else 0)
    for step in Progress(steps, initial=step, total=len(steps) + step, desc="local_gan_training", unit="step"):
        row = {}
        with stage_threads:
            for part, gan in gans.items():
                batch = pairs.batch(part, params.batch, [params.seed, step, REFINED_PARTS.index(part)])
                losses = gan.advance(*(tensor.to(device) for tensor in batch), step)
                row |= {f"{part}_{name}": value for name, value in losses.items()}
        log.append(row)
        if (step + 1) % params.checkpoint_every == 0:
            states = {part: gan.state() for part, gan in gans.items()}
            checkpoint.save({"step": step + 1, "log": log, "threads": dict(stage_threads.used), **states})
    return log


@torch.no_grad()
def refiner_strength(gan: LocalGan, pairs: CropPairs, part: str, batch: int, network: Vgg | None) -> float:
    """The factor of the residual, one of STRENGTHS, with the smallest perceptual distance (stages/losses/perceptual.py)
    on the validation frames; 1 if there are none, and then `network` may be None. The squared error would prefer blurred
    parts."""
    frames = pairs.validation_frames[part]
    if not len(frames):
        return 1.0
    distances = np.zeros(len(STRENGTHS))
    for start in range(0, len(frames), batch):
        generated, conditioning, real = (x.to(gan.device) for x in pairs.crops(part, frames[start : start + batch]))
        wanted = network(real[:, :3])
        for i, strength in enumerate(STRENGTHS):
            refined = refine(gan.average, generated, conditioning, strength)
            distances[i] += len(real) * perceptual_loss(network(refined[:, :3]), wanted).item()
    return STRENGTHS[distances.argmin()]


@torch.no_grad()
def preview(gans: dict[str, LocalGan], strengths: dict[str, float], pairs: CropPairs) -> np.ndarray:
    """A picture with three rows for every part: generated, refined and real crops of eight frames (validation frames if
    there are any); RGB uint8."""
    rows = []
    for part, gan in gans.items():
        frames = pairs.validation_frames[part] if len(pairs.validation_frames[part]) else pairs.training_frames[part]
        generated, conditioning, real = pairs.crops(part, frames[evenly_spaced_indices(len(frames), PREVIEW_FRAMES)])
        rows += [generated, refine(gan.average.cpu(), generated, conditioning, strengths[part]), real]
    return preview_sheet([row[:, :3] for row in rows])
