"""The training of G, D_q and D_t (paper sections 2.2 and 2.4): one step at a time, on one device or several.

A step's batch may be split into micro-batches (`accumulation`) and over processes (`devices`). Every term but one is a
mean over frames, so its gradient adds up. Gromov-Wasserstein compares all frames of the batch with each other: their
feature vectors are gathered first, and each share gets the gradient of the whole with respect to its own vectors.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages import threads
from stages.learning import devices
from stages.learning.optimisers import NetworkOptimiser, ema_update
from stages.losses.adversarial import discriminator_loss, feature_matching, generator_loss
from stages.losses.gromov_wasserstein import gromov_wasserstein_loss
from stages.losses.perceptual import perceptual_loss
from stages.nets import vgg
from stages.nets.discriminators import QualityDiscriminator, TemporalDiscriminator, change
from stages.nets.generators import build
from stages.nets.pix2pixhd import MultiscaleDiscriminator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from stages.learning.batches import Batch, Batches
    from stages.params import GeneratorTraining

TERMS = ("l1", "l2", "alpha", "vgg", "gw", "matching", "spatial", "temporal")  # each has its weight in params
PLAIN = ("l1", "l2", "alpha")                    # which ask no other network
LOSSES = (*TERMS, "d_spatial", "d_temporal")


class Training:
    """The networks, their optimisers and the average of G's weights; `advance` is one step of each."""

    def __init__(self, params: "GeneratorTraining", fabric: "Fabric", inputs: int):
        torch.manual_seed(params.seed)
        p = self.params = params
        self.fabric, where = fabric, fabric.device
        numbers = ("width", "widest", "levels", "blocks", "stem", "dense")
        self.shape = {name: getattr(p, name) for name in numbers} | {"inputs": inputs}
        self.judges = judges(p)
        self.networks = {"generator": build(p.architecture, self.shape)} | self.judges
        self.average = build(p.architecture, self.shape).to(where)
        self.average.load_state_dict(self.networks["generator"].state_dict())
        for name, network in self.networks.items():
            slower = name == "generator" and p.architecture == "pix2pixhd" and where.type == "cpu"  # channels-last
            network.to(where, memory_format=torch.contiguous_format if slower else torch.channels_last)
            if p.compile:
                network.compile()
        shared = tuple(p.betas), p.matrix_learning_rate
        self.optimisers = {"generator": NetworkOptimiser(self.networks["generator"], p.optimiser, p.learning_rate, *shared)}
        self.optimisers |= {name: NetworkOptimiser(judge, "adam", p.discriminator_learning_rate, *shared)
                            for name, judge in self.judges.items()}
        self.features = vgg.Vgg(p.features, p.features_depth).to(where, memory_format=torch.channels_last)
        self.step = 0
        self.losses = dict.fromkeys(LOSSES, torch.zeros((), device=where))  # as each was last seen

    def advance(self, batches: "Batches") -> Tensor:
        """One step of every network; the LOSSES (10,), on the device, of this process's share. Each frame is generated
        once (twice where the batch is split), and every window inside a run is scored. What asks other networks, the
        discriminators and VGG, is asked every `judge_every` steps, and weighs as much more."""
        p = self.params
        first, count = self.fabric.global_rank * p.accumulation, p.devices * p.accumulation
        shares = [batches.of(self.step, first + i, count) for i in range(p.accumulation)]
        with torch.set_grad_enabled(len(shares) == 1):
            fakes = [self.generate(share) for share in shares]
        threads.recheck()
        if self.judged:
            self.losses |= self.train_judges(shares, fakes)
        self.losses |= self.train_generator(shares, fakes)
        ema_update(self.average, self.networks["generator"], self.step, p.ema)
        self.step += 1
        return torch.stack([self.losses[name].float() for name in LOSSES])

    @property
    def judged(self) -> bool:
        return self.step % self.params.judge_every == 0

    def weight(self, term: str) -> float:
        every = 1 if term in PLAIN else self.params.judge_every
        return every * getattr(self.params, f"weight_{term}")

    def generate(self, share: "Batch") -> Tensor:
        with self.fabric.autocast():
            return self.networks["generator"](share.poses).float()

    def train_judges(self, shares: "list[Batch]", fakes: list[Tensor]) -> dict[str, Tensor]:
        """Eqs. 13 and 14, maximised by D_q and D_t."""
        losses = {}
        for name in self.judges:
            for share, fake in zip(shares, fakes):
                real, fooled = self.judge(name, share, share.real), self.judge(name, share, fake.detach())
                loss = discriminator_loss(real, fooled, self.params.adversarial) / len(shares)
                self.backward(name, loss)
                losses[f"d_{name}"] = losses.get(f"d_{name}", 0) + loss.detach()
            self.descend(name)
        return losses

    def train_generator(self, shares: "list[Batch]", fakes: list[Tensor]) -> dict[str, Tensor]:
        """The paired terms, Gromov-Wasserstein (Eq. 3), and Eqs. 13 and 14 as G sees them."""
        whole = len(shares) == 1  # else graph and features of each share are built anew, one at a time
        looks = map(self.looks, shares, fakes)
        looks = list(looks) if whole else looks
        losses, pulls = self.gromov_wasserstein(looks, len(shares))
        for share, fake, pull in zip(shares, fakes, pulls, strict=True):
            fake = fake if whole else self.generate(share)
            features, real_features = looks[0] if whole else self.looks(share, fake)
            terms = self.terms(share, fake, features, real_features)
            loss = sum(self.weight(name) * term for name, term in terms.items()) / len(shares)
            if pull is not None:
                loss = loss + (pull * self.vectors(features)).sum()
            self.backward("generator", loss)
            for name, term in terms.items():
                losses[name] = losses.get(name, 0) + term.detach() / len(shares)
        self.descend("generator")
        return losses

    def terms(self, share: "Batch", fake: Tensor, features: vgg.Features, real_features: vgg.Features
              ) -> dict[str, Tensor]:
        """Those that are means over frames, where their weight is not zero."""
        p, real = self.params, share.real
        colour, alpha = (fake[:, :3] - real[:, :3]), (fake[:, 3] - real[:, 3])
        terms = {}
        if p.weight_l1:
            terms["l1"] = colour.abs().mean()
        if p.weight_l2:
            terms["l2"] = colour.square().mean()
        if p.weight_alpha:
            terms["alpha"] = alpha.abs().mean()
        if not self.judged:
            return terms
        if p.weight_vgg:
            terms["vgg"] = perceptual_loss(features, real_features)
        for name in self.judges:
            looks = self.judge(name, share, fake)
            terms[name] = generator_loss(looks, p.adversarial)
            if p.weight_matching:
                with torch.no_grad():
                    wanted = self.judge(name, share, real)
                terms["matching"] = terms.get("matching", 0) + feature_matching(wanted, looks)
        return terms

    def gromov_wasserstein(self, looks: Iterable[tuple[vgg.Features, vgg.Features]], count: int
                           ) -> tuple[dict[str, Tensor], list[Tensor | None]]:
        """The loss over the whole batch of so many shares, of which it sees the features one after the other, and its
        weighted gradient by the feature vectors of each."""
        p = self.params
        if not (p.weight_gw and self.judged):
            return {}, [None] * count
        x, y = zip(*([self.vectors(features).detach() for features in sides] for sides in looks))
        own, real, world = torch.cat(x).requires_grad_(), torch.cat(y), 1
        every = own
        if p.gw_points == "frames":  # they are compared across the whole batch
            others, real, world = devices.gather(self.fabric, own.detach()), devices.gather(self.fabric, real), p.devices
            first = self.fabric.global_rank * len(own)
            every = torch.cat([others[:first], own, others[first + len(own) :]])
        value = gromov_wasserstein_loss(every, real, p.gw_epsilon, p.gw_outer, p.gw_inner, p.gw_debiased)
        # the mean over processes will divide by their number
        pull, = torch.autograd.grad(self.weight("gw") * world * value, own)
        return {"gw": value.detach()}, list(pull.split([len(rows) for rows in x]))

    def vectors(self, features: vgg.Features) -> Tensor:
        """z of Eq. 1: one a frame, (B, d), or one a cell of each frame, (B, cells, d)."""
        return vgg.vectors(features) if self.params.gw_points == "frames" else vgg.patches(features)

    def looks(self, share: "Batch", fake: Tensor) -> tuple[vgg.Features, vgg.Features]:
        """VGG's features of the generated foregrounds and of the real ones."""
        with torch.no_grad():
            real = self.look(share.real)
        return self.look(fake), real

    def look(self, pictures: Tensor) -> vgg.Features:
        """VGG's features of foregrounds, at the size at which it looks, never enlarged; none where nothing asks."""
        p = self.params
        if not (self.judged and (p.weight_vgg or p.weight_gw)):
            return []
        scale = min(1.0, p.features_size / max(pictures.shape[-2:]))
        colour = pictures[:, :3]
        if scale < 1:
            colour = F.interpolate(colour, [round(side * scale) for side in colour.shape[-2:]], mode="area")
        with self.fabric.autocast():
            return [feature.float() for feature in self.features(colour)]

    def judge(self, name: str, share: "Batch", foregrounds: Tensor):
        """What a discriminator sees in foregrounds before the background, or in the windows of consecutive ones."""
        network = self.networks[name]
        skeletons, frames = share.skeletons, change(foregrounds, share.backgrounds)
        if network.frames > 1:
            skeletons, frames = share.windows(skeletons, network.frames), share.windows(frames, network.frames)
        with self.fabric.autocast():
            return network(skeletons, frames)

    def backward(self, name: str, loss: Tensor) -> None:
        threads.recheck()
        loss.backward(inputs=list(self.networks[name].parameters()))

    def descend(self, name: str) -> None:
        devices.average(self.fabric, [parameter.grad for parameter in self.networks[name].parameters()])
        self.optimisers[name].step(self.decay())

    def decay(self) -> float:
        """The learning rates' factor: 1 until `decay_from`, then falling to 0."""
        left = 1 - self.step / self.params.steps
        return min(1.0, left / max(1 - self.params.decay_from, 1e-9))

    def sound(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(value.isfinite().all()) for network in self.networks.values() for value in network.parameters())

    def state(self) -> dict:
        return {
            "step": self.step, "losses": self.losses, "average": self.average.state_dict(),
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        self.step = state["step"]
        self.losses = {name: loss.to(self.fabric.device) for name, loss in state["losses"].items()}
        self.average.load_state_dict(state["average"])
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])


def judges(params: "GeneratorTraining") -> dict[str, nn.Module]:
    """D_q and D_t, or pix2pixHD's, each only where its weight is not zero."""
    width, stem = params.discriminator_width, params.stem
    if params.discriminators == "multiscale":
        return {"spatial": MultiscaleDiscriminator(width, params.scales)} if params.weight_spatial else {}
    found = {}
    if params.weight_spatial:
        found["spatial"] = QualityDiscriminator(width, stem)
    if params.weight_temporal:
        found["temporal"] = TemporalDiscriminator(width, stem)
    return found
