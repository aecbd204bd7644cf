"""Text is read and written as UTF-8, independent of the locale."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("pipeline/**/*.py"), *ROOT.glob("stages/**/*.py")])


def in_the_locales_encoding(tree: ast.AST) -> list[int]:
    """Numbers of lines that read or write text without an explicit encoding."""
    return [call.lineno for call in ast.walk(tree) if isinstance(call, ast.Call) and _text(call)
            and "encoding" not in {keyword.arg for keyword in call.keywords}]


def _text(call: ast.Call) -> bool:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if method else getattr(call.func, "id", "")
    if name in ("read_text", "write_text"):
        return True
    if name in ("run", "Popen", "check_output"):
        return "text" in keywords or "universal_newlines" in keywords
    if name != "open":
        return False
    places = call.args if method else call.args[1:]
    mode = keywords.get("mode") or (places[0] if places else ast.Constant("r"))
    known = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) <= set("rwaxbt+")
    return known and "b" not in mode.value  # otherwise another `open`, such as av.open(path)


@pytest.mark.parametrize("code, found", [
    ("path.read_text()", True), ("path.read_text(encoding='utf-8')", False), ("path.write_text(text)", True),
    ("open(path)", True), ("open(path, 'rb')", False), ("open(path, mode='w')", True), ("path.open()", True),
    ("path.open('a+')", True), ("path.open('wb')", False), ("av.open(path)", False), ("run(command, text=True)", True),
    ("run(command, encoding='utf-8')", False), ("run(command, capture_output=True)", False),
])
def test_detection(code, found):
    assert bool(in_the_locales_encoding(ast.parse(code))) == found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_modules_name_the_encoding(path):
    assert in_the_locales_encoding(ast.parse(path.read_bytes())) == []
