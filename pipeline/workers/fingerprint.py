"""What a stage's result depends on beside its inputs: code and parameters. Two machines compare theirs before one
computes for the other. DVC would not say that they differ: the result would lie under another name, never to be found.
"""

import json
import subprocess
from pathlib import Path

from pipeline import graph
from stages import layout
from stages.code_digest import EXCLUDED, Code
from stages.params import Params

Signature = dict[str, str]  # a file or a place in params.yaml: its checksum or value
COMMIT = "commit"


def signature(config: Params, address: str, root: Path = Path()) -> Signature:
    """Of `address`, as this machine has it, with the commit, which is told but not compared."""
    stage, key = graph.split(address)
    code = Code(root)
    made_of = [module.path for module in code.sources(stage)]
    others = [root / "dvc.yaml", *(root / file for file in EXCLUDED), *(root / "pipeline").rglob("*.py")]
    marks = {str(path.relative_to(root)): code.checksum(path.relative_to(root)) for path in [*made_of, *sorted(others)]}
    return {COMMIT: _commit(root)} | marks | _values(config, stage, key)


def differences(ours: Signature, theirs: Signature) -> list[str]:
    """What is not the same, a line each: `stages/fusion.py`, `presets.demo.generator_training.steps: 100, not 200`."""
    lines = []
    for place in sorted((ours.keys() | theirs.keys()) - {COMMIT}):
        here, there = ours.get(place), theirs.get(place)
        if here != there:
            lines.append(place if place.endswith((".py", ".yaml")) else f"{place}: {here}, not {there}")
    return lines


def _values(config: Params, stage: str, key: str) -> Signature:
    kind = layout.KINDS[stage]
    entry = config.entry(stage, key).model_dump(mode="json")
    block = config.block(stage, key).model_dump(mode="json")
    values = {f"{kind}.{key}.{field}": value for field, value in entry.items()}
    if "preset" in entry:
        values |= {f"presets.{entry['preset']}.{stage}.{field}": value for field, value in block.items()}
    if stage in layout.THREADED:
        values["threads"] = config.threads
    return {place: json.dumps(value) for place, value in values.items()}


def _commit(root: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, encoding="utf-8")
    return done.stdout.strip() or "no commit"
