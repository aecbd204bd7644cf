"""Generator training (paper sections 2.2 and 2.4): poses of the target -> their foreground.

In: frames, masks and poses of the subject; only the training part of the clock is seen. Out: the folder
`generator/`: the averaged weights (model.safetensors), what they are (about.json), the losses of every step
(log.parquet) and previews: skeleton, generated and true foreground (preview_*.png).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from stages import __version__
from stages.learning import device, footage, weights
from stages.learning.checkpoints import Checkpoint
from stages.losses.adversarial import discriminator_loss, generator_loss
from stages.losses.gromov_wasserstein import gromov_wasserstein_loss
from stages.losses.perceptual import perceptual_loss
from stages.media import clock as clocks
from stages.media import files, tables
from stages.nets import vgg
from stages.nets.discriminators import QualityDiscriminator, TemporalDiscriminator
from stages.nets.generator import Generator, GeneratorShape
from stages.vision.skeleton import Pose, read_poses

if TYPE_CHECKING:
    from stages.params import GeneratorTraining, Subject

LOSSES = ("l1", "alpha", "vgg", "gw", "spatial", "temporal", "d_spatial", "d_temporal")
LOG = pa.schema([("step", pa.int32())] + [(name, pa.float32()) for name in LOSSES])


def run(*, frames: Path, clock: Path, masks: Path, poses: Path, generator: Path, params: "GeneratorTraining",
        entry: "Subject", key: str) -> None:
    """Trains, or goes on from the last checkpoint. Raises InputError without consent, without a training part,
    or without the pre-trained features that params ask for."""
    consent = entry.require_consent(key)
    training_frames = clocks.read_clock(clock).training()
    pose, _, _ = read_poses(poses)
    data = footage.Footage(frames, masks, pose[training_frames], len(training_frames))
    if data.count < params.run_length:
        raise clocks.too_short(clock, params.run_length)

    checkpoint = Checkpoint("generator_training", [frames, clock, masks, poses], params)
    training = Training(params, device.choose(params.device))
    if state := checkpoint.load():
        training.restore(state)
        print(f"resumed at step {training.step} of {params.steps}")

    progress = tqdm(total=params.steps, initial=training.step, desc="generator_training", unit="step")
    previews = checkpoint.path.with_suffix("")  # pictures made so far, beside the state
    while training.step < params.steps:
        values = training.advance(data)
        progress.update()
        progress.set_postfix(l1=f"{values['l1']:.4f}", gw=f"{values['gw']:.4f}", refresh=False)
        if training.step % params.preview_every == 0 or training.step == params.steps:
            previews.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(previews / f"preview_{training.step:06d}.png"), training.preview(data))
        if training.step % params.checkpoint_every == 0:
            checkpoint.save(training.state())
    progress.close()

    about = {
        "shape": vars(training.shape), "size": data.size, "parts": list(params.parts),
        "drawing": params.drawing, "steps": params.steps,
        "features": params.features, "training_frames": data.count, "consent": consent, "version": __version__,
    }
    with files.replacing(generator) as folder:
        weights.save(folder, training.average.state_dict(), about)
        log = {"step": np.arange(params.steps) + 1} | {n: [row[n] for row in training.log] for n in LOSSES}
        tables.write(folder / "log.parquet", LOG, log)
        for picture in sorted(previews.glob("preview_*.png")):
            picture.rename(folder / picture.name)
    files.remove(previews)
    checkpoint.remove()
    print(f"generator of {key}: {params.steps} steps on {data.count} frames, {params.features} features, "
          f"L1 {np.mean([row['l1'] for row in training.log[-20:]]):.4f} over the last steps")


class Training:
    """G, D_q, D_t, their optimisers and the average of G's weights; `advance` is one step of each."""

    def __init__(self, params: "GeneratorTraining", where: torch.device):
        torch.manual_seed(params.seed)
        self.params, self.device = params, where
        self.shape = GeneratorShape(params.width, params.levels, params.stem, params.dense,
                                    footage.channels(params.parts, params.drawing))
        self.networks = {
            "generator": Generator(self.shape),
            "quality": QualityDiscriminator(params.discriminator_width, params.stem),
            "temporal": TemporalDiscriminator(params.discriminator_width, params.stem),
        }
        self.average = Generator(self.shape).to(where)
        self.average.load_state_dict(self.networks["generator"].state_dict())
        for network in self.networks.values():
            network.to(where, memory_format=torch.channels_last)
        self.optimisers = {
            name: torch.optim.Adam(network.parameters(), self.learning_rate(name), tuple(params.betas), fused=True)
            for name, network in self.networks.items()
        }
        self.features = vgg.Vgg(params.features, params.features_depth).to(where)
        self.step, self.log = 0, []

    def advance(self, data: footage.Footage) -> dict[str, float]:
        """One step on one batch: each frame is generated once, and every window of three inside a run is scored
        by D_t."""
        poses, real = self.batch(data)
        for name, optimiser in self.optimisers.items():
            optimiser.param_groups[0]["lr"] = self.learning_rate(name) * self.decay()

        with device.precision(self.device):
            fake = self.networks["generator"](poses)
        skeletons = poses[:, 3:6]  # P_t (B, 3, S / stem, S / stem)

        values = self.train_discriminators(skeletons, real, fake.detach().float())
        values |= self.train_generator(skeletons, real, fake.float())
        with torch.no_grad():
            keep = min(self.params.ema, (1 + self.step) / (10 + self.step))
            now = list(self.networks["generator"].parameters())
            torch._foreach_lerp_(list(self.average.parameters()), now, 1 - keep)
        self.step += 1
        self.log.append(values)
        return values

    def train_discriminators(self, skeletons: Tensor, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Eqs. 13 and 14, maximised by D_q and D_t."""
        values = {"d_spatial": 0.0, "d_temporal": 0.0}
        for name, loss_name, judge in self.judges():
            with device.precision(self.device):
                loss = discriminator_loss(judge(skeletons, real).float(), judge(skeletons, fake).float())
            self.descend(name, loss)
            values[loss_name] = loss.item()
        return values

    def train_generator(self, skeletons: Tensor, real: Tensor, fake: Tensor) -> dict[str, float]:
        """The paired terms, Gromov-Wasserstein (Eq. 3), and Eqs. 13 and 14 as G sees them."""
        p = self.params
        terms = {"l1": (fake[:, :3] - real[:, :3]).abs().mean(), "alpha": (fake[:, 3] - real[:, 3]).abs().mean()}
        if p.weight_vgg or p.weight_gw:
            with device.precision(self.device):
                generated, true = (self.features(self.shrink(x[:, :3])) for x in (fake, real))
            terms["vgg"] = perceptual_loss([x.float() for x in generated], [x.float() for x in true])
            terms["gw"] = gromov_wasserstein_loss(
                vgg.vectors(generated), vgg.vectors(true), p.gw_epsilon, p.gw_outer, p.gw_inner
            ) if p.weight_gw else fake.new_zeros(())
        for name, loss_name, judge in self.judges():
            with device.precision(self.device):
                terms[loss_name.removeprefix("d_")] = generator_loss(judge(skeletons, fake).float())
        self.descend("generator", sum(getattr(p, f"weight_{name}") * term for name, term in terms.items()))
        return {name: terms[name].item() if name in terms else 0.0 for name in LOSSES[:6]}

    def judges(self):
        """D_q on frames and D_t on windows of three, each only where its weight is not zero."""
        p = self.params

        def windows(x: Tensor) -> Tensor:
            runs = x[: p.runs * p.run_length].unflatten(0, (p.runs, -1))  # (runs, L, C, S, S)
            triples = [runs[:, i : i + 3] for i in range(p.run_length - 2)]
            return torch.cat(triples)  # (runs * (L - 2), 3, C, S, S)

        quality, temporal = self.networks["quality"], self.networks["temporal"]
        if p.weight_spatial:
            yield "quality", "d_spatial", quality
        if p.weight_temporal:
            yield "temporal", "d_temporal", lambda skeletons, f: temporal(windows(skeletons), windows(f))

    def descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.networks[name].parameters()))
        self.optimisers[name].step()

    def batch(self, data: footage.Footage) -> tuple[Tensor, Tensor]:
        """Pose windows and foregrounds of `runs` runs of consecutive frames, then of `singles` frames from anywhere,
        each moved and scaled a little. Drawn from (seed, step): a resumed run draws the same."""
        p, random = self.params, np.random.default_rng([self.params.seed, self.step])
        lengths = [p.run_length] * p.runs + [1] * p.singles
        poses, real = [], []
        for length in lengths:
            frames = random.integers(0, data.count - length + 1) + np.arange(length)
            shift = footage.Shift.draw(p.augment, random)
            poses.append(self.windows(shift.pose(data.poses, data.size), frames, data.size))
            real.append(shift.picture(data.foreground(frames)))
        return torch.cat(poses), torch.cat(real).to(self.device, memory_format=torch.channels_last)

    def learning_rate(self, network: str) -> float:
        return self.params.learning_rate if network == "generator" else self.params.discriminator_learning_rate

    def decay(self) -> float:
        """The learning rates' factor: 1 until `decay_from`, then falling to 0."""
        left = 1 - self.step / self.params.steps
        return min(1.0, left / max(1 - self.params.decay_from, 1e-9))

    def windows(self, poses: Pose, frames: np.ndarray, size: int) -> Tensor:
        p = self.params
        return footage.windows(poses, frames, size // p.stem, size, p.parts, p.drawing, self.device)

    def shrink(self, pictures: Tensor) -> Tensor:
        """To the size at which VGG looks, never enlarging."""
        size = min(self.params.features_size, pictures.shape[-1])
        return F.interpolate(pictures, (size, size), mode="area")

    @torch.no_grad()
    def preview(self, data: footage.Footage) -> np.ndarray:
        """Skeletons, generated and true foregrounds of six training frames, (3 S, 6 S, 3) BGR."""
        frames = np.linspace(0, data.count - 1, 6).round().astype(int)
        poses = self.windows(data.poses, frames, data.size)
        rows = [F.interpolate(poses[:, 3:6], (data.size, data.size)), self.average(poses)[:, :3],
                data.foreground(frames)[:, :3].to(self.device)]
        sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # (3, 3 S, 6 S)
        return (sheet.permute(1, 2, 0).flip(2).clamp(0, 1) * 255).round().byte().cpu().numpy()

    def state(self) -> dict:
        return {
            "step": self.step, "log": self.log, "average": self.average.state_dict(),
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        self.step, self.log = state["step"], list(state["log"])
        self.average.load_state_dict(state["average"])
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])
