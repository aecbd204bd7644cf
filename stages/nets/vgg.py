"""VGG features relu1_1 .. reluN_1: the network Psi of Eq. 1.

`vgg19` and `vgg16` are the networks trained on ImageNet (Simonyan and Zisserman 2015), from files of pre-trained
weights. `random` is VGG-19 with random weights from a fixed seed, which needs no file.
"""

import torch
from torch import Tensor, nn
from torchvision import models

from stages import InputError, pretrained
from stages.nets import flax

Features = list[Tensor]
_CONFIGURATION = {"vgg16": "D", "vgg19": "E", "random": "E"}  # names of the configurations in the publication
_RELU = {"D": (2, 7, 12, 19, 26), "E": (2, 7, 12, 21, 30)}    # number of layers up to relu1_1 .. relu5_1
_SEED = 19


class Vgg(nn.Module):
    """Images (B, 3, H, W), RGB in [0, 1] -> the features relu1_1 .. relu<depth>_1, finest first. Not trainable.

    kind: vgg19, vgg16 or random. Raises InputError if the file of the pre-trained weights is missing."""

    def __init__(self, kind: str, depth: int):
        super().__init__()
        layers = models.vgg.make_layers(_configuration(kind, depth))
        _init_random(layers) if kind == "random" else _load_weights(layers, kind)
        starts = (0, *_RELU[_CONFIGURATION[kind]])
        self.blocks = nn.ModuleList(layers[starts[i] : starts[i + 1]] for i in range(depth))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("spread", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Features:
        x, features = (images - self.mean) / self.spread, []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


def frame_vectors(features: Features) -> Tensor:
    """z of Eq. 1, one vector for each frame: the deepest features (B, C, h, w), average-pooled to 4 x 4 cells;
    (B, C * 16)."""
    return nn.functional.adaptive_avg_pool2d(features[-1], 4).flatten(1)


def patch_vectors(features: Features) -> Tensor:
    """z of Eq. 1, one vector for each of 64 patches of a frame: the deepest features (B, C, h, w), average-pooled to
    8 x 8 cells; (B, 64, C)."""
    return nn.functional.adaptive_avg_pool2d(features[-1], 8).flatten(2).mT


def _configuration(kind: str, depth: int) -> list[int | str]:
    """The layers up to relu<depth>_1, in torchvision's notation: channels of a convolution, or M for max pooling."""
    whole = models.vgg.cfgs[_CONFIGURATION[kind]]
    pools = [i for i, layer in enumerate(whole) if layer == "M"]
    return whole[: pools[depth - 2] + 2 if depth > 1 else 1]


def _init_random(layers: nn.Sequential) -> None:
    generator = torch.Generator().manual_seed(_SEED)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)


def _load_weights(layers: nn.Sequential, kind: str) -> None:
    try:
        path = pretrained.find(pretrained.VGG[kind])
    except pretrained.MissingWeights as error:
        raise InputError(f"features: {kind}: {error}; or set `features: random`") from None
    if kind == "vgg16":
        return flax.load_convolutions(layers, path, "VGG16_0")
    state, prefix = pretrained.load(path), "features."
    layers.load_state_dict({name: state[prefix + name] for name in layers.state_dict()})
