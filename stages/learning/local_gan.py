"""The training of one local GAN (paper section 2.3, Eq. 15): the refiner of a body part and its discriminator."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stages.learning.optimisers import ema_update, minimise
from stages.learning.part_crops import part_conditioning_channels
from stages.losses.adversarial import discriminator_loss, generator_loss
from stages.losses.detail import detail_loss
from stages.nets.discriminators import background_change
from stages.nets.refiner import REFINED_PARTS, PartDiscriminator, Refiner, RefinerShape, refine

if TYPE_CHECKING:
    from stages.params import LocalGanTraining

WARM_UP = 10  # steps in which the learning rate rises


class LocalGan:
    """A refiner G_j and its discriminator D_j, with their optimisers. `average` is a refiner with the exponential
    moving average of G_j's weights, which inference uses."""

    def __init__(self, params: "LocalGanTraining", part: str, device: torch.device):
        torch.manual_seed(params.seed + REFINED_PARTS.index(part))
        self.params, self.device = params, device
        inputs = 4 + part_conditioning_channels(part, params.limb_maps)
        self.shape = RefinerShape(inputs, params.width, params.num_downsamples, params.blocks, params.patch_size)
        self.refiner, self.average = Refiner(self.shape), Refiner(self.shape)
        self.discriminator = PartDiscriminator(params.width)
        self.networks = {"refiner": self.refiner, "average": self.average, "discriminator": self.discriminator}
        for network in self.networks.values():
            network.to(device, memory_format=torch.channels_last)
        self.average.load_state_dict(self.refiner.state_dict())
        self.optimisers = {name: torch.optim.Adam(self.networks[name].parameters(), params.learning_rate, params.betas)
                           for name in ("refiner", "discriminator")}

    def advance(self, generated: Tensor, conditioning: Tensor, real: Tensor, backgrounds: Tensor, step: int
                ) -> dict[str, float]:
        """One step of D_j and of G_j. Returns their losses. The input of D_j is the difference between the composited
        crop and its background (`background_change`).

        generated, real (B, 4, c, c): RGB times alpha, and alpha, in [0, 1]; conditioning (B, channels, c, c);
        backgrounds (B, 3, c, c) in [0, 1]; step: number of the step, from 0."""
        p = self.params
        refined = refine(self.refiner, generated, conditioning)
        loss_d, adversarial = real.new_zeros(()), real.new_zeros(())
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = p.learning_rate * self.learning_rate_factor(step)
        if p.weight_adversarial:  # Eq. 15
            fake_change, real_change = background_change(refined, backgrounds), background_change(real, backgrounds)
            loss_d = discriminator_loss(
                self.discriminator(real_change), self.discriminator(fake_change.detach()), p.adversarial)
            minimise(loss_d, self.discriminator, self.optimisers["discriminator"])
            adversarial = generator_loss(self.discriminator(fake_change), p.adversarial)
        l1, l2 = (refined - real).abs().mean(), (refined - real).square().mean()
        detail = detail_loss(refined[:, :3], real[:, :3])
        loss = p.weight_l1 * l1 + p.weight_l2 * l2 + p.weight_detail * detail + p.weight_adversarial * adversarial
        minimise(loss, self.refiner, self.optimisers["refiner"])
        ema_update(self.average, self.refiner, step, p.ema)
        losses = {"l1": l1, "l2": l2, "detail": detail, "adversarial": adversarial, "d": loss_d}
        return {name: value.item() for name, value in losses.items()}

    def learning_rate_factor(self, step: int) -> float:
        """Factor of the learning rate: rises to 1 in WARM_UP steps, stays there, and falls to 0 in the last steps (from
        `decay_from`)."""
        p = self.params
        return min(1, (step + 1) / WARM_UP, (p.steps - step) / max(1, p.steps * (1 - p.decay_from)))

    def state(self) -> dict:
        return {name: part.state_dict() for name, part in self._stateful()}

    def restore(self, state: dict) -> None:
        for name, part in self._stateful():
            part.load_state_dict(state[name])

    def _stateful(self) -> list[tuple]:
        optimisers = {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}
        return list((self.networks | optimisers).items())
