"""The generator with a layered limb atlas: detail is looked up in learned textures instead of being decoded (not in the
paper).

The U-Net of Fig. 2, at 1 / patch_size of the resolution, predicts for every cell of patch_size x patch_size pixels which
charts (limbs) are seen, the position in their textures, and coarse features. In every pixel the textures of the best two
charts are sampled, composited by depth, and combined with the coarse features by two narrow convolutions:

    U-Net -> weights of K charts, offsets along and across -> the best two charts -> their textures  ┐
          -> coarse features, upsampled --------------------------------------------------------------┴-> RGB and alpha

Which of the two is in front is decided by nearness, the depths of the joints, and the predicted weights; outside of the front
limb, where its texture is transparent, the other one is seen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.matting.shadows import DARKEST
from stages.nets.chart_lookup import (
    ALONG, chart_coordinates, chart_distance, sample_textures, texture_position, upsample_chosen,
)
from stages.nets.generator import ConvBlock, DenseUNet, GeneratorShape
from stages.nets.unwarping import unwarped_textures
from stages.nets.windows import Windows

LAYERS = 2             # charts that are combined in a pixel
MAX_ALONG = 0.5        # largest offset along, lengths of the limb
MAX_ACROSS = 0.8       # largest offset across, half widths
FALLOFF = 4.0          # of a chart's logit with the distance from it, before anything is learned
FRONT = 6.0            # logit of a limb that is clearly in front of the trunk
MARGIN = 6.0           # a chart is transparent where its logit is lower than the best one by more than this
CANDIDATES = 5         # best charts of a cell, from which those of its pixels are chosen
CLOSE = 1.0            # the last layer fades where its logit is higher than the next chart's by less than this
HIDDEN = 8.0           # by how much alpha's logit falls where a layer is replaced, or is beyond its texture's reach
UNKNOWN = -1e4         # logit of a chart whose ends are not known
GAIN = 5.0             # of the textures, so that they learn faster than other weights
COARSE = 8             # channels of the coarse features
MAX_CHANGE = 3.0       # of the textures' logits: a limb cannot vanish because its pose was not filmed
FADE = 10.0            # of alpha's logit outside of a texture, per half of its size
LEAST = 1e-3           # of the sum of the layers' alpha, to divide by
TRANSPARENT = 1e-5    # least alpha
BORDER = 0.1           # width of the crop's border in which shadows vanish, share of its sides
MIXED = 16             # channels between the two convolutions at full resolution


@dataclass(frozen=True)
class AtlasShape(GeneratorShape):
    """The sizes of the network, as in params.yaml."""

    charts: int = 19
    texture_size: int = 64        # texels along and across
    texture_channels: int = 8     # the first four are colour and alpha
    texture_offsets: bool = True  # whether the U-Net moves the position in a texture: folds, turning, perspective
    shadows: bool = False         # whether the U-Net predicts the person's shadow, a dark layer
    reach: tuple[float, ...] = ()  # how far the texture of each chart is seen beyond the limb's end, lengths; (): all of it


class AtlasGenerator(nn.Module):
    """Pose maps (B, inputs, h / patch_size, w / patch_size) and charts (B, K, 7; stages/learning/charts.py) in pixels of
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
        beyond = torch.linspace(*ALONG, size) - 1  # the end of the limb, of a texture's columns
        hidden = torch.stack([HIDDEN * (beyond > reach).float() for reach in shape.reach or [torch.inf] * k])  # (K, T)
        hidden = F.pad(hidden[:, None, None], (0, 0, 0, 0, 3, shape.texture_channels - 4))  # (K, C, 1, T), alpha only
        self.register_buffer("hidden", hidden, persistent=False)
        self.scaled_textures = nn.Parameter(0.02 * torch.randn(k, shape.texture_channels, size * size))
        if shape.shadows:
            self.shadow = nn.Conv2d(width, 4, 3, padding=1)  # logits of RGB and alpha
            nn.init.zeros_(self.shadow.weight)
            nn.init.constant_(self.shadow.bias, -4.0)
        self.picture = nn.Sequential(
            nn.Conv2d(shape.texture_channels + COARSE, MIXED, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(MIXED, 4, 3, padding=1),
        )

    @property
    def textures(self) -> Tensor:
        """The textures (K, C, T, T). The first four channels are the logits of RGB and alpha."""
        return GAIN * self.scaled_textures.unflatten(2, (self.shape.texture_size, -1)) - self.hidden

    def colours(self) -> Tensor:
        """The textures as pictures (K, 3, T, T), RGB in [0, 1]."""
        return self.textures[:, :3].detach().sigmoid()

    @torch.no_grad()
    def initialise(self, charts: Tensor, foregrounds: Tensor, groups: Tensor | None = None) -> None:
        """Sets the textures to colour and alpha of some foregrounds (B, 4, h, w), without their shadows. groups (K,): of the
        charts, see stages/nets/unwarping.py."""
        if self.shape.shadows:
            colour, alpha = foregrounds.split([3, 1], 1)
            foregrounds = torch.cat([colour, ((alpha - DARKEST) / (1 - DARKEST)).clamp_min(0)], 1)
        seen = unwarped_textures(charts, foregrounds, self.shape.texture_size, groups)
        self.scaled_textures[:, :4] = seen.clamp(0.02, 0.98).logit().flatten(2) / GAIN

    def forward(self, pose_maps: Tensor, charts: Tensor, windows: Windows | None = None, reduction: int = 1) -> Tensor:
        """windows: the parts of the crops that are generated, by default the whole crops. reduction: generates
        1 / reduction of the resolution; the patch size is a multiple of it."""
        x, patch_size = self.block(self.unet(pose_maps)), self.shape.patch_size // reduction
        with torch.autocast(x.device.type, enabled=False):  # positions need more than 8 bits
            predicted = self.lookup(x.float())
        coarse, shadow = self.coarse(x), self.shadow_layer(x) if self.shape.shadows else None
        if windows:
            predicted, coarse = windows.cut(predicted), windows.cut(coarse, 2)
            shadow = shadow if shadow is None else windows.cut(shadow)
            charts = windows.charts(charts, self.shape.patch_size)
        charts = torch.cat([charts[..., :5] / reduction, charts[..., 5:]], -1)
        with torch.autocast(x.device.type, enabled=False):
            sampled = self.sampled(*self.locate(predicted, charts, patch_size))  # (B, C, h, w)
        coarse = F.interpolate(coarse, sampled.shape[-2:], mode="bilinear")
        features = torch.cat([sampled.to(coarse.dtype), coarse], 1).contiguous(memory_format=torch.channels_last)
        change = MAX_CHANGE * torch.tanh(self.picture(features) / MAX_CHANGE)
        colour, alpha = (sampled[:, :4] + change).sigmoid().split([3, 1], 1)
        foreground = torch.cat([colour * alpha, alpha], 1)
        if shadow is None:
            return foreground
        return foreground + (1 - alpha) * F.interpolate(shadow, alpha.shape[-2:], mode="bilinear")

    def shadow_layer(self, features: Tensor) -> Tensor:
        """The shadow in every cell, (B, 4, h / patch_size, w / patch_size): RGB times alpha, and alpha. It falls to 0
        towards the outermost cells of the crop, because it would be cut off there."""
        colour, alpha = self.shadow(features).sigmoid().split([3, 1], 1)
        cells = [torch.arange(side, device=alpha.device) for side in alpha.shape[-2:]]
        ramps = [torch.minimum(cell, cell.flip(0)) / (BORDER * len(cell)) for cell in cells]
        return DARKEST * torch.cat([colour * alpha, alpha], 1) * torch.minimum(ramps[0][:, None], ramps[1]).clamp(0, 1)

    def locate(self, predicted: Tensor, charts: Tensor, patch_size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """For every pixel, (B, L, h, w) each: the best L charts, the probability that the chart is in front, how much
        alpha's logit falls, and the positions along and across in the texture, -1 to 1 inside of it.

        predicted (B, 3 K, h / patch_size, w / patch_size): output of `lookup`. charts (B, K, 7): in pixels of the output.
        patch_size: pixels of the output per cell."""
        weight, along_offset, across_offset = predicted.unflatten(1, (3, -1)).unbind(1)  # (B, K, h', w')
        along, across = chart_coordinates(charts, *weight.shape[-2:], patch_size)
        near = (FALLOFF * (weight - chart_distance(charts, along, across))).clamp_min(UNKNOWN)
        if self.shape.texture_offsets:
            along, across = along + MAX_ALONG * along_offset.tanh(), across + MAX_ACROSS * across_offset.tanh()
        fields = torch.stack([near, *texture_position(along, across)], 1)  # (B, 3, K, h', w')
        candidates = near.topk(min(CANDIDATES, near.shape[1]), 1).indices  # (B, N, h', w')
        near, u, v = upsample_chosen(fields, candidates, patch_size).unbind(1)  # (B, N, h, w)
        near = F.pad(near, (0, 0, 0, 0, 0, max(0, LAYERS + 1 - near.shape[1])), value=2 * UNKNOWN)  # if K is L
        ranked = near.topk(LAYERS + 1, 1).indices
        near, following = near.gather(1, ranked).split([LAYERS, 1], 1)
        best = ranked[:, :LAYERS]  # among the candidates, (B, L, h, w)
        u, v, chosen = u.gather(1, best), v.gather(1, best), repeated(candidates, patch_size).gather(1, best)
        front = FRONT * charts[..., 6].gather(1, chosen.flatten(1)).view(chosen.shape)
        in_front = (near + front).softmax(1)
        replaced = HIDDEN * (1 - (near[:, -1:] - following) / CLOSE).clamp(0, 1)  # (B, 1, h, w)
        outside = (u.abs() - 1).relu() + (v.abs() - 1).relu()
        far = (near.amax(1, keepdim=True) - near - MARGIN).relu()
        alpha_drop = FADE * outside + far + F.pad(replaced, (0, 0, 0, 0, LAYERS - 1, 0))
        return chosen, in_front, alpha_drop, u.clamp(-1, 1), v.clamp(-1, 1)

    def sampled(self, chosen: Tensor, in_front: Tensor, alpha_drop: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """The textures at what `locate` returns, composited by depth, (B, C, h, w)."""
        found = sample_textures(self.textures, chosen, u, v)  # (B, C, L, h, w)
        alpha = found[:, 3] - alpha_drop  # (B, L, h, w), logits
        shares = seen_shares(in_front, alpha)
        colour, _, rest = (found * shares[:, None]).sum(2).split([3, 1, found.shape[1] - 4], 1)
        return torch.cat([colour, union(alpha), rest], 1)

    @torch.no_grad()
    def maps(self, pose_maps: Tensor, charts: Tensor, colours: Tensor) -> tuple[Tensor, Tensor]:
        """Two pictures (B, 3, h, w) of what is seen in every pixel: the colours (K, 3) of the charts; and the offsets along
        (red) and across (green), 0.5 where they are 0. Both are means over the layers."""
        predicted = self.lookup(self.block(self.unet(pose_maps)))
        chosen, in_front, alpha_drop, u, v = self.locate(predicted, charts, self.shape.patch_size)
        shares = seen_shares(in_front, sample_textures(self.textures[:, 3:4], chosen, u, v)[:, 0] - alpha_drop)
        offsets = [repeated(offset.tanh(), self.shape.patch_size).gather(1, chosen)
                   for offset in predicted.unflatten(1, (3, -1)).unbind(1)[1:]]
        offsets = 0.5 + 0.5 * torch.stack([*offsets, torch.zeros_like(offsets[0])], 1)  # (B, 3, L, h, w)
        return torch.einsum("blhwc,blhw->bchw", colours[chosen], shares), (offsets * shares[:, None]).sum(2)


def repeated(cells: Tensor, factor: int) -> Tensor:
    """Values of cells (B, N, h, w) in factor x factor pixels each, (B, N, h * factor, w * factor)."""
    return cells.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def seen_shares(in_front: Tensor, alpha: Tensor) -> Tensor:
    """The shares of the colour that two layers have, (B, 2, h, w), with the sum 1: what one layer lets through of the
    other, in both orders. in_front: the probabilities of the orders; alpha: logits."""
    opaque = alpha.sigmoid()
    seen = opaque * (in_front + (1 - in_front) * (1 - opaque.flip(1)))
    return (seen + LEAST * in_front) / (seen.sum(1, keepdim=True) + LEAST)


def union(alpha: Tensor) -> Tensor:
    """The logit of alpha of two layers, one over the other, (B, 1, h, w): 1 - (1 - a)(1 - b), from logits (B, 2, h, w)."""
    return F.softplus(alpha).sum(1, keepdim=True).clamp(TRANSPARENT, 30.0).expm1().log()
