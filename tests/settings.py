"""params.yaml as tests change it: read once, by the parser in C."""

import copy
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).parents[1] / "params.yaml"


@cache
def _read() -> dict:
    return yaml.load(FILE.read_text(), yaml.CSafeLoader)


def content() -> dict:
    """What the repository's own params.yaml holds, to be changed at will."""
    return copy.deepcopy(_read())


def write(folder: Path, changed: dict) -> Path:
    """The params.yaml of a folder, made to hold this."""
    path = folder / "params.yaml"
    path.write_text(yaml.dump(changed, Dumper=yaml.CSafeDumper))
    return path
