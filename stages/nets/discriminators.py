"""The dual discriminator (paper section 2.2): D_q judges one frame, D_t three consecutive ones.

Both read a skeleton picture (..., 3, h / stem, w / stem) and a frame (..., 3, h, w): what a foreground changes in the
background. Alpha itself would tell them apart: a real one is exactly 0 or 1 nearly everywhere. And of the background,
which is the same in both, nothing is to be learned. The frame's pixels are folded into channels, so that nothing is lost
where the networks work at 1 / stem of the size. Both give their looks: a list of scales, here one, each the features of
every layer, the last being patch logits, higher where the patch looks real.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.generator import norm

DiscriminatorOutputs = list[list[Tensor]]


def change(foregrounds: Tensor, backgrounds: Tensor) -> Tensor:
    """The composite of Eq. 12, of RGB times alpha, and alpha (B, 4, h, w), over backgrounds (B, 3, h, w), less those
    backgrounds: what a discriminator sees, in [-1, 1]."""
    return foregrounds[:, :3] - foregrounds[:, 3:] * backgrounds


def down(inputs: int, outputs: int, normalised: bool = True) -> nn.Sequential:
    """Halving convolution."""
    layers = [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not normalised)]
    layers += [norm(outputs)] if normalised else []
    return nn.Sequential(*layers, nn.LeakyReLU(0.2, inplace=True))


def layer_outputs(layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The output of every layer."""
    features = []
    for layer in layers:
        x = layer(x)
        features.append(x)
    return features


class QualityDiscriminator(nn.Module):
    """D_q: (P_t, frame t) -> one scale of looks, patch logits (B, 1, h / stem / 8, w / stem / 8)."""

    frames = 1

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.body = nn.Sequential(
            down(3 + 3 * patch_size**2, width, normalised=False),
            down(width, 2 * width),
            down(2 * width, 4 * width),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        return [layer_outputs(self.body, torch.cat([skeletons, F.pixel_unshuffle(frames, self.patch_size)], dim=1))]


class TemporalDiscriminator(nn.Module):
    """D_t: three frames (B, 3, ., ., .) -> one scale of looks, by parallel dilated convolutions across the frames.

    Each frame is encoded alone; then three branches look at the frames at three temporal scales, each with
    its own spatial dilation: t-1, t, t+1 together; neighbours (t-1, t) and (t, t+1); and (t-1, t+1).
    """

    frames = 3

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.encode = nn.Sequential(
            down(3 + 3 * patch_size**2, width, normalised=False), down(width, 2 * width), down(2 * width, 2 * width)
        )
        self.window = nn.Conv2d(6 * width, width, 3, padding=1, dilation=1)      # temporal kernel 3
        self.neighbours = nn.Conv2d(4 * width, width, 3, padding=2, dilation=2)  # kernel 2, dilation 1
        self.ends = nn.Conv2d(4 * width, width, 3, padding=4, dilation=4)        # kernel 2, dilation 2
        self.head = nn.Conv2d(3 * width, 1, 3, padding=1)

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        b = len(skeletons)
        told = torch.cat([skeletons, F.pixel_unshuffle(frames, self.patch_size)], dim=2).flatten(0, 1)  # (B * 3, ...)
        encoded = layer_outputs(self.encode, told)
        before, now, after = encoded[-1].unflatten(0, (b, 3)).unbind(1)  # each (B, 2 width, h, w)
        branches = [
            self.window(torch.cat([before, now, after], 1)),
            (self.neighbours(torch.cat([before, now], 1)) + self.neighbours(torch.cat([now, after], 1))) / 2,
            self.ends(torch.cat([before, after], 1)),
        ]
        joined = F.leaky_relu(torch.cat(branches, 1), 0.2)
        return [[*encoded, joined, self.head(joined)]]
