"""params.yaml for tests that change it. Read once, with the fast C parser."""

import copy
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).parents[1] / "params.yaml"


@cache
def _read() -> dict:
    return yaml.load(FILE.read_text(), yaml.CSafeLoader)


def content() -> dict:
    """A copy of the repository's params.yaml, which may be modified."""
    return copy.deepcopy(_read())


def write(folder: Path, changed: dict) -> Path:
    """Writes params.yaml into a folder and returns its path."""
    path = folder / "params.yaml"
    path.write_text(yaml.dump(changed, Dumper=yaml.CSafeDumper))
    return path
