"""Adds entries to params.yaml and removes them. Every other byte of the file stays: comments, order, line ends."""

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
    """An entry of a block of params.yaml: its content, and the lines to write."""
    block: str                    # videos, subjects, ...
    name: str
    content: dict
    lines: list[tuple[int, str]]  # indentation level in the block, text

    @classmethod
    def one_line(cls, block: str, name: str, **content) -> "Entry":
        """An entry on one line."""
        return cls(block, name, content, [(0, f"{to_yaml_line(name)}: {to_yaml_line(content)}")])


def add(entries: Iterable[Entry], path: Path) -> list[Entry]:
    """Writes the entries that do not exist yet, and returns them. Raises InputError, and changes nothing, if an
    existing entry has another content or the file would be invalid."""
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    before = yaml.safe_load(text)
    there = [(entry, (before.get(entry.block) or {}).get(entry.name)) for entry in entries]
    if others := [entry for entry, content in there if content not in (None, entry.content)]:
        names = ", ".join(f"{entry.block}.{entry.name}" for entry in others)
        raise InputError(f"{path}: {names}: exists already with other values; remove or rename the existing entry")
    fresh, after = [entry for entry, content in there if content is None], yaml.safe_load(text)
    for block in dict.fromkeys(entry.block for entry in fresh):
        mine = [entry for entry in fresh if entry.block == block]
        text = insert_lines(text, block, [line for entry in mine for line in entry.lines])
        after[block] = (after.get(block) or {}) | {entry.name: entry.content for entry in mine}
        if parse(text) != after:
            raise InputError(f"{path}: cannot add to `{block}`; write `{block}:` with one entry per line below it, all "
                             "with the same indentation")
    if fresh:
        with atomic_write(path) as temporary:
            temporary.write_text(text, newline="", encoding="utf-8")
            try:
                params.load(temporary)
            except InputError as error:
                raise InputError(str(error).replace(str(temporary), str(path))) from None
    return fresh


def remove(names: dict[str, list[str]], path: Path = Path("params.yaml")) -> None:
    """Removes entries: {block: names}. Raises InputError like `text_without`, and changes nothing then."""
    text = text_without(names, path)
    with atomic_write(path) as temporary:
        temporary.write_text(text, newline="", encoding="utf-8")


def text_without(names: dict[str, list[str]], path: Path = Path("params.yaml")) -> str:
    """The text of the file without these entries. Raises InputError if they cannot be removed."""
    with open(path, newline="", encoding="utf-8") as file:
        text = file.read()
    wanted = yaml.safe_load(text)
    for block, gone in names.items():
        for name in gone:
            text = _without_entry(text, block, name)
            del wanted[block][name]
    if parse(text) != wanted:
        entries = ", ".join(f"{block}.{name}" for block, gone in names.items() for name in gone)
        raise InputError(f"{path}: cannot remove {entries}; remove them by hand")
    return text


def _without_entry(text: str, block: str, name: str) -> str:
    """The text without an entry. A block that becomes empty is written as {}."""
    lines = io.StringIO(text, newline="").readlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(f"{block}:")), len(lines))
    end = next((i for i in range(first + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines))
    inside = [i for i in range(first + 1, end) if re.match(r" +[^\s#]", lines[i])]
    deep = min((_depth(lines[i]) for i in inside), default=0)
    starts = [i for i in inside if _depth(lines[i]) == deep]
    for start, stop in zip(starts, [*starts[1:], max(inside, default=first) + 1]):
        if re.match(rf" +(['\"]?){re.escape(name)}\1:", lines[start]):
            while re.match(r" *#", lines[stop - 1]):  # a comment above the next entry belongs to that one
                stop -= 1
            if len(starts) == 1:
                lines[first] = re.sub(rf"^{block}:", f"{block}: {{}}", lines[first])
            del lines[start:stop]
            break
    return "".join(lines)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def insert_lines(text: str, block: str, new: list[tuple[int, str]]) -> str:
    """The text with lines added at the end of a block, indented like its first entry."""
    lines = io.StringIO(text, newline="").readlines()
    end_of_line = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    starts = [i for i, line in enumerate(lines) if re.match(r"[^\s#]", line)]  # first lines of all blocks
    first = next((i for i in starts if lines[i].startswith(f"{block}:")), len(lines))
    end = next((i for i in starts if i > first), len(lines))
    lines[first : first + 1] = [re.sub(rf"^{block}: \{{\}}", f"{block}:", line) for line in lines[first : first + 1]]
    while end > first and re.match(r"#|\s*$", lines[end - 1]):  # a comment above the next block belongs to that one
        end -= 1
    indent = next((found[0] for line in lines[first + 1 : end] if (found := re.match(r" +(?=[^\s#])", line))), "  ")
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += end_of_line
    return "".join([*lines[:end], *(f"{indent * (1 + deep)}{line}{end_of_line}" for deep, line in new), *lines[end:]])


def parse(text: str) -> dict:
    """The content of YAML text; empty if it is invalid."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return {}


def to_yaml_line(value) -> str:
    """A value as YAML on one line."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True)
    return dumped.removesuffix("...\n").rstrip()
