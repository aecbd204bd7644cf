"""Checkpoints, from which an interrupted training resumes. They are stored outside the artifacts, because DVC deletes a
stage's outputs before it runs.

The file name contains a hash of the inputs, the parameters and the stage's code, so that only the same training resumes
from it. The state of random number generators is not stored, because every step is seeded with (seed, step).
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
    """The checkpoint file of one training. address: `stage@key`; inputs: the files and folders that the stage reads."""

    def __init__(self, address: str, inputs: list[Path], params: BaseModel):
        digest = hashlib.sha256(params.model_dump_json().encode())
        digest.update(f"threads: {threads.current()}".encode())
        digest.update(Code(ROOT).digest(address.partition("@")[0]).encode())
        for path in inputs:
            _add(digest, Path(path))
        self.path = layout.resume_file(address, digest.hexdigest())

    def load(self) -> dict | None:
        """The last saved state, or None if there is none."""
        if not self.path.exists():
            return None
        return torch.load(self.path, map_location="cpu", weights_only=True)

    def save(self, state: dict) -> None:
        with atomic_write(self.path) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def remove(self) -> None:
        """Deletes the file. To be called when the artifact is complete."""
        remove(self.path)


def _add(digest, path: Path) -> None:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(file.name.encode())
        digest.update(bytes.fromhex(sha256(file)))
