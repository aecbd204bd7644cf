"""One training of an experiment: one person and one seed, in a separate process with one thread. It takes the CPU time
of a given number of steps of the base. To find the number of steps that fit in, a few steps of both are timed in turns,
so that other load on the machine slows both equally.

`key` is a hash of everything that the result depends on, so that no cell is measured twice. `measure` starts the
process (python -m tests.benchmarks.cell FOLDER CELL) and returns the number of steps, their CPU seconds and the scores
of the held-out frames (held_out.scores), or the error of a training that diverged.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import cv2
import torch

from pipeline.paper_tables.pages import machine
from stages import layout
from stages.code_digest import Code
from stages.learning.divergence import Diverged
from stages.media.files import existing
from stages.params import GeneratorTraining
from tests.benchmarks import held_out

PAIRS = 12  # pairs of consecutive held-out frames that are scored; TCM needs pairs
SCORING = ("tests/benchmarks/held_out.py", "tests/benchmarks/cell.py",
           *(f"stages/evaluation/{name}.py" for name in
             ("image_similarity", "metric_names", "perceptual_distance", "references", "scoring")),
           "stages/nets/flax.py", "stages/pose/part_boxes.py", "stages/matting/alpha_matte.py",
           *(f"stages/imaging/{name}.py" for name in ("compositing", "image_quality", "optical_flow")))
FITTED = {"steps", "checkpoint_every", "preview_every"}  # parameters that held_out.learn sets
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


@dataclasses.dataclass(frozen=True)
class Cell:
    experiment: str
    person: str
    steps: int  # of the base
    block: GeneratorTraining
    base: GeneratorTraining

    @property
    def seed(self) -> int:
        return self.block.seed

    def key(self, folder: Path) -> str:
        """A hash of the parameters, the base and its steps, the person's prepared data, the code, and the machine."""
        inputs = {"blocks": [block.model_dump(mode="json", exclude=FITTED) for block in (self.block, self.base)],
                "steps": self.steps, "data": prepared(folder, self.person), "code": code(held_out.ROOT),
                "machine": machine()}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


@cache
def prepared(folder: Path, person: str) -> str:
    """A hash of the data that is trained on and scored with."""
    digest = hashlib.sha256()
    for path in layout.inputs("generator_training", person).values():
        with existing(folder / path, "what prepares a person; run without --table").open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


@cache
def code(root: Path) -> str:
    """A hash of the code that trains and scores, without comments."""
    code = Code(root)
    return hashlib.sha256("".join([code.digest("generator_training"), *map(code.checksum, SCORING)]).encode()).hexdigest()


def measure(folder: Path, cell: Cell) -> dict:
    argument = json.dumps({"person": cell.person, "steps": cell.steps, "block": cell.block.model_dump(mode="json"),
                       "base": cell.base.model_dump(mode="json")})
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks.cell", str(folder), argument], cwd=held_out.ROOT,
                          env=os.environ | ONE_THREAD, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{cell.experiment}, {cell.person}, seed {cell.seed}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main(folder: Path, person: str, steps: int, block: dict, base: dict) -> dict:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    block = GeneratorTraining(**block)
    cost = held_out.relative_cost(folder, person, block, GeneratorTraining(**base))
    steps = max(1, round(steps / cost))
    with tempfile.TemporaryDirectory() as scratch:
        to = Path(scratch) / "generator"
        try:
            begun = time.process_time()
            held_out.learn(folder, person, block, steps, to)
            took = time.process_time() - begun
        except Diverged as error:
            return {"error": str(error)}
        return {"steps": steps, "cost": cost, "took": took, **held_out.scores(folder, person, to, PAIRS)}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
    print(json.dumps(found))
