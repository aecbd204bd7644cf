"""The two discriminators of the generator (paper section 2.2): D_q for single frames, D_t for three consecutive frames.

The inputs of both are a skeleton map (..., 3, h / patch_size, w / patch_size) and the difference between the composited
frame and the background (..., 3, h, w), see `background_change`. Alpha is not an input: in real frames it is exactly 0
or 1 almost everywhere, so real frames could be recognised by it alone. The background is not an input either, because
it is the same in real and generated frames. Pixel unshuffle moves patch_size x patch_size pixels into the channels, so
no detail is lost although the networks work at 1 / patch_size of the resolution.

A discriminator returns DiscriminatorOutputs: for each scale (here one) the outputs of all layers. The last of them are
the logits of patches: the larger, the more likely the patch is real.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.generator import group_norm

DiscriminatorOutputs = list[list[Tensor]]


def background_change(foregrounds: Tensor, backgrounds: Tensor) -> Tensor:
    """The composite (Eq. 12) of foregrounds over backgrounds, minus the backgrounds; (B, 3, h, w) in [-1, 1].

    foregrounds (B, 4, h, w): RGB times alpha, and alpha; backgrounds (B, 3, h, w)."""
    return foregrounds[:, :3] - foregrounds[:, 3:] * backgrounds


def downsampling(inputs: int, outputs: int, normalised: bool = True) -> nn.Sequential:
    """A strided convolution that halves the resolution, group normalisation (optional), leaky ReLU."""
    layers = [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not normalised)]
    layers += [group_norm(outputs)] if normalised else []
    return nn.Sequential(*layers, nn.LeakyReLU(0.2, inplace=True))


def layer_outputs(layers: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Applies the layers one after the other and returns the outputs of all of them."""
    features = []
    for layer in layers:
        x = layer(x)
        features.append(x)
    return features


class QualityDiscriminator(nn.Module):
    """D_q: skeleton map of P_t and frame t -> DiscriminatorOutputs of one scale, with logits
    (B, 1, h / patch_size / 8, w / patch_size / 8). width: channels of the first layer."""

    num_frames = 1

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.body = nn.Sequential(
            downsampling(3 + 3 * patch_size**2, width, normalised=False),
            downsampling(width, 2 * width),
            downsampling(2 * width, 4 * width),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        return [layer_outputs(self.body, torch.cat([skeletons, F.pixel_unshuffle(frames, self.patch_size)], dim=1))]


class TemporalDiscriminator(nn.Module):
    """D_t: the skeleton maps and frames t-1, t, t+1, (B, 3, C, h, w) -> DiscriminatorOutputs of one scale, by parallel
    dilated convolutions over time.

    Each frame is encoded separately. Then three branches with different temporal kernels and spatial dilations combine
    the frames: all three; the neighbours (t-1, t) and (t, t+1); and (t-1, t+1). width: channels of the first layer.
    """

    num_frames = 3

    def __init__(self, width: int, patch_size: int):
        super().__init__()
        self.patch_size = patch_size
        self.encode = nn.Sequential(
            downsampling(3 + 3 * patch_size**2, width, normalised=False),
            downsampling(width, 2 * width),
            downsampling(2 * width, 2 * width),
        )
        self.window = nn.Conv2d(6 * width, width, 3, padding=1, dilation=1)      # temporal kernel 3
        self.neighbours = nn.Conv2d(4 * width, width, 3, padding=2, dilation=2)  # kernel 2, dilation 1
        self.ends = nn.Conv2d(4 * width, width, 3, padding=4, dilation=4)        # kernel 2, dilation 2
        self.head = nn.Conv2d(3 * width, 1, 3, padding=1)

    def forward(self, skeletons: Tensor, frames: Tensor) -> DiscriminatorOutputs:
        b = len(skeletons)
        inputs = torch.cat([skeletons, F.pixel_unshuffle(frames, self.patch_size)], dim=2)
        encoded = layer_outputs(self.encode, inputs.flatten(0, 1))  # (B * 3, ...)
        before, now, after = encoded[-1].unflatten(0, (b, 3)).unbind(1)  # each (B, 2 width, h, w)
        branches = [
            self.window(torch.cat([before, now, after], 1)),
            (self.neighbours(torch.cat([before, now], 1)) + self.neighbours(torch.cat([now, after], 1))) / 2,
            self.ends(torch.cat([before, after], 1)),
        ]
        joined = F.leaky_relu(torch.cat(branches, 1), 0.2)
        return [[*encoded, joined, self.head(joined)]]
