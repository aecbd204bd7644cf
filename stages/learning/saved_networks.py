"""Saves and loads trained networks as artifacts: the weights (model.safetensors), and the network's shape and settings
(about.json)."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from stages.media import artifact_metadata
from stages.media.files import existing


def save(folder: Path, weights: dict[str, torch.Tensor], about: dict) -> None:
    """Writes weights (by name) and `about` to the folder, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(plain, folder / "model.safetensors", artifact_metadata.current() or None)
    (folder / "about.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """The weights by name, and the content of about.json. Raises InputError if the network is not trained yet."""
    about = existing(folder / "about.json", "trained weights; run the training stage").read_text(encoding="utf-8")
    return load_file(folder / "model.safetensors"), json.loads(about)
