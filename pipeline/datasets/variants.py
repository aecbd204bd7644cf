"""Writes a variant of a preset into params.yaml as a preset of its own.

DVC tracks `presets.<name>.<stage>`, so the results of a variant are cached separately only if it is a preset."""

from pathlib import Path

from pipeline.datasets import params_editor
from stages.params import Params


def write(config: Params, variant: str, preset: str, path: Path = Path("params.yaml")) -> str:
    """Adds `<preset>_<variant>` to `presets` and returns how to use it. Raises InputError if it exists with other
    values."""
    name, content = f"{preset}_{variant}", config.with_variants(preset, variant).model_dump(mode="json")
    lines = [(0, f"{name}: # {preset}, varied: {variant}")]
    for stage, block in content.items():
        lines.append((1, f"{stage}:" if block else f"{stage}: {{}}"))
        lines += [(2, f"{field}: {params_editor.to_yaml_line(value)}") for field, value in block.items()]
    if not params_editor.add([params_editor.Entry("presets", name, content, lines)], path):
        return f"{path} has presets.{name} already"
    return f"{path}: presets.{name} is new. To train with it, write `preset: {name}` in an entry of `subjects`"
