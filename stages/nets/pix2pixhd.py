"""The baseline: pix2pixHD's global generator and multi-scale discriminator (Wang et al. 2018), as Everybody Dance
Now (Chan et al. 2019) uses them.

The generator goes down and up without skips, at full resolution; the pose window passes a bottleneck of residual blocks
at 1 / 2^levels of the size. The discriminator judges two consecutive poses with their frames, at several scales.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.discriminators import DiscriminatorOutputs, layer_outputs


@dataclass(frozen=True)
class GlobalShape:
    """All numbers of the generator, as they stand in params.yaml."""

    width: int   # channels at full size; doubled at every level
    num_downsamples: int  # halvings
    blocks: int  # residual blocks at the coarsest level
    inputs: int  # channels of the pose window
    patch_size: int = 1  # it always works at full resolution


class GlobalResidual(nn.Module):
    """x + two convolutions of its reflected surroundings."""

    def __init__(self, width: int):
        super().__init__()
        first, second = (_normalised(_reflecting(width, width, 3)) for _ in range(2))
        self.body = nn.Sequential(*first, nn.ReLU(inplace=True), *second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class GlobalGenerator(nn.Module):
    """Pose window (B, inputs, h, w), h and w multiples of 2^levels -> foreground (B, 4, h, w): RGB times alpha, and
    alpha, in [0, 1]. Where the original ends in tanh of an RGB picture, this one gives colour and alpha by sigmoids,
    as stages/nets/generator.py does."""

    def __init__(self, shape: GlobalShape):
        super().__init__()
        self.shape = shape
        widths = [shape.width * 2**i for i in range(shape.num_downsamples + 1)]
        layers = [*_normalised(_reflecting(shape.inputs, widths[0], 7)), nn.ReLU(inplace=True)]
        for a, b in zip(widths, widths[1:]):
            layers += [*_normalised([nn.Conv2d(a, b, 3, 2, 1, bias=False)]), nn.ReLU(inplace=True)]
        layers += [GlobalResidual(widths[-1]) for _ in range(shape.blocks)]
        for b, a in reversed(list(zip(widths, widths[1:]))):
            up = nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=False)
            layers += [*_normalised([up]), nn.ReLU(inplace=True)]
        layers += _reflecting(widths[0], 4, 7, bias=True)
        self.body = nn.Sequential(*layers)
        self.apply(_start)

    def forward(self, poses: Tensor) -> Tensor:
        colour, alpha = self.body(poses).sigmoid().split([3, 1], dim=1)
        return torch.cat([colour * alpha, alpha], dim=1)


class MultiscaleDiscriminator(nn.Module):
    """Two consecutive skeleton pictures and frames (B, 2, 3, h, w) each -> looks of every scale, the
    whole picture first, each of the others at half the size of the one before."""

    frames = 2

    def __init__(self, width: int, scales: int, layers: int = 3):
        super().__init__()
        self.scales = nn.ModuleList(_patches(2 * (3 + 3), width, layers) for _ in range(scales))
        self.apply(_start)

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        x, looks = torch.cat([skeletons, frames], dim=2).flatten(1, 2), []  # (B, 2 * 6, h, w)
        for scale in self.scales:
            looks.append(layer_outputs(scale, x))
            x = F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
        return looks


def _patches(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Kernels of 4: `layers` halvings, one more convolution, logits."""
    widths = [width * min(2**i, 8) for i in range(layers + 1)]
    blocks = [nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(0.2, inplace=True))]
    for i, (a, b) in enumerate(zip(widths, widths[1:]), 1):
        convolution = nn.Conv2d(a, b, 4, 2 if i < layers else 1, 2, bias=False)
        blocks.append(nn.Sequential(*_normalised([convolution]), nn.LeakyReLU(0.2, inplace=True)))
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 2))


def _reflecting(inputs: int, outputs: int, kernel: int, bias: bool = False) -> list[nn.Module]:
    """A convolution that sees the picture mirrored beyond its border."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel, bias=bias)]


def _normalised(layers: list[nn.Module]) -> list[nn.Module]:
    """Layers that end in a convolution, then instance normalisation, which would void the convolution's bias."""
    return [*layers, nn.InstanceNorm2d(layers[-1].out_channels)]


def _start(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
