"""A library's network, filled with its trained weights and ready to run."""

import torch

from stages import InputError, pretrained
from stages.learning import devices

_UNTRAINED = ("num_batches_tracked", "pixel_mean", "pixel_std")  # what a file may lack: a count, constants


def trained(network: torch.nn.Module, estimator: str, task: str, model: str, device: str) -> torch.nn.Module:
    """The network with the weights that weights.yaml tells for it, on its device, for inference only."""
    path = pretrained.find(pretrained.file_name(estimator, task, model))
    try:
        missing, _ = network.load_state_dict(pretrained.load(path), strict=False)
        missing = [name for name in missing if not name.endswith(_UNTRAINED)]
    except RuntimeError as error:  # tensors of other shapes
        missing = [str(error).splitlines()[-1].strip()]
    if missing:
        raise InputError(f"{path}: does not fit {estimator}'s {model} ({task}): {missing[0]}"
                         + (f" and {len(missing) - 1} others" if missing[1:] else "") + "; is it another model's file?")
    return network.eval().requires_grad_(False).to(devices.choose(device))
