"""Where networks run, and with which precision."""

import torch

from stages import InputError


def choose(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: {name}, but PyTorch sees no CUDA device; use `auto` or `cpu`")
    return device


def precision(device: torch.device) -> torch.autocast:
    """bfloat16 on CUDA; float32 on a CPU, where bfloat16 measured no faster at these sizes."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
