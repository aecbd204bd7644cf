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


def people(films: dict[str, str], preset: str = "demo", **others) -> dict:
    """What the repository's own params.yaml would hold if its people were those of these videos, by name, all rendered
    and learned with this preset. others: further entries, such as samples and transfers, or other ones."""
    return {
        "threads": "auto", "samples": {}, "videos": {name: {"file": file, "preset": preset} for name, file in films.items()},
        "subjects": {name: {"preset": preset, "consent": "synthetic"} for name in films}, "transfers": {},
        "presets": content()["presets"], **others,
    }


def write(folder: Path, changed: dict) -> Path:
    """Writes params.yaml into a folder and returns its path."""
    path = folder / "params.yaml"
    path.write_text(yaml.dump(changed, Dumper=yaml.CSafeDumper))
    return path
