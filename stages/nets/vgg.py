"""VGG's features relu1_1 .. reluN_1: the network Psi of Eq. 1.

`vgg19` and `vgg16` are the networks trained on ImageNet (Simonyan and Zisserman 2015), from files of trained weights.
`random` is VGG-19 with weights drawn from a fixed seed, which needs no file and says so wherever it is used.
"""

import torch
from torch import Tensor, nn
from torchvision import models

from stages import InputError, pretrained
from stages.nets import flax

Features = list[Tensor]
_CONFIGURATION = {"vgg16": "D", "vgg19": "E", "random": "E"}  # by their authors' letters
_RELU = {"D": (2, 7, 12, 19, 26), "E": (2, 7, 12, 21, 30)}    # layers up to and with relu1_1 .. relu5_1
_SEED = 19


class Vgg(nn.Module):
    """RGB in [0, 1], (B, 3, H, W) -> features of `depth` blocks, finest first. Never trained."""

    def __init__(self, kind: str, depth: int):
        super().__init__()
        layers = models.vgg.make_layers(models.vgg.cfgs[_CONFIGURATION[kind]])
        _draw(layers) if kind == "random" else _read(layers, kind)
        starts = (0, *_RELU[_CONFIGURATION[kind]])
        self.blocks = nn.ModuleList(layers[starts[i] : starts[i + 1]] for i in range(depth))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("spread", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.requires_grad_(False).eval()

    def forward(self, pictures: Tensor) -> Features:
        x, features = (pictures - self.mean) / self.spread, []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


def vectors(features: Features) -> Tensor:
    """One vector a frame (Eq. 1's z): the deepest features, pooled to 4 x 4 cells. (B, C, h, w) -> (B, C * 16)."""
    return nn.functional.adaptive_avg_pool2d(features[-1], 4).flatten(1)


def patches(features: Features) -> Tensor:
    """One vector a patch of every frame: the deepest features, pooled to 8 x 8 cells. (B, C, h, w) -> (B, 64, C)."""
    return nn.functional.adaptive_avg_pool2d(features[-1], 8).flatten(2).mT


def _draw(layers: nn.Sequential) -> None:
    draw = torch.Generator().manual_seed(_SEED)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=draw)
            nn.init.zeros_(layer.bias)


def _read(layers: nn.Sequential, kind: str) -> None:
    try:
        path = pretrained.find(pretrained.VGG[kind])
    except pretrained.MissingWeights as error:
        raise InputError(f"features: {kind}: {error}; or set `features: random`") from None
    if kind == "vgg16":
        return flax.fill(layers, path, "VGG16_0")
    state, prefix = pretrained.load(path), "features."
    layers.load_state_dict({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})
