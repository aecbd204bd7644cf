"""A local GAN (paper section 2.3): a refiner that adds a residual to one body part, and its critic D_j.

Both read a crop of the foreground (B, 4, c, c): RGB times alpha, and alpha, in [0, 1].
"""

import torch
from torch import Tensor, nn

from stages.nets.discriminators import down
from stages.nets.generator import Block, Residual

PARTS = ("face", "right_hand", "left_hand", "right_foot", "left_foot")


class Refiner(nn.Module):
    """G_j: crop -> residual F_r of Eqs. 10 and 11, (B, 4, c, c) in [-1, 1]; at first it is zero."""

    def __init__(self, width: int):
        super().__init__()
        self.encode = nn.Sequential(Block(4, width), Block(width, 2 * width, stride=2))
        self.body = nn.Sequential(*(Residual(2 * width) for _ in range(3)))
        self.decode = nn.Sequential(nn.Upsample(scale_factor=2.0, mode="nearest"), Block(2 * width, width))
        self.residual = nn.Conv2d(width + 4, 4, 3, padding=1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.decode(self.body(self.encode(crops)))
        return torch.tanh(self.residual(torch.cat([x, crops], 1)))


class Critic(nn.Module):
    """D_j of Eq. 15: crop -> patch logits (B, 1, c / 4, c / 4)."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            down(4, width, normalised=False), down(width, 2 * width), nn.Conv2d(2 * width, 1, 3, padding=1)
        )

    def forward(self, crops: Tensor) -> Tensor:
        return self.body(crops)


def refine(refiner: Refiner, crops: Tensor) -> Tensor:
    """Eqs. 10 and 11: crop + residual, kept a colour: alpha in [0, 1], RGB times alpha in [0, alpha]."""
    refined = crops + refiner(crops)
    alpha = refined[:, 3:].clamp(0, 1)
    return torch.cat([refined[:, :3].clamp_min(0).minimum(alpha), alpha], 1)
