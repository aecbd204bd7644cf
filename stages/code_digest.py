"""What a stage is made of, as one small file: digests/<stage>.txt, which dvc.yaml names as a dependency.

DVC cannot see imports, and compares bytes. A digest is made of the syntax trees of all modules of stages/ that a stage
imports, directly or not: comments, docstrings and blank lines do not count, nor does the package that a module lies in.
A file that is not Python counts with its bytes for whoever imports a module beside it. Left out: params.py with
consent.py, safe_yaml.py and presets.py, layout.py and __main__.py, whose word reaches a stage as parameters and paths
that DVC tracks itself; events.py and progress.py, which tell how far a stage is; threads.py, which says how many
compute; modules that hold nothing but a
docstring; and InputError, an exception without behaviour.

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
    "code_digest", "consent", "safe_yaml", "events", "layout", "params", "presets", "progress", "threads",
    "__main__")}
WRITE_COMMAND = "python -m pipeline.dvc_backend.digests"
WITHOUT_EFFECT = {"ctx", "kind", "type_comment"}  # fields of a syntax tree
IMPORTS = (ast.Import, ast.ImportFrom)
HEX = 16  # digits of a checksum


class Module:
    """A file of the project."""

    def __init__(self, code: "Code", path: Path):
        self.path, self._code, self._bytes = path, code, path.read_bytes()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self._bytes)

    @cached_property
    def mark(self) -> str:
        """Its checksum: of the syntax tree of Python, of name and bytes of anything else."""
        if self.path.suffix == ".py":
            return _checksum(" ".join(self._canonical(self.tree, [])).encode())
        return _checksum(self.path.name.encode() + b"\n" + self._bytes)

    @cached_property
    def says_something(self) -> bool:
        return not all(map(_without_effect, self.tree.body))

    @cached_property
    def imports(self) -> list[Path]:
        """The files of the project that importing this one runs, imports inside functions too."""
        found = [one for node in _walk(self.tree) for one in self._imported(node)]
        names = [module for module, name, _ in found if (module, name) != ("stages", "InputError")]
        parents = [name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count("."))]
        return [file for name in dict.fromkeys([*names, *parents]) if (file := self._code.file(name))]

    def _imported(self, node: ast.AST) -> list[tuple[str, str, str | None]]:
        """What an import takes from the project: module, name in it or "", what it is known as here."""
        if isinstance(node, ast.Import):
            return [(alias.name, "", alias.asname) for alias in node.names if alias.name.split(".")[0] == "stages"]
        if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] != "stages":
            return []
        inner = {alias: f"{node.module}.{alias.name}" for alias in node.names}
        return [(module, "", alias.asname) if self._code.file(module) else (node.module, alias.name, alias.asname)
                for alias, module in inner.items()]

    def _canonical(self, node, words: list[str]) -> list[str]:
        """A syntax tree as words, without what does not change what the code does, and without the packages that
        modules of the project are imported from. Alike under every Python that parses the code to the same tree."""
        if isinstance(node, ast.Constant):
            words.append(ascii(node.value))
        elif isinstance(node, ast.AST):
            words.append(f"{type(node).__name__}(")
            for name in node._fields:
                value = getattr(node, name)
                if value is not None and value != [] and name not in WITHOUT_EFFECT:
                    words.append(f"{name}=")
                    self._canonical(value, words)
            words.append(")")
        elif isinstance(node, list):
            local = [one for child in node if isinstance(child, IMPORTS) for one in self._imported(child)]
            words += sorted(f"{module.rpartition('.')[2]}:{name}:{known_as}" for module, name, known_as in local)
            for child in node:
                if not (_without_effect(child) or isinstance(child, IMPORTS) and self._imported(child)):
                    self._canonical(child, words)
            words.append("]")
        else:
            words.append(ascii(node))
        return words


class Code:
    """The code below `root` as it is now; each file is read once."""

    def __init__(self, root: Path = Path()):
        self.root = root
        self._files: dict[str, Path | None] = {}
        self._modules: dict[Path, Module] = {}

    def file(self, name: str) -> Path | None:
        """The file of a module or package."""
        if name not in self._files:
            path = self.root.joinpath(*name.split("."))
            files = path.with_suffix(".py"), path / "__init__.py"
            self._files[name] = next((file for file in files if file.is_file()), None)
        return self._files[name]

    def sources(self, stage: str) -> list[Module]:
        """The files whose change can make `stage` compute anew: its own first, then the others by name."""
        if not (first := self.file(f"stages.{stage}")):
            raise InputError(f"stages/{stage}.py is not there")
        found, todo = [], [first]
        while todo:
            path = todo.pop()
            if path not in found and path.relative_to(self.root) not in EXCLUDED:
                found.append(path)
                todo += self._module(path).imports
        found = [path for path in found if path == first or self._module(path).says_something]
        folders = {path.parent for path in found} - {self.root / "stages"}
        data = [path for folder in folders for path in folder.iterdir()
                if path.is_file() and path.suffix not in (".py", ".pyc")]
        return [self._module(path) for path in [first, *sorted({*found, *data} - {first})]]

    def digest(self, stage: str) -> str:
        """The text of a stage's digest: a line for who imports whom, so that modules of one name cannot take each
        other's place, and one for each of its files."""
        modules = {module.path: module for module in self.sources(stage)}
        edges = {f"{module.mark} {modules[path].mark}\n" for module in modules.values() if module.path.suffix == ".py"
                 for path in module.imports if path in modules}
        first, *_ = modules.values()
        imports = _checksum("".join([first.mark, *sorted(edges)]).encode())
        return "".join(f"{line}\n" for line in [f"imports {imports}", *sorted(one.mark for one in modules.values())])

    def mark(self, file: str | Path) -> str:
        """The checksum of any file below `root`, as digests have it."""
        return self._module(self.root / file).mark

    def changed(self, stage: str) -> list[str] | None:
        """The files of `stage` that its digest does not know, if any; None where the digest is that of the code."""
        path = self.root / layout.digest(stage)
        known = path.read_text(encoding="utf-8") if path.is_file() else ""
        if known == self.digest(stage):
            return None
        marks = known.split()
        return [str(one.path.relative_to(self.root)) for one in self.sources(stage) if one.mark not in marks]

    def _module(self, path: Path) -> Module:
        if path not in self._modules:
            self._modules[path] = Module(self, path)
        return self._modules[path]


def check(stages: Iterable[str] = tuple(layout.KINDS), root: Path = Path()) -> None:
    """Raises InputError where the digest of a stage is not that of the code: DVC would take what other code has made for
    up to date."""
    code = Code(root)
    for stage in stages:
        if (files := code.changed(stage)) is not None:
            what = ", ".join(files[:5]) + " and more" * (len(files) > 5) if files else "what its modules import"
            raise InputError(f"{layout.digest(stage)} is out of date: {what} changed since it was written.\n"
                             f"  {WRITE_COMMAND}\nwrites it (make digests); what the old code has made is then computed anew")


def _without_effect(node: ast.AST) -> bool:
    """A docstring, `pass`, or what only type checkers read."""
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
    return hashlib.sha256(content).hexdigest()[:HEX]


def main() -> int:
    try:
        check()
    except InputError as error:
        events.report_refusal(str(layout.DIGESTS), error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
