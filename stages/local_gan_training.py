"""Local GAN training (paper section 2.3, Eqs. 9-11 and 15): face, hands and feet get a refiner each.

In: the subject's training frames, masks, poses and face index, and the trained generator. Out: the folder
`local_gans/`: the five refiners (model.safetensors, about.json), the losses of every step (log.parquet) and a
picture of crops before, after and true (preview.png).
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from tqdm import tqdm

from stages import __version__
from stages.learning import device, footage, weights
from stages.learning.appearance import Appearance
from stages.learning.checkpoints import Checkpoint
from stages.losses.adversarial import discriminator_loss, generator_loss
from stages.media import clock as clocks
from stages.media import files, tables
from stages.nets.refiner import PARTS, Critic, Refiner, refine
from stages.vision import crops
from stages.vision.face_enhancement import FaceIndex, enhance
from stages.vision.skeleton import read_poses

if TYPE_CHECKING:
    from stages.params import LocalGanTraining, Subject

LOG = pa.schema([("step", pa.int32())] + [
    (f"{part}_{name}", pa.float32()) for part in PARTS for name in ("l1", "adversarial", "d")])


def run(*, frames: Path, clock: Path, masks: Path, poses: Path, faces: Path, generator: Path, local_gans: Path,
        params: "LocalGanTraining", entry: "Subject", key: str) -> None:
    """Trains, or goes on from the last checkpoint. A part that no training frame shows gets no refiner."""
    entry.require_consent(key)
    timeline = clocks.read_clock(clock)
    pose, _, _ = read_poses(poses)
    pose = pose[timeline.training()]
    data = footage.Footage(frames, masks, pose, len(pose))
    checkpoint = Checkpoint("local_gan_training", [frames, clock, masks, poses, faces, generator], params)
    where = device.choose(params.device)

    pairs = Pairs(data, Appearance(generator, where), FaceIndex.read(faces), timeline.about["fps"], params)
    training = {part: LocalGan(params, where) for part in PARTS if len(pairs.frames[part])}
    step, log = 0, []
    if state := checkpoint.load():
        step, log = state["step"], state["log"]
        for part, local in training.items():
            local.restore(state[part])
        print(f"resumed at step {step} of {params.steps}")

    steps = range(step, params.steps)
    for step in tqdm(steps, initial=step, total=params.steps, desc="local_gan_training", unit="step"):
        row = {}
        for part, local in training.items():
            generated, real = pairs.batch(part, params.batch, [params.seed, step, PARTS.index(part)])
            values = local.advance(generated.to(where), real.to(where), 1 - step / params.steps)
            row |= {f"{part}_{name}": value for name, value in values.items()}
        log.append(row)
        if (step + 1) % params.checkpoint_every == 0:
            states = {part: local.state() for part, local in training.items()}
            checkpoint.save({"step": step + 1, "log": log, **states})

    with files.replacing(local_gans) as folder:
        state = {f"{part}.{name}": tensor for part, local in training.items()
                 for name, tensor in local.refiner.state_dict().items()}
        enhancement = {name: getattr(params, name) for name in ("candidates", "alpha", "beta")}
        about = {"parts": list(training), "width": params.width, "crop": params.crop, "enhancement": enhancement,
                 "steps": params.steps, "version": __version__}
        weights.save(folder, state, about)
        columns = {name: [row.get(name, float("nan")) for row in log] for name in LOG.names[1:]}
        tables.write(folder / "log.parquet", LOG, {"step": np.arange(len(log)) + 1} | columns)
        if training:
            cv2.imwrite(str(folder / "preview.png"), preview(training, pairs))
    checkpoint.remove()
    gains = ", ".join(f"{part} {_gain(log, part):+.0%}" for part in training)
    print(f"local GANs of {key}: {params.steps} steps; L1 of the last steps against the first: "
          f"{gains or 'no part seen'}")


class Pairs:
    """Crops of every part in every training frame, generated (the face enhanced, Eq. 9) and true, at random
    access in a memory-mapped temporary file."""

    def __init__(self, data: footage.Footage, appearance: Appearance, index: FaceIndex, fps: float,
                 params: "LocalGanTraining"):
        self.file = tempfile.TemporaryFile()
        shape = (len(PARTS), data.count, 2, params.crop, params.crop, 4)
        self.pixels = np.memmap(self.file, np.uint8, "w+", shape=shape)
        frames = {part: [] for part in PARTS}
        for indices, foregrounds in tqdm(appearance.foregrounds(data.poses, params.batch), desc="crops", unit="batch"):
            real = data.foreground(indices)
            for i, generated, true in zip(indices, foregrounds.cpu(), real):
                boxes = crops.part_boxes(data.poses[i], data.size)
                for j, part in enumerate(PARTS):
                    if not np.isfinite(boxes[j]).all():
                        continue
                    pair = [_cut(picture, boxes[j], params.crop) for picture in (generated, true)]
                    if part == "face":  # its own face and its neighbours would be too good an example
                        others = index.without(i, round(fps / 2))
                        pair[0] = enhance(pair[0], boxes[j], data.poses.face[i], others,
                                          params.candidates, params.alpha, params.beta)
                    self.pixels[j, i] = (np.stack(pair) * 255).round()
                    frames[part].append(i)
        self.frames = {part: np.array(known, int) for part, known in frames.items()}

    def batch(self, part: str, size: int, seed: list[int]) -> tuple[Tensor, Tensor]:
        """Generated and true crops, each (B, 4, c, c), drawn from the seed."""
        return self.of(part, np.random.default_rng(seed).choice(self.frames[part], size))

    def of(self, part: str, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(self.pixels[PARTS.index(part), frames]).float() / 255  # (B, 2, c, c, 4)
        return tuple(pixels.permute(1, 0, 4, 2, 3))  # each (B, 4, c, c)


class LocalGan:
    """A refiner G_j and its critic D_j, with their optimisers."""

    def __init__(self, params: "LocalGanTraining", where: torch.device):
        torch.manual_seed(params.seed)
        self.params = params
        self.refiner, self.critic = Refiner(params.width).to(where), Critic(params.width).to(where)
        self.optimisers = [torch.optim.Adam(network.parameters(), params.learning_rate, (0.5, 0.999))
                           for network in (self.refiner, self.critic)]

    def advance(self, generated: Tensor, real: Tensor, decay: float) -> dict[str, float]:
        """One step of Eq. 15 with a paired L1 term; the learning rate falls linearly with `decay`."""
        refined, loss_d, adversarial = refine(self.refiner, generated), real.new_zeros(()), real.new_zeros(())
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = self.params.learning_rate * decay
        if self.params.weight_adversarial:
            loss_d = discriminator_loss(self.critic(real), self.critic(refined.detach()))
            self._descend(1, self.critic, loss_d)
            adversarial = generator_loss(self.critic(refined))
        l1 = (refined - real).abs().mean()
        self._descend(0, self.refiner, self.params.weight_l1 * l1 + self.params.weight_adversarial * adversarial)
        return {"l1": l1.item(), "adversarial": adversarial.item(), "d": loss_d.item()}

    def _descend(self, which: int, network: torch.nn.Module, loss: Tensor) -> None:
        self.optimisers[which].zero_grad(set_to_none=True)
        loss.backward(inputs=list(network.parameters()))
        self.optimisers[which].step()

    def state(self) -> dict:
        return {"refiner": self.refiner.state_dict(), "critic": self.critic.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers]}

    def restore(self, state: dict) -> None:
        self.refiner.load_state_dict(state["refiner"])
        self.critic.load_state_dict(state["critic"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)


@torch.no_grad()
def preview(training: dict[str, LocalGan], pairs: Pairs) -> np.ndarray:
    """For every part three rows, generated, refined and true, of eight training frames; BGR."""
    rows = []
    for part, local in training.items():
        known = pairs.frames[part]
        generated, real = pairs.of(part, known[np.linspace(0, len(known) - 1, 8).round().astype(int)])
        rows += [generated, refine(local.refiner.cpu(), generated), real]
    sheet = torch.cat([torch.cat(list(row[:, :3]), 2) for row in rows], 1)  # (3, rows * c, 8 * c)
    return (sheet.permute(1, 2, 0).flip(2) * 255).round().byte().numpy()


def _cut(picture: Tensor, box: np.ndarray, side: int) -> np.ndarray:
    """(4, S, S) -> (side, side, 4)."""
    return crops.cut(picture.permute(1, 2, 0).numpy(), box, side)


def _gain(log: list[dict], part: str) -> float:
    values = [row[f"{part}_l1"] for row in log]
    span = max(1, len(values) // 10)
    return np.mean(values[-span:]) / np.mean(values[:span]) - 1
