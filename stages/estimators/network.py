"""Loads trained weights into a network of a library."""

import torch

from stages import InputError, pretrained
from stages.learning import devices

_OPTIONAL_BUFFERS = ("num_batches_tracked", "pixel_mean", "pixel_std")  # a counter and constants, which a file may lack


def load_trained(network: torch.nn.Module, estimator: str, task: str, model: str, device: str) -> torch.nn.Module:
    """Loads the weights that weights.yaml lists for this network, and moves it to the device for inference.

    Raises InputError if the file does not fit the network.
    """
    path = pretrained.find(pretrained.name_of(estimator, task, model))
    try:
        missing, _ = network.load_state_dict(pretrained.load(path), strict=False)
        missing = [name for name in missing if not name.endswith(_OPTIONAL_BUFFERS)]
    except RuntimeError as error:  # tensors of a different shape
        missing = [str(error).splitlines()[-1].strip()]
    if missing:
        raise InputError(f"{path}: does not fit {estimator}'s {model} ({task}): {missing[0]}"
                         + (f" and {len(missing) - 1} others" if missing[1:] else "")
                         + "; the file seems to belong to another model")
    return network.eval().requires_grad_(False).to(devices.choose(device))
