"""Training's resume state, outside the artifacts: DVC clears a stage's outputs before it runs.

A run is known by a hash of its inputs, its parameters and its stage's code, so that a state is only ever resumed
by the very same run. The state holds everything but the random numbers, which batches draw from
(seed, step).
"""

import hashlib
from pathlib import Path

import torch
from pydantic import BaseModel

from stages import layout, threads
from stages.code_digest import Code
from stages.media.files import atomic_write, remove, sha256

ROOT = Path(__file__).parents[2]


class Checkpoint:
    """The resume state of one training run, of `stage@key`."""

    def __init__(self, address: str, inputs: list[Path], params: BaseModel):
        digest = hashlib.sha256(params.model_dump_json().encode())
        digest.update(f"threads: {threads.current()}".encode())
        digest.update(Code(ROOT).digest(address.partition("@")[0]).encode())
        for path in inputs:
            _add(digest, Path(path))
        self.path = layout.resume_file(address, digest.hexdigest())

    def load(self) -> dict | None:
        """The last saved state, or None."""
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def save(self, state: dict) -> None:
        with atomic_write(self.path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def remove(self) -> None:
        """Called once the artifact is whole."""
        remove(self.path)


def _add(digest, path: Path) -> None:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(file.name.encode())
        digest.update(bytes.fromhex(sha256(file)))
