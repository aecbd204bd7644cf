"""The generator with a layered limb atlas: detail is looked up in learned textures instead of being decoded (not in the
paper).

The U-Net of Fig. 2, at 1 / patch_size of the resolution, predicts for every cell of patch_size x patch_size pixels which
charts (limbs) are seen, the position in their textures, and coarse features. In every pixel the textures of the best two
charts are sampled and combined with the coarse features by two narrow convolutions:

    U-Net -> weights of K charts, offsets along and across -> the best two charts -> their textures  ┐
          -> coarse features, upsampled --------------------------------------------------------------┴-> RGB and alpha
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.nets.chart_lookup import (
    chart_coordinates, chart_distance, sample_textures, texture_position, upsample_chosen,
)
from stages.nets.generator import ConvBlock, DenseUNet, GeneratorShape
from stages.nets.unwarping import unwarped_textures

LAYERS = 2             # charts that are combined in a pixel
MAX_ALONG = 0.5        # largest offset along, lengths of the limb
MAX_ACROSS = 0.8       # largest offset across, half widths
FALLOFF = 4.0          # of a chart's weight with the distance from it, before anything is learned
UNKNOWN = -1e4         # weight of a chart whose ends are not known
GAIN = 5.0             # of the textures, so that they learn faster than other weights
COARSE = 8             # channels of the coarse features
MAX_CHANGE = 3.0       # of the textures' logits: a limb cannot vanish because its pose was not filmed
FADE = 10.0            # of alpha's logit outside of a texture, per half of its size
MIXED = 16             # channels between the two convolutions at full resolution


@dataclass(frozen=True)
class AtlasShape(GeneratorShape):
    """The sizes of the network, as in params.yaml."""

    charts: int = 15
    texture_size: int = 64        # texels along and across
    texture_channels: int = 8     # the first four are colour and alpha
    texture_offsets: bool = True  # whether the U-Net moves the position in a texture: folds, turning, perspective


class AtlasGenerator(nn.Module):
    """Pose maps (B, inputs, h / patch_size, w / patch_size) and charts (B, K, 6; stages/learning/charts.py) in pixels of
    the crop -> foregrounds (B, 4, h, w): RGB times alpha, and alpha."""

    def __init__(self, shape: AtlasShape):
        super().__init__()
        self.shape, k, size = shape, shape.charts, shape.texture_size
        width = min(shape.width, shape.max_channels)
        self.unet = DenseUNet(shape)
        self.block = ConvBlock(width, width)
        self.lookup = nn.Conv2d(width, 3 * k, 3, padding=1)  # of each chart: weight, offset along, offset across
        nn.init.zeros_(self.lookup.weight)
        nn.init.zeros_(self.lookup.bias)
        self.coarse = nn.Sequential(nn.Conv2d(width, 4 * COARSE, 3, padding=1), nn.PixelShuffle(2))
        self.scaled_textures = nn.Parameter(0.02 * torch.randn(k, shape.texture_channels, size * size))
        self.picture = nn.Sequential(
            nn.Conv2d(shape.texture_channels + COARSE, MIXED, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(MIXED, 4, 3, padding=1),
        )

    @property
    def textures(self) -> Tensor:
        """The textures (K, C, T, T). The first four channels are the logits of RGB and alpha."""
        return GAIN * self.scaled_textures.unflatten(2, (self.shape.texture_size, -1))

    def colours(self) -> Tensor:
        """The textures as pictures (K, 3, T, T), RGB in [0, 1]."""
        return self.textures[:, :3].detach().sigmoid()

    @torch.no_grad()
    def initialise(self, charts: Tensor, foregrounds: Tensor) -> None:
        """Sets the textures to colour and alpha of some foregrounds (B, 4, h, w)."""
        seen = unwarped_textures(charts, foregrounds, self.shape.texture_size)
        self.scaled_textures[:, :4] = seen.clamp(0.02, 0.98).logit().flatten(2) / GAIN

    def forward(self, pose_maps: Tensor, charts: Tensor) -> Tensor:
        x = self.block(self.unet(pose_maps))
        with torch.autocast(x.device.type, enabled=False):  # positions need more than 8 bits
            sampled = self.sampled(*self.locate(self.lookup(x.float()), charts))  # (B, C, h, w)
        coarse = F.interpolate(self.coarse(x), sampled.shape[-2:], mode="bilinear")
        features = torch.cat([sampled.to(coarse.dtype), coarse], 1).contiguous(memory_format=torch.channels_last)
        change = MAX_CHANGE * torch.tanh(self.picture(features) / MAX_CHANGE)
        colour, alpha = (sampled[:, :4] + change).sigmoid().split([3, 1], 1)
        return torch.cat([colour * alpha, alpha], 1)

    def locate(self, predicted: Tensor, charts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The best L charts of each cell, (B, L, h / patch_size, w / patch_size); and for every pixel their weights and
        the positions along and across in their textures, (B, L, h, w) each: -1 to 1 inside of a texture.

        predicted (B, 3 K, h / patch_size, w / patch_size): output of `lookup`."""
        patch_size = self.shape.patch_size
        weight, along_offset, across_offset = predicted.unflatten(1, (3, -1)).unbind(1)  # (B, K, h', w')
        along, across = chart_coordinates(charts, *weight.shape[-2:], patch_size)
        logit = (FALLOFF * (weight - chart_distance(charts, along, across))).clamp_min(UNKNOWN)
        chosen = logit.topk(LAYERS, 1).indices  # (B, L, h', w')
        if self.shape.texture_offsets:
            along, across = along + MAX_ALONG * along_offset.tanh(), across + MAX_ACROSS * across_offset.tanh()
        u, v = texture_position(along, across)
        logit, u, v = upsample_chosen(torch.stack([logit, u, v], 1), chosen, patch_size).unbind(1)  # (B, L, h, w)
        return chosen, logit.softmax(1), u, v

    def sampled(self, chosen: Tensor, weights: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """The weighted mean of the textures at what `locate` returns, (B, C, h, w). Outside of a texture its edge
        continues, with a falling alpha."""
        outside = (u.abs() - 1).relu() + (v.abs() - 1).relu()
        found = (sample_textures(self.textures, chosen, u.clamp(-1, 1), v.clamp(-1, 1)) * weights[:, None]).sum(2)
        colour, alpha, rest = found.split([3, 1, found.shape[1] - 4], 1)
        return torch.cat([colour, alpha - FADE * (outside * weights).sum(1, keepdim=True), rest], 1)

    @torch.no_grad()
    def chart_map(self, pose_maps: Tensor, charts: Tensor, colours: Tensor) -> Tensor:
        """Which charts are seen in every pixel: the mean of their colours (K, 3), (B, 3, h, w)."""
        chosen, weights, _, _ = self.locate(self.lookup(self.block(self.unet(pose_maps))), charts)
        shown = F.interpolate(chosen.float(), weights.shape[-2:]).long()
        return torch.einsum("blhwc,blhw->bchw", colours[shown], weights)
