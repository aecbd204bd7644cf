"""Which files of stages/ a stage is made of: what it imports, directly or not, read from the source.

DVC cannot see imports, so dvc.yaml lists these files beside the artifacts of stages/layout.py;
`python -m pipeline.sources` (make deps) writes both lists anew, and those of the outputs. Left out: params.py
with documents.py and presets.py, layout.py and __main__.py, whose word reaches a stage as parameters and paths that DVC
tracks themselves; modules that hold nothing but a docstring; and InputError, an exception without behaviour.
"""

import ast
import re
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from stages import layout

LISTS = ("outs", "metrics", "plots")  # of a stage in dvc.yaml: what it makes, and what of it DVC can show
APART = {Path(f"stages/{name}.py") for name in ("consent", "documents", "params", "presets", "layout", "__main__")}


def sources(stage: str, root: Path = Path()) -> list[str]:
    """The files whose change makes `stage` compute anew, its own first."""
    first = _file(root, f"stages.{stage}")
    found, todo = [], [first]
    while todo:
        path = todo.pop()
        if path in found or path.relative_to(root) in APART:
            continue
        found.append(path)
        todo += _imports(root, path)
    others = sorted(str(path.relative_to(root)) for path in found if path != first and _has_code(path))
    return [str(first.relative_to(root)), *others]


def write(path: Path = Path("dvc.yaml")) -> None:
    """Writes every stage's deps and outs; the user's files and files that are not Python stay as they stand."""
    text = path.read_text()
    for stage, kind in layout.KINDS.items():
        ends = {"target": "${item.target}", "source": "${item.source}"} if kind == "transfers" else {}
        read = [str(artifact) for artifact in layout.inputs(stage, "${key}", **ends).values()]
        head, start, deps, rest = re.split(
            rf"(?<=^  {stage}:\n)((?:.*\n)*?      deps:\n)((?:        - .*\n)+)"
            rf"(?:      (?:{'|'.join(LISTS)}):\n(?:        - .*\n)+)+", text, maxsplit=1, flags=re.MULTILINE,
        )
        listed = [line.removeprefix("        - ") for line in deps.splitlines()]
        user = [file for file in listed if not file.startswith(("artifacts/", "stages/"))]
        data = [file for file in listed if file.startswith("stages/") and not file.endswith(".py")]
        lines = "".join(f"        - {file}\n" for file in dict.fromkeys([*user, *read, *data, *sources(stage)]))
        text = f"{head}{start}{lines}{_outputs(stage)}{rest}"
    path.write_text(text)


def _outputs(stage: str) -> str:
    """The lists of what a stage makes."""
    made = {name: [] for name in LISTS}
    for argument, artifact in layout.outputs(stage, "${key}").items():
        shown = {"scores": "metrics", "plots": "plots"}.get(argument, "outs")
        over = {"plots": f": {{x: {'frame' if stage == 'metrics' else 'step'}}}"}.get(shown, "")
        made[shown].append(f"        - {artifact}{over}\n")
    return "".join(f"      {name}:\n{''.join(lines)}" for name, lines in made.items() if lines)


def _imports(root: Path, path: Path) -> list[Path]:
    """The local files that importing `path` runs, imports inside functions too, but not those for type checkers."""
    package = ".".join(path.relative_to(root).parent.parts)
    names = []
    for node in _walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            wanted = [alias.name for alias in node.names if (module, alias.name) != ("stages", "InputError")]
            names += [f"{module}.{name}" if _file(root, f"{module}.{name}") else module for name in wanted]
    names = [name for name in names if name.split(".")[0] == "stages"]
    parents = [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count("."))]
    return [file for name in [*names, *parents] if (file := _file(root, name))]


def _walk(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _walk(child)


@cache
def _file(root: Path, module: str) -> Path | None:
    """The file of a module or package below `root`."""
    path = root.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _has_code(path: Path) -> bool:
    body = ast.parse(path.read_text()).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)


if __name__ == "__main__":
    write()
