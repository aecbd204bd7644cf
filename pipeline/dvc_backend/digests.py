"""Writes digests/ and updates dvc.yaml after the code has changed: `python -m pipeline.dvc_backend.digests` (make
digests).

dvc.yaml gets the inputs and outputs of every stage from stages/layout.py. DVC then records the digests as checked."""

import re
from pathlib import Path

from pipeline.dvc_backend import dvc_client
from stages import layout
from stages.code_digest import Code

LISTS = ("outs", "metrics", "plots")  # a stage's outputs in dvc.yaml; DVC can show the last two


def write(root: Path = Path()) -> None:
    """Writes all digests and the lists in dvc.yaml. Paths of the user's files in these lists are not changed."""
    write_digests(root)
    path = root / "dvc.yaml"
    path.write_text(_with_layout(path.read_text(encoding="utf-8")), encoding="utf-8")


def write_digests(root: Path = Path()) -> None:
    """Writes digests/<stage>.txt for every stage."""
    code = Code(root)
    (root / layout.DIGESTS).mkdir(exist_ok=True)
    for stage in layout.KINDS:
        (root / layout.digest(stage)).write_text(code.digest(stage), encoding="utf-8")


def _with_layout(text: str) -> str:
    """dvc.yaml with the inputs and outputs of the layout."""
    for stage, kind in layout.KINDS.items():
        ends = {"target": "${item.target}", "source": "${item.source}"} if kind == "transfers" else {}
        read = [str(artifact) for artifact in layout.inputs(stage, "${key}", **ends).values()]
        head, start, deps, rest = re.split(
            rf"(?<=^  {stage}:\n)((?:.*\n)*?      deps:\n)((?:        - .*\n)+)"
            rf"(?:      (?:{'|'.join(LISTS)}):\n(?:        - .*\n)+)+", text, maxsplit=1, flags=re.MULTILINE,
        )
        listed = [line.removeprefix("        - ") for line in deps.splitlines()]
        user = [file for file in listed if not file.startswith((f"{layout.ROOT}/", f"{layout.DIGESTS}/"))]
        lines = "".join(f"        - {file}\n" for file in [*user, *read, layout.digest(stage)])
        text = f"{head}{start}{lines}{_outputs(stage)}{rest}"
    return text


def _outputs(stage: str) -> str:
    """The lists of a stage's outputs."""
    made = {name: [] for name in LISTS}
    for argument, artifact in layout.outputs(stage, "${key}").items():
        shown = {"scores": "metrics", "plots": "plots"}.get(argument, "outs")
        x_axis = {"plots": f": {{x: {'frame' if stage == 'metrics' else 'step'}}}"}.get(shown, "")
        made[shown].append(f"        - {artifact}{x_axis}\n")
    return "".join(f"      {name}:\n{''.join(lines)}" for name, lines in made.items() if lines)


if __name__ == "__main__":
    write()
    dvc_client.check_digests()
