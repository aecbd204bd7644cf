"""Training steps of G, D_q and D_t, on one device or several.

The batch of a step may be divided into micro-batches (`accumulation`) and over processes (`devices`). All terms of the
objective except Gromov-Wasserstein are means over frames, so their gradients are accumulated. Gromov-Wasserstein
depends on all pairs of frames of the batch: first the feature vectors of all micro-batches are gathered and the
gradient with respect to them is computed, then this gradient is propagated through each micro-batch.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages import threads
from stages.learning import devices
from stages.learning.chart_offsets import ChartOffsets
from stages.learning.charts import CHARTS, chart_groups
from stages.learning.objective import LOSSES, Objective
from stages.learning.optimisers import NetworkOptimiser, ema_update
from stages.losses.gromov_wasserstein import NoPlan
from stages.media.sampling import evenly_spaced_indices
from stages.nets.atlas import AtlasGenerator
from stages.nets.discriminators import QualityDiscriminator, TemporalDiscriminator
from stages.nets.generators import build_generator
from stages.nets.pix2pixhd import MultiscaleDiscriminator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from stages.learning.batches import Batch, Batches
    from stages.learning.frame_store import FrameStore
    from stages.params import GeneratorTraining


UNWARPED_FRAMES = 64  # training frames from which the initial textures of a limb atlas are made


class Training:
    """The networks, their optimisers, and the exponential moving average of G's weights (`average`). `initialise` is
    called before the first step, `advance` makes one training step.

    networks: "generator" is G, "spatial" is D_q, "temporal" is D_t. in_channels: channels of the pose maps. data: the training frames."""

    def __init__(self, params: "GeneratorTraining", fabric: "Fabric", in_channels: int, data: "FrameStore"):
        torch.manual_seed(params.seed)
        p = self.params = params.for_frames(data.count, data.size)
        self.fabric, device = fabric, fabric.device
        sizes = ("width", "max_channels", "num_downsamples", "blocks", "patch_size", "dense", "texture_size",
                 "texture_channels", "texture_offsets", "shadows")
        self.shape = {name: getattr(p, name) for name in sizes} | {"inputs": in_channels, "charts": len(CHARTS),
                                                                  "reach": [chart.reach for chart in CHARTS]}
        self.discriminators = build_discriminators(p)
        self.generator = build_generator(p.architecture, self.shape)
        self.networks = {"generator": self.generator} | self.discriminators
        self.average = build_generator(p.architecture, self.shape).to(device)
        self.average.load_state_dict(self.generator.state_dict())
        for name, network in self.networks.items():
            slow = name == "generator" and p.architecture == "pix2pixhd" and device.type == "cpu"  # in channels-last
            network.to(device, memory_format=torch.contiguous_format if slow else torch.channels_last)
            if p.compile:
                network.compile()
        common = tuple(p.betas), p.matrix_learning_rate
        self.optimisers = {"generator": NetworkOptimiser(self.generator, p.optimiser, p.learning_rate, *common)}
        self.optimisers |= {name: NetworkOptimiser(discriminator, "adam", p.discriminator_learning_rate, *common)
                            for name, discriminator in self.discriminators.items()}
        self.chart_offsets = None
        if p.architecture == "limb_atlas" and p.max_joint_offset:
            self.chart_offsets = ChartOffsets(data.count, len(CHARTS), p.max_joint_offset * data.size).to(device)
        self.objective = Objective(p, fabric, self.discriminators)
        self.step = self.gw_skipped = 0  # gw_skipped: steps without the term `gw`, because its solver found no plan
        self.losses = dict.fromkeys(LOSSES, torch.zeros((), device=device))  # the latest value of each

    def initialise(self, batches: "Batches") -> None:
        """Sets the textures of a limb atlas to the colours of some training frames."""
        if isinstance(self.generator, AtlasGenerator):
            batch = batches.without_augmentation(evenly_spaced_indices(batches.data.count, UNWARPED_FRAMES))
            self.generator.initialise(batch.charts, batch.real, torch.from_numpy(chart_groups()).to(batch.real.device))
            self.average.load_state_dict(self.generator.state_dict())

    def advance(self, batches: "Batches") -> Tensor:
        """One training step. Returns the latest values of all LOSSES (11,) in this process, on the device."""
        p = self.params
        first, count = self.fabric.global_rank * p.accumulation, p.devices * p.accumulation
        micro_batches = [batches.at_step(self.step, first + i, count) for i in range(p.accumulation)]
        with torch.set_grad_enabled(len(micro_batches) == 1):  # to save memory, not several graphs at the same time
            fakes = [self.generate(batch) for batch in micro_batches]
        threads.adapt_within_step()
        if self.adversarial:
            self.losses |= self.train_discriminators(micro_batches, fakes)
        self.losses |= self.train_generator(micro_batches, fakes)
        ema_update(self.average, self.generator, self.step, p.ema)
        self.step += 1
        return torch.stack([self.losses[name].float() for name in LOSSES])

    @property
    def adversarial(self) -> bool:
        """Whether this step uses the discriminators and VGG."""
        return self.step % self.params.adversarial_interval == 0

    def generate(self, batch: "Batch") -> Tensor:
        """The generated foregrounds (B, 4, h, w)."""
        charts = self.chart_offsets.corrected(batch) if self.chart_offsets else batch.charts
        part = (batch.windows, batch.reduction) if isinstance(self.generator, AtlasGenerator) else ()
        with self.fabric.autocast():
            return self.generator(batch.pose_maps, charts, *part).float()

    def train_discriminators(self, micro_batches: "list[Batch]", fakes: list[Tensor]) -> dict[str, Tensor]:
        """One step of D_q and of D_t. Returns their losses."""
        losses = {}
        for name in self.discriminators:
            for batch, fake in zip(micro_batches, fakes):
                loss = self.objective.discriminator_loss(name, batch, fake) / len(micro_batches)
                self.backward(name, loss)
                losses[f"d_{name}"] = losses.get(f"d_{name}", 0) + loss.detach()
            self.optimizer_step(name)
        return losses

    def train_generator(self, micro_batches: "list[Batch]", fakes: list[Tensor]) -> dict[str, Tensor]:
        """One step of G. Returns its losses. With several micro-batches, the foregrounds of each are generated again,
        with a graph, one micro-batch after the other."""
        objective, adversarial, undivided = self.objective, self.adversarial, len(micro_batches) == 1
        losses, gw_grads = {}, [None] * len(micro_batches)
        features = (objective.perceptual_features(batch, fake, adversarial)
                    for batch, fake in zip(micro_batches, fakes))
        if undivided:
            features = list(features)
        if self.params.weight_gw and adversarial:
            try:
                losses["gw"], gw_grads = objective.gromov_wasserstein(features)
            except NoPlan:
                self.gw_skipped += 1
        for batch, fake, gw_grad in zip(micro_batches, fakes, gw_grads, strict=True):
            fake = fake if undivided else self.generate(batch)
            pair = features[0] if undivided else objective.perceptual_features(batch, fake, adversarial)
            terms = objective.generator_terms(batch, fake, pair, adversarial)
            loss = objective.weighted_sum(terms) / len(micro_batches)
            if gw_grad is not None:
                loss = loss + (gw_grad * objective.feature_vectors(pair[0])).sum()
            if self.chart_offsets:
                loss = loss + self.chart_offsets.penalty(batch) / len(micro_batches)
            self.backward("generator", loss)
            for name, term in terms.items():
                losses[name] = losses.get(name, 0) + term.detach() / len(micro_batches)
        self.optimizer_step("generator")
        if self.chart_offsets:
            devices.average(self.fabric, [self.chart_offsets.table.grad])
            self.chart_offsets.step(self.learning_rate_factor())
        return losses

    def backward(self, name: str, loss: Tensor) -> None:
        """Accumulates the gradient of the loss in the weights of the network `name`, and only there."""
        threads.adapt_within_step()
        weights = list(self.networks[name].parameters())
        if name == "generator" and self.chart_offsets:
            weights += self.chart_offsets.parameters()
        loss.backward(inputs=weights)

    def optimizer_step(self, name: str) -> None:
        """Averages the gradients of the network `name` over all processes, and updates its weights."""
        devices.average(self.fabric, [parameter.grad for parameter in self.networks[name].parameters()])
        self.optimisers[name].step(self.learning_rate_factor())

    def learning_rate_factor(self) -> float:
        """Factor of the learning rates: 1 until `decay_from`, then falling linearly to 0."""
        left = 1 - self.step / self.params.steps
        return min(1.0, left / max(1 - self.params.decay_from, 1e-9))

    def is_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(value.isfinite().all()) for network in self.networks.values() for value in network.parameters())

    def state(self) -> dict:
        """Everything that a checkpoint needs; see `restore`."""
        return {
            "step": self.step, "gw_skipped": self.gw_skipped, "losses": self.losses, "average": self.average.state_dict(),
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "chart_offsets": self.chart_offsets and self.chart_offsets.state(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        self.step, self.gw_skipped = state["step"], state["gw_skipped"]
        self.losses = {name: loss.to(self.fabric.device) for name, loss in state["losses"].items()}
        self.average.load_state_dict(state["average"])
        if self.chart_offsets:
            self.chart_offsets.restore(state["chart_offsets"])
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimisers[name].load_state_dict(state["optimisers"][name])


def build_discriminators(params: "GeneratorTraining") -> dict[str, nn.Module]:
    """The discriminators whose weight is not 0: D_q ("spatial") and D_t ("temporal") or, with `discriminators:
    multiscale`, that of pix2pixHD ("spatial")."""
    width, patch_size = params.discriminator_width, params.patch_size
    if params.discriminators == "multiscale":
        return {"spatial": MultiscaleDiscriminator(width, params.scales)} if params.weight_spatial else {}
    found = {}
    if params.weight_spatial:
        found["spatial"] = QualityDiscriminator(width, patch_size)
    if params.weight_temporal:
        found["temporal"] = TemporalDiscriminator(width, patch_size)
    return found
