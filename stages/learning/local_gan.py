"""One local GAN in training (paper section 2.3, Eq. 15): the refiner of a part, its average, and its critic."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stages.learning import part_crops
from stages.learning.optimisers import ema_update
from stages.losses.adversarial import discriminator_loss, generator_loss
from stages.nets.discriminators import change
from stages.nets.refiner import REFINED_PARTS, PartDiscriminator, Refiner, RefinerShape, refine

if TYPE_CHECKING:
    from stages.params import LocalGanTraining

WARM = 10  # steps in which the learning rate rises


class LocalGan:
    """A refiner G_j and its critic D_j, with their optimisers; `average`, of G_j's weights, is what is kept."""

    def __init__(self, params: "LocalGanTraining", part: str, device: torch.device):
        torch.manual_seed(params.seed + REFINED_PARTS.index(part))
        self.params, self.device = params, device
        inputs = 4 + part_crops.channels(part, params.limb_maps)
        self.shape = RefinerShape(inputs, params.width, params.num_downsamples, params.blocks, params.patch_size)
        self.networks = {"refiner": Refiner(self.shape), "average": Refiner(self.shape), "critic": PartDiscriminator(params.width)}
        for network in self.networks.values():
            network.to(device, memory_format=torch.channels_last)
        self.refiner, self.average, self.critic = self.networks.values()
        self.average.load_state_dict(self.refiner.state_dict())
        self.optimisers = {name: torch.optim.Adam(self.networks[name].parameters(), params.learning_rate, params.betas)
                           for name in ("refiner", "critic")}

    def advance(self, generated: Tensor, told: Tensor, real: Tensor, backgrounds: Tensor, step: int) -> dict[str, float]:
        """One step of Eq. 15 and paired terms; the critic sees what each crop changes in the background."""
        p = self.params
        refined, loss_d, adversarial = refine(self.refiner, generated, told), real.new_zeros(()), real.new_zeros(())
        for optimiser in self.optimisers.values():
            optimiser.param_groups[0]["lr"] = p.learning_rate * self.schedule(step)
        if p.weight_adversarial:
            shown, true = change(refined, backgrounds), change(real, backgrounds)
            loss_d = discriminator_loss(self.critic(true), self.critic(shown.detach()), p.adversarial)
            self._descend("critic", loss_d)
            adversarial = generator_loss(self.critic(shown), p.adversarial)
        l1, l2 = (refined - real).abs().mean(), (refined - real).square().mean()
        self._descend("refiner", p.weight_l1 * l1 + p.weight_l2 * l2 + p.weight_adversarial * adversarial)
        ema_update(self.average, self.refiner, step, p.ema)
        return {"l1": l1.item(), "l2": l2.item(), "adversarial": adversarial.item(), "d": loss_d.item()}

    def schedule(self, step: int) -> float:
        """Factor of the learning rate: it rises, stays, and falls to zero."""
        p = self.params
        return min(1, (step + 1) / WARM, (p.steps - step) / max(1, p.steps * (1 - p.decay_from)))

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.networks[name].parameters()))
        self.optimisers[name].step()

    def state(self) -> dict:
        return {name: part.state_dict() for name, part in self._kept()}

    def restore(self, state: dict) -> None:
        for name, part in self._kept():
            part.load_state_dict(state[name])

    def _kept(self) -> list[tuple]:
        optimisers = {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}
        return list((self.networks | optimisers).items())
