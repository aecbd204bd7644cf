"""Optimiser steps, and the moving average of a network's weights.

`NetworkOptimiser` trains one network with Adam, or with Muon (Jordan et al. 2024) for its matrices, that is its
convolutions, and Adam for all other weights. Muon makes each update orthogonal, so all directions of a layer learn
equally fast: far fewer steps are needed.
"""

import torch
from torch import Tensor, nn


class NetworkOptimiser:
    """kind: adam or muon; rate: Adam's learning rate; matrix_rate: Muon's."""

    def __init__(self, network: nn.Module, kind: str, rate: float, betas: tuple[float, float], matrix_rate: float):
        weights = list(network.parameters())
        self.matrices = [weight for weight in weights[:-2] if weight.ndim == 4] if kind == "muon" else []
        matrix_ids = set(map(id, self.matrices))
        self.views = [nn.Parameter(as_matrix(weight.detach()), requires_grad=False) for weight in self.matrices]
        self.rates = [rate]
        self.optimisers = [torch.optim.Adam([w for w in weights if id(w) not in matrix_ids], rate, betas, fused=True)]
        if self.views:
            self.rates.append(matrix_rate)
            self.optimisers.append(torch.optim.Muon(self.views, matrix_rate, weight_decay=0.0, momentum=0.9))

    def step(self, factor: float) -> None:
        """One step with the weights' gradients, which are then cleared. factor: of both learning rates."""
        for view, weight in zip(self.views, self.matrices):
            view.grad, weight.grad = as_matrix(weight.grad), None
        for optimiser, rate in zip(self.optimisers, self.rates):
            optimiser.param_groups[0]["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [optimiser.state_dict() for optimiser in self.optimisers]

    def load_state_dict(self, states: list[dict]) -> None:
        for optimiser, state in zip(self.optimisers, states, strict=True):
            optimiser.load_state_dict(state)


def minimise(loss: Tensor, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """One optimiser step of a network for a loss; other networks in the loss get no gradient."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=list(network.parameters()))
    optimiser.step()


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Updates the exponential moving average of a network's weights after step 0, 1, ... In the first steps the decay
    is smaller, so the initial weights are forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


def as_matrix(weight: Tensor) -> Tensor:
    """A convolution's weight (O, I, h, w) as a matrix that shares its memory: (O, I h w) if contiguous, (O, h w I) if
    channels last. The order of the columns makes no difference to Muon."""
    if weight.is_contiguous():
        return weight.flatten(1)
    return weight.permute(0, 2, 3, 1).flatten(1)
