"""Optimisers of one network, behind one face: Adam for every weight, or Muon (Jordan et al. 2024) for the matrices,
which is what convolutions are, and Adam for the rest.

Muon makes each step's update orthogonal, so that all directions of a layer learn alike: far fewer steps are needed.
"""

import torch
from torch import Tensor, nn


class NetworkOptimiser:
    """`rate` is Adam's learning rate; Muon's is `matrix_rate`. Both are multiplied by the step's factor."""

    def __init__(self, network: nn.Module, kind: str, rate: float, betas: tuple[float, float], matrix_rate: float):
        weights = list(network.parameters())
        self.matrices = [weight for weight in weights[:-2] if weight.ndim == 4] if kind == "muon" else []
        taken = set(map(id, self.matrices))
        self.views = [nn.Parameter(flat(weight.detach()), requires_grad=False) for weight in self.matrices]
        self.rates = [rate]
        self.parts = [torch.optim.Adam([w for w in weights if id(w) not in taken], rate, betas, fused=True)]
        if self.views:
            self.rates.append(matrix_rate)
            self.parts.append(torch.optim.Muon(self.views, matrix_rate, weight_decay=0.0, momentum=0.9))

    def step(self, factor: float) -> None:
        """Of the gradients that the network's weights have, which are then gone."""
        for view, weight in zip(self.views, self.matrices):
            view.grad, weight.grad = flat(weight.grad), None
        for part, rate in zip(self.parts, self.rates):
            part.param_groups[0]["lr"] = rate * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, step: int, most: float) -> None:
    """Moves the average of a network's weights after step 0, 1, ...; `most` of it is kept, less at first, so that it
    forgets the beginning."""
    keep = min(most, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)


def flat(weight: Tensor) -> Tensor:
    """A convolution's weight (O, I, h, w) as a matrix, the same memory where it is of either layout: (O, I h w), or
    its columns in the order of the channels-last layout, which is all the same to Muon."""
    if weight.is_contiguous():
        return weight.flatten(1)
    return weight.permute(0, 2, 3, 1).flatten(1)
