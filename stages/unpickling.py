"""Reads tensors from files of pretrained weights without running code from the pickle.

`.pth`, `.pt`: PyTorch's format, read with `weights_only`. If a whole network was saved (ultralytics), its layers are
unpickled as `LayerStub`, which has a layer's fields but no code. `.pkl`, `.ckpt`: arrays in nested dicts (detectron2,
Flax), whose keys are joined by dots.
"""

import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LAYER_MODULES = ("torch.nn.modules.", "ultralytics.")  # modules whose classes become LayerStub
NETWORK_KEYS = ("ema", "model", "state_dict")  # keys of a checkpoint that may contain the network, by preference
_ARRAYS = {("numpy.core.multiarray", "_reconstruct"), ("numpy.core.multiarray", "scalar"), ("numpy", "ndarray"),
           ("numpy", "dtype"), ("collections", "OrderedDict"), ("_codecs", "encode")}


class UnsafePickleError(Exception):
    """Loading the file would call the function or class in the message."""


class LayerStub:
    """Replaces a layer: has its fields, but none of its code."""

    def __init__(self, *_):
        pass

    def state_dict(self, prefix: str = "") -> dict[str, "Tensor"]:
        fields = vars(self)
        own = {**fields.get("_parameters", {}), **fields.get("_buffers", {})}
        transient = fields.get("_non_persistent_buffers_set", ())
        found = {prefix + name: tensor for name, tensor in own.items() if tensor is not None and name not in transient}
        for name, layer in fields.get("_modules", {}).items():
            if layer is not None:
                found |= layer.state_dict(f"{prefix}{name}.")
        return found


def tensors(path: Path, trusted: bool = False) -> dict[str, "Tensor"]:
    """All tensors by their names in the network; float16 becomes float32. `trusted`: allow code from the file to
    run."""
    import numpy as np
    import torch

    content = _arrays(path, trusted) if path.suffix in (".pkl", ".ckpt") else _torch(path, trusted)
    for key in NETWORK_KEYS:
        if isinstance(content, dict) and content.get(key) is not None and not isinstance(content[key], torch.Tensor):
            content = content[key]
            break
    state = dict(_leaves(content)) if isinstance(content, dict) else content.state_dict()
    state = {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in state.items()}
    state = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise ValueError("it contains no tensors")
    return {name: value.float() if value.dtype == torch.half else value for name, value in state.items()}


def _leaves(content: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _torch(path: Path, trusted: bool):
    import torch

    if trusted:
        return torch.load(path, map_location="cpu", weights_only=False)
    unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path) if _is_zip(path) else []
    stubs = [(type("LayerStub", (LayerStub,), {}), name) for name in unsafe if name.startswith(LAYER_MODULES)]
    try:
        with torch.serialization.safe_globals(stubs):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise UnsafePickleError(refused[1]) from None
        raise


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"PK"


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module.replace("numpy._core", "numpy.core"), name) not in _ARRAYS:
            raise UnsafePickleError(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _arrays(path: Path, trusted: bool):
    with open(path, "rb") as file:
        unpickler = pickle.Unpickler if trusted else _Arrays
        return unpickler(file, encoding="latin1").load()  # latin1 reads pickles of Python 2
