"""The free-form inpainting network of Yu et al. (2019), a coarse and a refinement network of gated convolutions, and
its discriminator SN-PatchGAN.

Images are RGB (B, 3, H, W) in [-1, 1], H and W multiples of 8. Their holes are already filled by a simple method, which
differs from the publication: the networks learn a correction of it, initially zero. Holes are masks (B, 1, H, W), 1
where the image is unknown.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

DILATIONS = (2, 4, 8, 16)
GAIN = 2.4  # factor of the initial weights of the features, because the gate reduces the variance


class GatedConv(nn.Module):
    """Gated convolution: ELU(features) * sigmoid(gate), where both are outputs of one convolution (`both`)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1):
        super().__init__()
        self.both = nn.Conv2d(inputs, 2 * outputs, kernel, stride, dilation * (kernel - 1) // 2, dilation)
        nn.init.kaiming_normal_(self.both.weight, nonlinearity="linear")
        nn.init.zeros_(self.both.bias)
        with torch.no_grad():
            self.both.weight[:outputs] *= GAIN

    def forward(self, x: Tensor) -> Tensor:
        features, gate = self.both(x).chunk(2, 1)
        elu = features.clamp_min(0) + features.clamp_max(0).exp() - 1  # F.elu is ten times as slow on a CPU
        return elu * torch.sigmoid(gate)


class ContextualAttention(nn.Module):
    """Contextual attention (Yu et al. 2018): replaces each patch of features by a weighted mean of known patches. The
    weights are a softmax of the cosine similarity of 3 x 3 patches at 1 / RATE of the resolution; the patches that are
    averaged have full resolution."""

    RATE = 2

    def __init__(self, scale: float = 10.0):
        super().__init__()
        self.scale = scale  # of the softmax

    def forward(self, features: Tensor, holes: Tensor) -> Tensor:
        """Features (B, C, h, w) and holes (B, 1, h, w) -> (B, C, h, w). h and w are even; there are n = h w / RATE^2
        patches."""
        rate, shape = self.RATE, features.shape[2:]
        patches = F.normalize(F.unfold(F.avg_pool2d(features, rate), 3, padding=1), dim=1)  # (B, C * 9, n)
        in_hole = F.unfold(F.max_pool2d(holes, rate), 3, padding=1).amax(1, keepdim=True)   # (B, 1, n)
        similarity = patches.transpose(1, 2) @ patches                                      # (B, n, n)
        weights = torch.softmax(self.scale * similarity.masked_fill(in_hole > 0, -1e4), 2)

        grid = {"kernel_size": 2 * rate, "padding": rate // 2, "stride": rate}
        pasted = F.unfold(features, **grid) @ weights.transpose(1, 2)                       # (B, C * 4 RATE^2, n)
        overlaps = F.fold(F.unfold(torch.ones_like(holes), **grid), shape, **grid)
        return F.fold(pasted, shape, **grid) / overlaps


class Inpainter(nn.Module):
    """(images, holes) -> the coarse and the refined images, both (B, 3, H, W). Pixels outside the holes do not change.
    width: channels at full resolution.

    The refinement network has two branches: dilated convolutions (`around`), and contextual attention (`alike`,
    `attention`, `pasted`). Its decoder (`refined`) joins them."""

    def __init__(self, width: int):
        super().__init__()
        self.coarse = nn.Sequential(*encoder(width), *dilated_layers(width), *decoder(4 * width, width))
        self.around = nn.Sequential(*encoder(width), *dilated_layers(width))
        self.alike = nn.Sequential(*encoder(width))
        self.attention = ContextualAttention()
        self.pasted = nn.Sequential(GatedConv(4 * width, 4 * width), GatedConv(4 * width, 4 * width))
        self.refined = nn.Sequential(*decoder(8 * width, width))
        for stage in (self.coarse, self.refined):
            nn.init.zeros_(stage[-1].weight)
            nn.init.zeros_(stage[-1].bias)

    def forward(self, images: Tensor, holes: Tensor) -> tuple[Tensor, Tensor]:
        masks = torch.cat([torch.ones_like(holes), holes], 1)  # ones: distinguish the image from zero padding
        coarse = images + holes * self.coarse(torch.cat([images, masks], 1))
        x = torch.cat([coarse, masks], 1)
        pasted = self.pasted(self.attention(self.alike(x), F.max_pool2d(holes, 4)))
        return coarse, coarse + holes * self.refined(torch.cat([self.around(x), pasted], 1))


def encoder(width: int) -> list[nn.Module]:
    """Layers: image, ones and holes (B, 5, H, W) -> features (B, 4 * width, H / 4, W / 4)."""
    return [
        GatedConv(5, width, 5), GatedConv(width, 2 * width, stride=2), GatedConv(2 * width, 2 * width),
        GatedConv(2 * width, 4 * width, stride=2), GatedConv(4 * width, 4 * width), GatedConv(4 * width, 4 * width),
    ]


def dilated_layers(width: int) -> list[nn.Module]:
    """Layers: dilated gated convolutions, which enlarge the receptive field; 4 * width channels."""
    return [GatedConv(4 * width, 4 * width, dilation=dilation) for dilation in DILATIONS]


def decoder(inputs: int, width: int) -> list[nn.Module]:
    """Layers: features (B, inputs, H / 4, W / 4) -> RGB (B, 3, H, W)."""
    up = nn.Upsample(scale_factor=2.0, mode="nearest")
    return [
        GatedConv(inputs, 4 * width), GatedConv(4 * width, 4 * width),
        up, GatedConv(4 * width, 2 * width), GatedConv(2 * width, 2 * width),
        up, GatedConv(2 * width, width), GatedConv(width, width // 2), nn.Conv2d(width // 2, 3, 3, padding=1),
    ]


class PatchDiscriminator(nn.Module):
    """SN-PatchGAN: (images, holes) -> logits (B, 4 * width, H / 64, W / 64), positive if a patch is classified as real.
    Six spectrally normalised 5 x 5 convolutions with width, 2 * width and then 4 * width channels."""

    def __init__(self, width: int):
        super().__init__()
        channels = [4, width, 2 * width, *[4 * width] * 4]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 5, 2, 2)) for a, b in zip(channels, channels[1:]))

    def forward(self, images: Tensor, holes: Tensor) -> Tensor:
        x = torch.cat([images, holes], 1)
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        return self.layers[-1](x)
