"""A variant of a preset, written into params.yaml as a preset of its own: DVC tracks `presets.<name>.<stage>`, so what
is to be cached by itself has to stand there by itself. Everything else in the file stays as it is, to the byte."""

import re
from pathlib import Path

import yaml

from stages import InputError
from stages.params import Params, Preset


def write(config: Params, variant: str, preset: str, path: Path = Path("params.yaml")) -> str:
    """Adds `<preset>_<variant>` below `presets`; says how to use it. Refuses to change one that is there."""
    name, wanted = f"{preset}_{variant}", config.varied(preset, variant)
    if name in config.presets:
        if config.presets[name] != wanted:
            raise InputError(f"{path}: presets.{name} is there already and says something else; remove or rename it")
        return f"{path} has presets.{name} already"
    text = path.read_text()
    varied = insert(text, name, wanted, f"{preset}, varied: {variant}")
    before, after = yaml.safe_load(text), _read(varied)
    if after.get("presets", {}).pop(name, None) != wanted.model_dump(mode="json") or after != before:
        raise InputError(f"{path}: its `presets` cannot be added to; write them one below the other, indented alike")
    path.write_text(varied)
    return f"{path}: presets.{name} is new. To learn a person with it: `preset: {name}` in their entry of `subjects`"


def insert(text: str, name: str, preset: Preset, comment: str) -> str:
    """The file with one more preset at the end of its block `presets`, indented like the first."""
    lines = text.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if re.match(r"[^\s#]", line)]  # of the file's blocks
    first = next((i for i in starts if lines[i].startswith("presets:")), len(lines))
    end = next((i for i in starts if i > first), len(lines))
    while end > first and re.match(r"\s*(#|$)", lines[end - 1]):  # what stands above the next block is about that one
        end -= 1
    indent = next((found[0] for line in lines[first + 1 : end] if (found := re.match(r" +(?=[a-z])", line))), "  ")
    new = [f"{indent}{name}: # {comment}\n"]
    for stage, block in preset.model_dump(mode="json").items():
        new.append(f"{indent * 2}{stage}:\n")
        new += [f"{indent * 3}{field}: {_value(value)}\n" for field, value in block.items()]
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], *new, *lines[end:]])


def _read(text: str) -> dict:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return {}


def _value(value) -> str:
    """On one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=float("inf")).removesuffix("...\n").rstrip()
