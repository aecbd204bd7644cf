"""Local GAN training (paper section 2.3, Eqs. 9-11 and 15): face, hands and feet get a refiner each.

In: the subject's training frames, masks, background, poses and face index, and the trained generator. Out: the folder
`local_gans/`: the refiners (model.safetensors, about.json), the losses of every step (log.parquet) and a
picture of crops before, after and true (preview.png); `plots`: the losses as curves.

The last part of the training frames is not learned from: there it is measured how far each refiner can be trusted. Its
residual is taken at the strength that leaves the least squared error there; a part that does not gain is switched off.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from stages import __version__, threads
from stages.face.face_enhancement import FaceIndex
from stages.learning import devices, frame_store, part_crops, saved_networks
from stages.learning.checkpoints import Checkpoint
from stages.learning.face_enhancer import Faces
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan import LocalGan
from stages.learning.local_gan_inference import enhanced
from stages.media import clock as clocks, curves, files, parquet, png
from stages.nets.refiner import REFINED_PARTS, refine
from stages.pose import part_boxes
from stages.pose.skeleton import read_poses
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import LocalGanTraining, Subject

LOG = pa.schema([("step", pa.int32())] + [
    (f"{part}_{name}", pa.float32()) for part in REFINED_PARTS for name in ("l1", "l2", "adversarial", "d")])


def run(*, frames: Path, clock: Path, masks: Path, background: Path, poses: Path, faces: Path, generator: Path,
        local_gans: Path, plots: Path, params: "LocalGanTraining", entry: "Subject", key: str) -> None:
    """Trains, or goes on from the last checkpoint. A part that no training frame shows gets no refiner."""
    consent = entry.require_consent(key)
    timeline = clocks.read_clock(clock)
    pose, _, _ = read_poses(poses)
    rows = timeline.training()
    data = frame_store.FrameStore(frames, masks, background, pose[rows], len(rows), take=timeline.take[rows])
    inputs = [frames, clock, masks, background, poses, faces, generator]
    checkpoint = Checkpoint(f"local_gan_training@{key}", inputs, params)
    where = devices.choose(params.device)
    own = threads.Threads(fixed=where.type != "cpu")

    enhancement = {name: getattr(params, name) for name in
                   ("faces", "face_vectors", "candidates", "alpha", "beta", "features")}
    pairs = Pairs(data, GeneratorInference(generator, where), Faces(FaceIndex.read(faces), enhancement), timeline.about["fps"],
                  params)
    training = {part: LocalGan(params, part, where) for part in params.parts if len(pairs.frames[part])}
    step, log = 0, []
    if state := checkpoint.load():
        step, log = state["step"], state["log"]
        own.used.update(state["threads"])
        for part, local in training.items():
            local.restore(state[part])
        print(f"resumed at step {step} of {params.steps}")

    steps = range(step, params.steps if training else 0)
    for step in Progress(steps, initial=step, total=len(steps) + step, desc="local_gan_training", unit="step"):
        row = {}
        with own:
            for part, local in training.items():
                seen = pairs.batch(part, params.batch, [params.seed, step, REFINED_PARTS.index(part)])
                values = local.advance(*(crops.to(where) for crops in seen), step)
                row |= {f"{part}_{name}": value for name, value in values.items()}
        log.append(row)
        if (step + 1) % params.checkpoint_every == 0:
            states = {part: local.state() for part, local in training.items()}
            checkpoint.save({"step": step + 1, "log": log, "threads": dict(own.used), **states})

    trust = {part: strength(local, pairs, part, params.batch) for part, local in training.items()}
    learned = {part: local for part, local in training.items() if trust[part] > 0}
    done = np.arange(len(log)) + 1
    losses = {name: [row.get(name, float("nan")) for row in log] for name in LOG.names[1:]}
    curves.write(plots, "step", done, losses)
    with files.replacing(local_gans) as folder:
        state = {f"{part}.{name}": tensor for part, local in learned.items()
                 for name, tensor in local.average.state_dict().items()}
        kept = {part: {"shape": vars(local.shape), "strength": trust[part]} for part, local in learned.items()}
        about = {"parts": kept, "off": sorted(set(training) - set(learned)), "crop_size": params.crop_size, "limb_maps": params.limb_maps,
                 "enhancement": enhancement, "steps": params.steps, "threads": own.about,
                 "consent": consent, "version": __version__}
        saved_networks.save(folder, state, about)
        parquet.write(folder / "log.parquet", LOG, {"step": done} | losses)
        if training:
            png.write(folder / "preview.png", preview(training, trust, pairs))
    checkpoint.remove()
    found = ", ".join(f"{part} {value:.2f}" if value else f"{part} off: it gains nothing"
                      for part, value in trust.items()) or "no part to refine"
    print(f"local GANs of {key}: {params.steps} steps; strength by the frames kept back: {found}; {own}")


class Pairs:
    """Crops of every part in every training frame, generated (the face enhanced, Eq. 9) and true, at random
    access in a memory-mapped file."""

    def __init__(self, data: frame_store.FrameStore, appearance: GeneratorInference, faces: Faces, fps: float,
                 params: "LocalGanTraining"):
        self.params, self.poses, self.background = params, data.poses, data.background
        boxes = np.stack([part_boxes.part_boxes(data.poses[i], data.size) for i in range(data.count)])  # (T, 5, 4)
        known = np.isfinite(boxes).all(2)
        self.corners = part_crops.corners(np.where(known[..., None], boxes, 0), params.crop_size)  # (T, 5, 2)
        self.file = files.scratch()
        shape = (len(REFINED_PARTS), data.count, 2, 4, params.crop_size, params.crop_size)
        self.pixels = np.memmap(self.file, np.uint8, "w+", shape=shape)
        wanted = [REFINED_PARTS.index(part) for part in params.parts]
        shown = appearance.foregrounds(data.poses, params.batch, data.take)
        for indices, foregrounds in Progress(shown, desc="crops", unit="batch"):
            real = data.foreground(indices)
            for j in wanted:
                seen = np.flatnonzero(known[indices, j])
                if len(seen):
                    rows, corners = indices[seen], self.corners[indices[seen], j]
                    pair = [part_crops.cut([picture[i] for i in seen], corners, params.crop_size) for picture in
                            (foregrounds.cpu(), real.cpu())]
                    if REFINED_PARTS[j] == "face":  # its own face and its neighbours would be too good an example
                        others = [faces.index.away(i, round(fps / 2)) for i in rows]
                        pair[0] = enhanced(faces, pair[0], data.poses[rows], corners, others)
                    self.pixels[j, rows] = (torch.stack(pair, 1) * 255).round().byte().numpy()
        frames = {part: np.flatnonzero(known[:, j]) for j, part in enumerate(REFINED_PARTS)}
        kept = {part: round(len(known) * params.validation_share) for part, known in frames.items()}
        self.frames = {part: known[: len(known) - kept[part]] for part, known in frames.items()}
        self.back = {part: known[len(known) - kept[part] :] for part, known in frames.items()}

    def batch(self, part: str, size: int, seed: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`of` training frames drawn from the seed, and the backgrounds behind the crops (B, 3, c, c)."""
        frames = np.random.default_rng(seed).choice(self.frames[part], size)
        corners = self.corners[frames, REFINED_PARTS.index(part)]
        return *self.of(part, frames), part_crops.cut([self.background] * size, corners, self.params.crop_size)

    def of(self, part: str, frames: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Generated crops (B, 4, c, c), what is told beside them, and true crops (B, 4, c, c)."""
        j, p = REFINED_PARTS.index(part), self.params
        generated, real = (torch.from_numpy(self.pixels[j, frames]).float() / 255).unbind(1)
        told = part_crops.beside(self.poses[frames], part, self.corners[frames, j], p.crop_size, p.limb_maps, generated.device)
        return generated, told, real


@torch.no_grad()
def strength(local: LocalGan, pairs: Pairs, part: str, batch: int) -> float:
    """The share of the residual, in [0, 1], that leaves the least squared error in the frames kept back; 1 where none
    are."""
    product, square, back = 0.0, 0.0, pairs.back[part]
    for start in range(0, len(back), batch):
        generated, told, real = (x.to(local.device) for x in pairs.of(part, back[start : start + batch]))
        change = refine(local.average, generated, told) - generated
        product += (change * (real - generated)).sum().item()
        square += (change**2).sum().item()
    return float(np.clip(product / max(square, 1e-12), 0, 1)) if len(back) else 1.0


@torch.no_grad()
def preview(training: dict[str, LocalGan], trust: dict[str, float], pairs: Pairs) -> np.ndarray:
    """For every part three rows, generated, refined and true, of eight frames, kept back where some are; RGB."""
    rows = []
    for part, local in training.items():
        known = pairs.back[part] if len(pairs.back[part]) else pairs.frames[part]
        generated, told, real = pairs.of(part, known[np.linspace(0, len(known) - 1, 8).round().astype(int)])
        rows += [generated, refine(local.average.cpu(), generated, told, trust[part]), real]
    sheet = torch.cat([torch.cat(list(row[:, :3]), 2) for row in rows], 1)  # (3, rows * c, 8 * c)
    return (sheet.permute(1, 2, 0) * 255).round().byte().numpy()
