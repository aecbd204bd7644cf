"""A variant of a preset, written into params.yaml as a preset of its own: DVC tracks `presets.<name>.<stage>`, so what
is to be cached by itself has to stand there by itself."""

from pathlib import Path

from pipeline.datasets import params_editor
from stages.params import Params


def write(config: Params, variant: str, preset: str, path: Path = Path("params.yaml")) -> str:
    """Adds `<preset>_<variant>` below `presets`; says how to use it. Refuses to change one that is there."""
    name, content = f"{preset}_{variant}", config.with_variants(preset, variant).model_dump(mode="json")
    lines = [(0, f"{name}: # {preset}, varied: {variant}")]
    for stage, block in content.items():
        lines.append((1, f"{stage}:" if block else f"{stage}: {{}}"))
        lines += [(2, f"{field}: {params_editor.flow(value)}") for field, value in block.items()]
    if not params_editor.add([params_editor.Entry("presets", name, content, lines)], path):
        return f"{path} has presets.{name} already"
    return f"{path}: presets.{name} is new. To learn a person with it: `preset: {name}` in their entry of `subjects`"
