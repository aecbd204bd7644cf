"""Optimiser steps, and the moving average of a network's weights.

`NetworkOptimiser` trains one network with Adam, or with Muon (Jordan et al. 2024) for the weights of all convolutions
except the last, and Adam for all other weights. Muon orthogonalises the update of each weight matrix, so it needs fewer
steps than Adam.
"""

import torch
from torch import Tensor, nn


class NetworkOptimiser:
    """The optimiser of one network. kind: `adam` or `muon`. rate, betas: learning rate and betas of Adam. matrix_rate:
    learning rate of Muon."""

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
        """One step with the gradients of the weights, which are then cleared. factor: multiplies the learning
        rates."""
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
    """Computes the gradient of the loss for the weights of this network only, and makes one optimiser step."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=list(network.parameters()))
    optimiser.step()


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, step: int, decay: float) -> None:
    """Updates the exponential moving average of a network's weights, in place. step: number of the training step, from
    0. In the first steps the decay is smaller, so that the initial weights get little weight."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)


def as_matrix(weight: Tensor) -> Tensor:
    """A view of a convolution's weight (O, I, h, w) as a matrix with the same memory: (O, I h w) if it is contiguous,
    (O, h w I) if it is channels last. Muon does not depend on the order of the columns."""
    if weight.is_contiguous():
        return weight.flatten(1)
    return weight.permute(0, 2, 3, 1).flatten(1)
