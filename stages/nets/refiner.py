"""The networks of a local GAN (paper section 2.3): a refiner G_j that adds a residual to one body part, and its
discriminator D_j.

The inputs of the refiner are a crop of the foreground (B, 4, c, c), RGB times alpha, and alpha, in [0, 1], and its
conditioning (B, inputs - 4, c, c). The input of the discriminator is the difference between the composited crop and the
background (B, 3, c, c). With 3 downsamplings, 5 blocks and patch size 1, the refiner corresponds to the face GAN of
Everybody Dance Now.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.discriminators import DiscriminatorOutputs, downsampling, layer_outputs
from stages.nets.generator import ConvBlock, ResidualBlock

REFINED_PARTS = ("face", "right_hand", "left_hand", "right_foot", "left_foot")


@dataclass(frozen=True)
class RefinerShape:
    """The sizes of the network, as in params.yaml."""

    inputs: int           # channels of the crop and its conditioning
    width: int            # channels at the finest level, doubled with every downsampling
    num_downsamples: int  # each by a factor of 2
    blocks: int           # residual blocks at the coarsest level
    patch_size: int       # the network works at c / patch_size; pixel shuffle restores the full size


class Refiner(nn.Module):
    """G_j, a U-Net: crop and conditioning (B, inputs, c, c) -> residual F_r of Eqs. 10 and 11, (B, 4, c, c) in [-1, 1],
    initially 0."""

    def __init__(self, shape: RefinerShape):
        super().__init__()
        self.patch_size = shape.patch_size
        widths = [shape.width * 2**i for i in range(shape.num_downsamples + 1)]
        self.encoders = nn.ModuleList([ConvBlock(shape.inputs * shape.patch_size**2, widths[0])])
        self.encoders.extend(ConvBlock(a, b, stride=2) for a, b in zip(widths, widths[1:]))
        self.body = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(shape.blocks)))
        self.decoders = nn.ModuleList(ConvBlock(a + b, a) for a, b in zip(widths, widths[1:]))
        self.residual = nn.Conv2d(widths[0], 4 * shape.patch_size**2, 3, padding=1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, crops: Tensor) -> Tensor:
        features, x = [], F.pixel_unshuffle(crops, self.patch_size)
        for encode in self.encoders:
            x = encode(x)
            features.append(x)  # (B, width * 2^i, c / patch_size / 2^i, ...)
        x = self.body(features.pop())
        for decode in reversed(self.decoders):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = decode(torch.cat([features.pop(), x], 1))
        return torch.tanh(F.pixel_shuffle(self.residual(x), self.patch_size))


class PartDiscriminator(nn.Module):
    """D_j of Eq. 15: (B, 3, c, c) -> DiscriminatorOutputs of one scale, with logits (B, 1, c / 4, c / 4)."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            downsampling(3, width, normalised=False),
            downsampling(width, 2 * width),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, crops: Tensor) -> DiscriminatorOutputs:
        return [layer_outputs(self.body, crops)]


def refine(refiner: Refiner, crops: Tensor, conditioning: Tensor, strength: float = 1.0) -> Tensor:
    """Eqs. 10 and 11: crop + strength * residual, clamped to valid values. crops (B, 4, c, c), conditioning
    (B, channels, c, c) -> (B, 4, c, c)."""
    return clamp_premultiplied(crops + strength * refiner(torch.cat([crops, conditioning], 1)))


def clamp_premultiplied(foregrounds: Tensor) -> Tensor:
    """Clamps foregrounds (B, 4, h, w) to valid values: alpha to [0, 1], RGB times alpha to [0, alpha]."""
    alpha = foregrounds[:, 3:].clamp(0, 1)
    return torch.cat([foregrounds[:, :3].clamp_min(0).minimum(alpha), alpha], 1)
