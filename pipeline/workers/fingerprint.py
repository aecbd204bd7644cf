"""Compares the code and parameters of two machines before one computes a stage for the other.

DVC does not detect such a difference: the worker's result would be stored under another key of the run cache, and the
caller would not find it."""

import json
from pathlib import Path

from pipeline import git, graph
from stages import layout
from stages.code_digest import EXCLUDED, Code
from stages.params import Params

Fingerprint = dict[str, str]  # {file, or place in params.yaml: checksum or value}
COMMIT = "commit"


def fingerprint_of(config: Params, address: str, root: Path = Path()) -> Fingerprint:
    """The fingerprint of a stage on this machine. It includes the commit, which is shown but not compared."""
    stage, key = graph.split(address)
    code = Code(root)
    sources = [module.path for module in code.sources(stage)]
    others = [root / "dvc.yaml", *(root / file for file in EXCLUDED), *(root / "pipeline").rglob("*.py")]
    checksums = {str(path.relative_to(root)): code.checksum(path.relative_to(root)) for path in [*sources, *sorted(others)]}
    return {COMMIT: git.short_commit(root) or "no commit"} | checksums | _parameter_values(config, stage, key)


def differences(ours: Fingerprint, theirs: Fingerprint) -> list[str]:
    """A line for every difference, such as `stages/fusion.py` or `presets.demo.generator_training.steps: 100, not 200`.
    """
    lines = []
    for place in sorted((ours.keys() | theirs.keys()) - {COMMIT}):
        here, there = ours.get(place), theirs.get(place)
        if here != there:
            lines.append(place if place.endswith((".py", ".yaml")) else f"{place}: {here}, not {there}")
    return lines


def _parameter_values(config: Params, stage: str, key: str) -> Fingerprint:
    kind = layout.KINDS[stage]
    entry = config.entry(stage, key).model_dump(mode="json")
    block = config.block(stage, key).model_dump(mode="json")
    values = {f"{kind}.{key}.{field}": value for field, value in entry.items()}
    if "preset" in entry:
        values |= {f"presets.{entry['preset']}.{stage}.{field}": value for field, value in block.items()}
    if stage in layout.THREADED:
        values["threads"] = config.threads
    return {place: json.dumps(value) for place, value in values.items()}
