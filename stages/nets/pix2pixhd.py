"""The baseline: pix2pixHD's global generator and multi-scale discriminator (Wang et al. 2018), as Everybody Dance
Now (Chan et al. 2019) uses them.

The generator works at full resolution, without skip connections; its bottleneck has residual blocks at 1 /
2^num_downsamples of the resolution. The discriminator has two consecutive poses and frames as its input, at several
scales.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.discriminators import DiscriminatorOutputs, layer_outputs


@dataclass(frozen=True)
class GlobalShape:
    """The sizes of the generator, as in params.yaml."""

    width: int            # channels at full resolution, doubled with every downsampling
    num_downsamples: int  # each by a factor of 2
    blocks: int           # residual blocks at the coarsest level
    inputs: int           # channels of the pose maps
    patch_size: int = 1   # always 1: the network works at full resolution


class GlobalResidual(nn.Module):
    """x + two convolutions(x), with reflection padding and instance normalisation."""

    def __init__(self, width: int):
        super().__init__()
        first, second = (_instance_normalised(_reflection_conv(width, width, 3)) for _ in range(2))
        self.body = nn.Sequential(*first, nn.ReLU(inplace=True), *second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class GlobalGenerator(nn.Module):
    """Pose maps (B, inputs, h, w), h and w multiples of 2^num_downsamples -> foreground (B, 4, h, w): RGB times alpha,
    and alpha, in [0, 1]. The original generates RGB with tanh; this one generates colour and alpha with sigmoids, like
    stages/nets/generator.py."""

    def __init__(self, shape: GlobalShape):
        super().__init__()
        self.shape = shape
        widths = [shape.width * 2**i for i in range(shape.num_downsamples + 1)]
        layers = [*_instance_normalised(_reflection_conv(shape.inputs, widths[0], 7)), nn.ReLU(inplace=True)]
        for a, b in zip(widths, widths[1:]):
            layers += [*_instance_normalised([nn.Conv2d(a, b, 3, 2, 1, bias=False)]), nn.ReLU(inplace=True)]
        layers += [GlobalResidual(widths[-1]) for _ in range(shape.blocks)]
        for b, a in reversed(list(zip(widths, widths[1:]))):
            up = nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=False)
            layers += [*_instance_normalised([up]), nn.ReLU(inplace=True)]
        layers += _reflection_conv(widths[0], 4, 7, bias=True)
        self.body = nn.Sequential(*layers)
        self.apply(_init_weights)

    def forward(self, pose_maps: Tensor, charts: Tensor | None = None) -> Tensor:
        colour, alpha = self.body(pose_maps).sigmoid().split([3, 1], dim=1)
        return torch.cat([colour * alpha, alpha], dim=1)


class MultiscaleDiscriminator(nn.Module):
    """Two consecutive skeleton maps and frames, (B, 2, 3, h, w) each -> DiscriminatorOutputs with `scales` scales: the
    first at full resolution, each following one at half of the resolution of the previous one."""

    num_frames = 2

    def __init__(self, width: int, scales: int, layers: int = 3):
        super().__init__()
        self.scales = nn.ModuleList(_patch_gan(2 * (3 + 3), width, layers) for _ in range(scales))
        self.apply(_init_weights)

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        x, outputs = torch.cat([skeletons, frames], dim=2).flatten(1, 2), []  # (B, 2 * 6, h, w)
        for scale in self.scales:
            outputs.append(layer_outputs(scale, x))
            x = F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
        return outputs


def _patch_gan(inputs: int, width: int, layers: int) -> nn.Sequential:
    """PatchGAN with 4 x 4 kernels: `layers` convolutions with stride 2, one with stride 1, and one for the logits."""
    widths = [width * min(2**i, 8) for i in range(layers + 1)]
    blocks = [nn.Sequential(nn.Conv2d(inputs, width, 4, 2, 2), nn.LeakyReLU(0.2, inplace=True))]
    for i, (a, b) in enumerate(zip(widths, widths[1:]), 1):
        convolution = nn.Conv2d(a, b, 4, 2 if i < layers else 1, 2, bias=False)
        blocks.append(nn.Sequential(*_instance_normalised([convolution]), nn.LeakyReLU(0.2, inplace=True)))
    return nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 2))


def _reflection_conv(inputs: int, outputs: int, kernel: int, bias: bool = False) -> list[nn.Module]:
    """A convolution with reflection padding."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel, bias=bias)]


def _instance_normalised(layers: list[nn.Module]) -> list[nn.Module]:
    """Layers that end in a convolution, then instance normalisation. The convolution needs no bias: normalisation would
    remove it."""
    return [*layers, nn.InstanceNorm2d(layers[-1].out_channels)]


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
