"""Reads YAML from untrusted sources. Nesting depth and expanded size are limited, so that aliases cannot exhaust
memory."""

from pathlib import Path

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent

from stages import InputError

MAX_DEPTH = 50          # of nested lists and blocks; the parser itself recurses without a limit
MAX_VALUES = 1_000_000  # with aliases expanded; a file with three hundred subjects has some thousands


def load(path: Path):
    """The content of a YAML file. Raises InputError if it cannot be read or exceeds the limits."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error}") from None
    return parse(text, path)


def parse(text: str | bytes, path: Path | str):
    """As `load`, of text already read; `path` is used in error messages."""
    try:
        if _depth(text) > MAX_DEPTH:
            raise InputError(f"{path}: more than {MAX_DEPTH} nested lists and blocks")
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        size, height = _extent(node, {})
        if size > MAX_VALUES or height > MAX_DEPTH:
            raise InputError(f"{path}: its aliases (*name) expand to more than {MAX_VALUES} values or {MAX_DEPTH} "
                             "nested lists and blocks; replace them by the values they refer to")
        return loader.construct_document(node)
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a number with too many digits
        raise InputError(f"{path}: {error}") from None


def _depth(text: str | bytes) -> int:
    """The depth of its nesting; counting stops once MAX_DEPTH is exceeded."""
    depth = deepest = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _extent(node: yaml.Node, known: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """The number of values and the depth of a node with its aliases expanded; infinite if the node contains itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    if id(node) not in known:
        known[id(node)] = float("inf"), float("inf")
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        extents = [_extent(part, known) for part in parts]
        known[id(node)] = 1 + sum(size for size, _ in extents), 1 + max((height for _, height in extents), default=0)
    return known[id(node)]
