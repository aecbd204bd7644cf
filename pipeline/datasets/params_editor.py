"""Entries added to, and taken out of, the blocks of params.yaml. Everything else in the file stays as it is, to the
byte: comments, order, ends of lines."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from stages import InputError, params
from stages.media.files import atomic_write


@dataclass(frozen=True)
class Entry:
    block: str                    # videos, subjects, ...
    name: str
    content: dict
    lines: list[tuple[int, str]]  # as they stand in the block: how deep, and what

    @classmethod
    def short(cls, block: str, name: str, **content) -> "Entry":
        """On one line."""
        return cls(block, name, content, [(0, f"{flow(name)}: {flow(content)}")])


def add(entries: Iterable[Entry], path: Path) -> list[Entry]:
    """Writes those that are new, and gives them. InputError, and no change, where one is there and says something else,
    or where the file would not be right afterwards."""
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    before = yaml.safe_load(text)
    there = [(entry, (before.get(entry.block) or {}).get(entry.name)) for entry in entries]
    if others := [entry for entry, content in there if content not in (None, entry.content)]:
        names = ", ".join(f"{entry.block}.{entry.name}" for entry in others)
        raise InputError(f"{path}: {names}: there already, and something else; remove or rename what is there")
    fresh, after = [entry for entry, content in there if content is None], yaml.safe_load(text)
    for block in dict.fromkeys(entry.block for entry in fresh):
        mine = [entry for entry in fresh if entry.block == block]
        text = insert(text, block, [line for entry in mine for line in entry.lines])
        after[block] = (after.get(block) or {}) | {entry.name: entry.content for entry in mine}
        if read(text) != after:
            raise InputError(f"{path}: its `{block}` cannot be added to; write `{block}:` and its entries below, one a "
                             "line, indented alike")
    if fresh:
        with atomic_write(path) as temporary:
            temporary.write_text(text, newline="", encoding="utf-8")
            try:
                params.load(temporary)
            except InputError as error:
                raise InputError(str(error).replace(str(temporary), str(path))) from None
    return fresh


def remove(names: dict[str, list[str]], path: Path = Path("params.yaml")) -> None:
    """Takes entries out: by block, their names. InputError, and no change, where `without` raises it."""
    text = without(names, path)
    with atomic_write(path) as temporary:
        temporary.write_text(text, newline="", encoding="utf-8")


def without(names: dict[str, list[str]], path: Path = Path("params.yaml")) -> str:
    """The file without entries. InputError where it would not be right then."""
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    wanted = yaml.safe_load(text)
    for block, gone in names.items():
        for name in gone:
            text = _without(text, block, name)
            del wanted[block][name]
    if read(text) != wanted:
        told = ", ".join(f"{block}.{name}" for block, gone in names.items() for name in gone)
        raise InputError(f"{path}: {told}: cannot be taken out here; remove them by hand")
    return text


def _without(text: str, block: str, name: str) -> str:
    """The file without an entry; a block that is left empty says so."""
    lines = io.StringIO(text, newline="").readlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(f"{block}:")), len(lines))
    end = next((i for i in range(first + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines))
    inside = [i for i in range(first + 1, end) if re.match(r" +[^\s#]", lines[i])]
    deep = min((_depth(lines[i]) for i in inside), default=0)
    starts = [i for i in inside if _depth(lines[i]) == deep]
    for start, stop in zip(starts, [*starts[1:], max(inside, default=first) + 1]):
        if re.match(rf" +(['\"]?){re.escape(name)}\1:", lines[start]):
            while re.match(r" *#", lines[stop - 1]):  # what stands above the next entry is about that one
                stop -= 1
            if len(starts) == 1:
                lines[first] = re.sub(rf"^{block}:", f"{block}: {{}}", lines[first])
            del lines[start:stop]
            break
    return "".join(lines)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def insert(text: str, block: str, new: list[tuple[int, str]]) -> str:
    """The file with lines at the end of a block, indented like its first entry."""
    lines = io.StringIO(text, newline="").readlines()
    end_of_line = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    starts = [i for i, line in enumerate(lines) if re.match(r"[^\s#]", line)]  # of the file's blocks
    first = next((i for i in starts if lines[i].startswith(f"{block}:")), len(lines))
    end = next((i for i in starts if i > first), len(lines))
    lines[first : first + 1] = [re.sub(rf"^{block}: \{{\}}", f"{block}:", line) for line in lines[first : first + 1]]
    while end > first and re.match(r"#|\s*$", lines[end - 1]):  # what stands above the next block is about that one
        end -= 1
    indent = next((found[0] for line in lines[first + 1 : end] if (found := re.match(r" +(?=[^\s#])", line))), "  ")
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += end_of_line
    return "".join([*lines[:end], *(f"{indent * (1 + deep)}{line}{end_of_line}" for deep, line in new), *lines[end:]])


def read(text: str) -> dict:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return {}


def flow(value) -> str:
    """As YAML on one line."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return dumped.removesuffix("...\n").rstrip()
