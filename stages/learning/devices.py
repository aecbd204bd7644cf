"""Where networks run, on how many devices, and with which precision."""

import logging
from typing import TYPE_CHECKING

import torch

from stages import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def choose(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: {name}, but PyTorch sees no CUDA device; use `auto` or `cpu`")
    return device


def halves(device: torch.device) -> bool:
    """Whether the device itself computes in bfloat16: emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the device has it, else float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=halves(device))


def fabric(name: str, devices: int, kind: str = "auto") -> "Fabric":
    """One process a device, of which this is one; with several, the others run the same command.

    kind  float32, bfloat16 (mixed) or auto: as `precision` chooses. Raises InputError where there are fewer GPUs."""
    from lightning_fabric import Fabric  # here: it takes seconds to load, and only a training needs it

    where = choose(name)
    present = torch.cuda.device_count() if where.type == "cuda" else devices
    if devices > present or where.index is not None and devices > 1:
        raise InputError(f"devices: {devices} on `{name}`, but there {'is' if present == 1 else 'are'} {present}; "
                         "several GPUs are taken from the first, with `device: cuda` or `auto`")
    if kind == "auto":
        kind = "bfloat16" if halves(where) else "float32"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of every choice
    own = Fabric(accelerator=where.type, devices=devices if where.index is None else [where.index],
                 strategy="ddp" if devices > 1 else "auto", precision=PRECISION[kind])
    own.launch()
    return own


def average(fabric: "Fabric", tensors: list[torch.Tensor]) -> None:
    """Makes the tensors, such as gradients, the mean of all processes', in one message."""
    if fabric.world_size == 1:
        return
    flat = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(part.view_as(tensor))


def gather(fabric: "Fabric", rows: torch.Tensor) -> torch.Tensor:
    """The rows (n, d) of all processes, (world * n, d), in the order of their ranks; without gradient."""
    if fabric.world_size == 1:
        return rows
    return fabric.all_gather(rows).flatten(0, 1)  # (world, n, d) -> (world * n, d)
