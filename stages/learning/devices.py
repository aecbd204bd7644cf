"""Chooses the device and the precision of the networks, and exchanges tensors between processes."""

import logging
from typing import TYPE_CHECKING

import torch

from stages import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def choose(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA if available, else the CPU. Raises InputError if CUDA is not
    available."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: {name}, but PyTorch sees no CUDA device; use `auto` or `cpu`")
    return device


def supports_bfloat16(device: torch.device) -> bool:
    """Whether the hardware supports bfloat16. Emulated bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(device: torch.device) -> torch.autocast:
    """An autocast context: bfloat16 if the device supports it, else float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=supports_bfloat16(device))


def fabric(name: str, devices: int, kind: str = "auto") -> "Fabric":
    """Lightning Fabric with one process for each device. With several devices, the other processes run the same
    command.

    kind: float32, bfloat16 (mixed), or auto: bfloat16 if the device supports it. Raises InputError if there are fewer
    GPUs."""
    from lightning_fabric import Fabric  # imported here as it takes seconds to load, and only trainings need it

    device = choose(name)
    present = torch.cuda.device_count() if device.type == "cuda" else devices
    if devices > present or device.index is not None and devices > 1:
        raise InputError(f"devices: {devices} on `{name}`, but {present} available; to use several GPUs, set "
                         "`device: cuda` or `auto`, which takes the first ones")
    if kind == "auto":
        kind = "bfloat16" if supports_bfloat16(device) else "float32"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else it logs every choice
    fabric = Fabric(accelerator=device.type, devices=devices if device.index is None else [device.index],
                    strategy="ddp" if devices > 1 else "auto", precision=PRECISION[kind])
    fabric.launch()
    return fabric


def average(fabric: "Fabric", tensors: list[torch.Tensor]) -> None:
    """Replaces tensors, such as gradients, by their mean over all processes, in place, with one all-reduce."""
    if fabric.world_size == 1:
        return
    flat = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(mean.view_as(tensor))


def gather(fabric: "Fabric", rows: torch.Tensor) -> torch.Tensor:
    """Concatenates the rows (n, d) of all processes in the order of their ranks: (processes * n, d). No gradient."""
    if fabric.world_size == 1:
        return rows
    return fabric.all_gather(rows).flatten(0, 1)  # (world, n, d) -> (world * n, d)
