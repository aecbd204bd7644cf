"""The generator G: a U-Net with dense skip connections, from poses to a foreground (paper section 2.2, Fig. 2).

Input: maps of the poses P_t-k .. P_t+k, (B, inputs, h / patch_size, w / patch_size). Output: the foreground of frame t,
(B, 4, h, w): RGB multiplied by alpha, and alpha, in [0, 1]. h and w are multiples of patch_size * 2^num_downsamples.
Alpha is the mask M of Eq. 12. It is predicted because there is no frame from which the mask of a new pose could be
segmented.

The inputs of each block with three downsamplings (x2: upsampled by 2; /k: average-pooled by k, only if `dense`):

    1 / patch_size  E0: pose maps       D0: D1 x2, E0                      picture: D0
    1/2 of it       E1: E0              D1: D2 x2, E1, E0 /2
    1/4 of it       E2: E1              D2: bottleneck x2, E2, E1 /2, E0 /4
    1/8 of it       E3: E2              bottleneck: E3, residual blocks

All blocks consist of a 3 x 3 convolution, group normalisation and leaky ReLU. `picture` is the output head: one block,
a convolution, pixel shuffle and sigmoids.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class GeneratorShape:
    """The sizes of the network, as in params.yaml."""

    width: int            # channels at the finest level, doubled with every downsampling
    max_channels: int     # limit of the doubling
    num_downsamples: int  # each by a factor of 2
    patch_size: int       # the network works at 1 / patch_size of the resolution
    dense: bool           # every decoder also reads the outputs of all finer encoders
    inputs: int           # channels of the pose maps
    blocks: int = 2       # residual blocks at the coarsest level


def group_norm(width: int) -> nn.GroupNorm:
    """Group normalisation with eight channels in a group. Unlike instance normalisation it keeps the channels-last
    memory layout."""
    return nn.GroupNorm(max(1, width // 8), width)


class ConvBlock(nn.Module):
    """Convolution, normalisation, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = group_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.convolution(x)), 0.2, inplace=True)


class ResidualBlock(nn.Module):
    """x + two ConvBlocks(x). Used at the coarsest level, where the receptive field covers the whole body."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(ConvBlock(width, width), ConvBlock(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class DenseUNet(nn.Module):
    """Pose maps (B, inputs, h, w) -> features (B, width, h, w). Decoder D_i reads D_i+1, E_i and, if `dense`, the pooled
    E_0 .. E_i-1; see the module."""

    def __init__(self, shape: GeneratorShape):
        super().__init__()
        self.shape = shape
        widths = [min(shape.width * 2**i, shape.max_channels) for i in range(shape.num_downsamples + 1)]
        self.encoders = nn.ModuleList([ConvBlock(shape.inputs, widths[0])])
        self.encoders.extend(ConvBlock(a, b, stride=2) for a, b in zip(widths, widths[1:]))
        self.bottleneck = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(shape.blocks)))
        self.decoders = nn.ModuleList()
        for i in range(shape.num_downsamples):
            skips = sum(widths[: i + 1]) if shape.dense else widths[i]
            self.decoders.append(ConvBlock(widths[i + 1] + skips, widths[i]))

    def forward(self, pose_maps: Tensor) -> Tensor:
        features, x = [], pose_maps
        for encode in self.encoders:
            x = encode(x)
            features.append(x)  # (B, width_i, h / 2^i, w / 2^i)

        x = self.bottleneck(features.pop())
        for i in reversed(range(self.shape.num_downsamples)):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.decoders[i](torch.cat([x, *self._skips(features, i)], dim=1))
        return x

    def _skips(self, features: list[Tensor], i: int) -> list[Tensor]:
        finer = range(i) if self.shape.dense else ()
        return [features[i], *(F.avg_pool2d(features[j], 2 ** (i - j)) for j in finer)]


class Generator(nn.Module):
    """Pose maps (B, inputs, h / patch_size, w / patch_size) -> foregrounds (B, 4, h, w); see the module."""

    def __init__(self, shape: GeneratorShape):
        super().__init__()
        self.shape = shape
        self.unet = DenseUNet(shape)
        width = min(shape.width, shape.max_channels)
        self.picture = nn.Sequential(
            ConvBlock(width, width),
            nn.Conv2d(width, 4 * shape.patch_size**2, 3, padding=1),
            nn.PixelShuffle(shape.patch_size),
        )

    def forward(self, pose_maps: Tensor, charts: Tensor | None = None) -> Tensor:
        colour, alpha = self.picture(self.unet(pose_maps)).sigmoid().split([3, 1], dim=1)
        return torch.cat([colour * alpha, alpha], dim=1)  # (B, 4, h, w)
