"""Tensors out of a file of trained weights, without running the code that a pickle may carry.

`.pth`, `.pt`: torch's own format, read with weights_only; where a whole network was saved (ultralytics), its layers
come in as `Shell`, which holds what a layer held and can do nothing. `.pkl`, `.ckpt`: arrays in plain containers
(detectron2, Flax), whose names are joined by dots.
"""

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = ("torch.nn.modules.", "ultralytics.")  # classes whose instances may be saved whole
NETWORK = ("ema", "model", "state_dict")        # where in a checkpoint the network is, the better first
_ARRAYS = {("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"), ("numpy", "ndarray"),
           ("numpy", "dtype"), ("collections", "OrderedDict"), ("_codecs", "encode")}


class Refused(Exception):
    """Opening the file would call what is named here."""


class Shell:
    """In place of a layer: its fields, none of its code."""

    def __init__(self, *_):
        pass

    def state_dict(self, before: str = "") -> dict[str, "Tensor"]:
        fields = vars(self)
        own = {**fields.get("_parameters", {}), **fields.get("_buffers", {})}
        passing = fields.get("_non_persistent_buffers_set", ())
        found = {before + name: tensor for name, tensor in own.items() if tensor is not None and name not in passing}
        for name, layer in fields.get("_modules", {}).items():
            if layer is not None:
                found |= layer.state_dict(f"{before}{name}.")
        return found


def tensors(path: Path, trusted: bool = False) -> dict[str, "Tensor"]:
    """Everything by its name in the network; halves become floats. `trusted`: the file's own code may run."""
    import numpy as np
    import torch

    content = _arrays(path, trusted) if path.suffix in (".pkl", ".ckpt") else _torch(path, trusted)
    for key in NETWORK:
        if isinstance(content, dict) and content.get(key) is not None and not isinstance(content[key], torch.Tensor):
            content = content[key]
            break
    state = dict(_leaves(content)) if isinstance(content, dict) else content.state_dict()
    state = {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in state.items()}
    state = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise ValueError("no tensors in it")
    return {name: value.float() if value.dtype == torch.half else value for name, value in state.items()}


def _leaves(content: dict, before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _torch(path: Path, trusted: bool):
    import torch

    if trusted:
        return torch.load(path, map_location="cpu", weights_only=False)
    unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path) if _is_zip(path) else []
    shells = [(type("Shell", (Shell,), {}), name) for name in unsafe if name.startswith(LAYERS)]
    try:
        with torch.serialization.safe_globals(shells):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise Refused(refused[1]) from None
        raise


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module.replace("numpy._core", "numpy.core"), name) not in _ARRAYS:
            raise Refused(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _arrays(path: Path, trusted: bool):
    with open(path, "rb") as file:
        return (pickle.Unpickler if trusted else _Arrays)(file, encoding="latin1").load()  # latin1: for Python 2's
