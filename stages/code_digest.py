"""A digest of the code of each stage: digests/<stage>.txt, a dependency of the stage in dvc.yaml.

DVC compares bytes and does not know imports. A digest covers the syntax trees of all modules of stages/ that the stage
imports, directly or indirectly. Comments, docstrings, blank lines and a module's package do not change it. Files that
are not Python are included with their bytes if the stage imports a module from the same folder. Excluded:
- params.py, preset_block.py, presets.py, consent.py, safe_yaml.py, layout.py and __main__.py: they affect a stage only
  through parameters and paths, which DVC tracks itself
- events.py and progress.py, which report progress
- threads.py, thread_trials.py and processors.py, which choose the number of threads
- modules that contain only a docstring, and InputError, an exception without behaviour

`python -m stages.code_digest` checks all digests; `python -m pipeline.dvc_backend.digests` writes them.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from stages import InputError, events, layout

EXCLUDED = {Path(f"stages/{name}.py") for name in (
    "code_digest", "consent", "safe_yaml", "events", "layout", "params", "preset_block", "presets", "processors",
    "progress", "thread_trials", "threads", "__main__")}
WRITE_COMMAND = "python -m pipeline.dvc_backend.digests"
WITHOUT_EFFECT = {"ctx", "kind", "type_comment"}  # fields of ast nodes
IMPORTS = (ast.Import, ast.ImportFrom)
CHECKSUM_DIGITS = 16  # hexadecimal


class Module:
    """A file below stages/, Python or not."""

    def __init__(self, code: "Code", path: Path):
        self.path, self._code, self._bytes = path, code, path.read_bytes()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self._bytes)

    @cached_property
    def checksum(self) -> str:
        """Of a Python file, the checksum of its syntax tree; of any other, that of its name and bytes."""
        if self.path.suffix == ".py":
            return _checksum(" ".join(self._canonical(self.tree, [])).encode())
        return _checksum(self.path.name.encode() + b"\n" + self._bytes)

    @cached_property
    def has_code(self) -> bool:
        return not all(map(_without_effect, self.tree.body))

    @cached_property
    def imports(self) -> list[Path]:
        """The files of stages/ that this module imports, including imports inside functions."""
        found = [one for node in _walk(self.tree) for one in self._imported(node)]
        names = [module for module, name, _ in found if (module, name) != ("stages", "InputError")]
        parents = [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count("."))]
        return [file for name in dict.fromkeys([*names, *parents]) if (file := self._code.file(name))]

    def _imported(self, node: ast.AST) -> list[tuple[str, str, str | None]]:
        """The imports of a node from stages/: module, name in it or "", alias or None."""
        if isinstance(node, ast.Import):
            return [(alias.name, "", alias.asname) for alias in node.names if alias.name.split(".")[0] == "stages"]
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != "stages":
            return []
        inner = {alias: f"{node.module}.{alias.name}" for alias in node.names}
        return [(module, "", alias.asname) if self._code.file(module) else (node.module, alias.name, alias.asname)
                for alias, module in inner.items()]

    def _canonical(self, node, tokens: list[str]) -> list[str]:
        """A syntax tree as a list of tokens, without what has no effect and without the packages of imported modules of
        stages/. The same for every version of Python that parses the code to the same tree."""
        if isinstance(node, ast.Constant):
            tokens.append(ascii(node.value))
        elif isinstance(node, ast.AST):
            tokens.append(f"{type(node).__name__}(")
            for name in node._fields:
                value = getattr(node, name)
                if value is not None and value != [] and name not in WITHOUT_EFFECT:
                    tokens.append(f"{name}=")
                    self._canonical(value, tokens)
            tokens.append(")")
        elif isinstance(node, list):
            local = [one for child in node if isinstance(child, IMPORTS) for one in self._imported(child)]
            tokens += sorted(f"{module.rpartition('.')[2]}:{name}:{alias}" for module, name, alias in local)
            for child in node:
                if not (_without_effect(child) or isinstance(child, IMPORTS) and self._imported(child)):
                    self._canonical(child, tokens)
            tokens.append("]")
        else:
            tokens.append(ascii(node))
        return tokens


class Code:
    """The current code below `root`. Every file is read once."""

    def __init__(self, root: Path = Path()):
        self.root = root
        self._files: dict[str, Path | None] = {}
        self._modules: dict[Path, Module] = {}

    def file(self, name: str) -> Path | None:
        """The file of a module or package; None if there is none."""
        if name not in self._files:
            path = self.root.joinpath(*name.split("."))
            files = path.with_suffix(".py"), path / "__init__.py"
            self._files[name] = next((file for file in files if file.is_file()), None)
        return self._files[name]

    def sources(self, stage: str) -> list[Module]:
        """The files that the digest of `stage` covers: its own module first, the others sorted by path."""
        if not (first := self.file(f"stages.{stage}")):
            raise InputError(f"stages/{stage}.py: not found")
        found, todo = [], [first]
        while todo:
            path = todo.pop()
            if path not in found and path.relative_to(self.root) not in EXCLUDED:
                found.append(path)
                todo += self._module(path).imports
        found = [path for path in found if path == first or self._module(path).has_code]
        folders = {path.parent for path in found} - {self.root / "stages"}
        data = [path for folder in folders for path in folder.iterdir()
                if path.is_file() and path.suffix not in (".py", ".pyc")]
        return [self._module(path) for path in [first, *sorted({*found, *data} - {first})]]

    def digest(self, stage: str) -> str:
        """The text of a stage's digest: one line for the import graph, so that modules with the same name cannot be
        confused, and one line for each file."""
        modules = {module.path: module for module in self.sources(stage)}
        python = [module for module in modules.values() if module.path.suffix == ".py"]
        edges = {f"{module.checksum} {modules[path].checksum}\n"
                 for module in python for path in module.imports if path in modules}
        first, *_ = modules.values()
        imports = _checksum("".join([first.checksum, *sorted(edges)]).encode())
        checksums = sorted(module.checksum for module in modules.values())
        return "".join(f"{line}\n" for line in [f"imports {imports}", *checksums])

    def checksum(self, file: str | Path) -> str:
        """The checksum of any file below `root`, as in digests."""
        return self._module(self.root / file).checksum

    def changed(self, stage: str) -> list[str] | None:
        """The files of `stage` that have changed since its digest was written; None if the digest is up to date."""
        path = self.root / layout.digest(stage)
        known = path.read_text(encoding="utf-8") if path.is_file() else ""
        if known == self.digest(stage):
            return None
        checksums = known.split()
        return [str(one.path.relative_to(self.root)) for one in self.sources(stage) if one.checksum not in checksums]

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            self._modules[path] = Module(self, path)
        return self._modules[path]


def check(stages: Iterable[str] = tuple(layout.KINDS), root: Path = Path()) -> None:
    """Raises InputError if the digest of a stage is out of date: DVC would consider artifacts of older code up to date.
    """
    code = Code(root)
    for stage in stages:
        if (files := code.changed(stage)) is not None:
            what = ", ".join(files[:5]) + " and more" * (len(files) > 5) if files else "the imports of its modules"
            raise InputError(f"{layout.digest(stage)} is out of date: {what} changed since it was written.\n"
                             f"  {WRITE_COMMAND}\n(make digests) updates it; the stage is then computed again")


def _without_effect(node: ast.AST) -> bool:
    """Whether it is a docstring, `pass`, or a TYPE_CHECKING block."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Pass):
        return True
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _walk(node: ast.AST) -> Iterable[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not _without_effect(child):
            yield child
            yield from _walk(child)


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:CHECKSUM_DIGITS]


def main() -> int:
    try:
        check()
    except InputError as error:
        events.report_refusal(str(layout.DIGESTS), error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
