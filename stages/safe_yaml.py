"""YAML that anybody may have written, read at a cost that its length tells."""

from pathlib import Path

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent

from stages import InputError

DEEPEST = 50      # lists and blocks in one another; the parser's own recursion knows no limit
MOST = 1_000_000  # values, aliases written out; three hundred people need some thousands


def load(path: Path):
    """What a file holds. InputError where it cannot be read, or where aliases of aliases make it endlessly large."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error}") from None
    return parse(text, path)


def parse(text: str | bytes, path: Path | str):
    """What text that stands in a file means, as `load` does."""
    try:
        if _depth(text) > DEEPEST:
            raise InputError(f"{path}: more than {DEEPEST} lists and blocks in one another")
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        size, height = _extent(node, {})
        if size > MOST or height > DEEPEST:
            raise InputError(f"{path}: its aliases (*name) stand for too much: more than {MOST} values, or more than "
                             f"{DEEPEST} lists and blocks in one another; write out what they stand for")
        return loader.construct_document(node)
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a number with too many digits
        raise InputError(f"{path}: {error}") from None


def _depth(text: str | bytes) -> int:
    """How deep its deepest value stands, as far as is of interest."""
    depth = deepest = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        deepest = max(deepest, depth)
        if deepest > DEEPEST:
            break
    return deepest


def _extent(node: yaml.Node, known: dict[int, tuple[float, float]]) -> tuple[float, float]:
    """How many values a node stands for, and how deep the deepest of them stands; infinity where it stands in itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    if id(node) not in known:
        known[id(node)] = float("inf"), float("inf")
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        extents = [_extent(part, known) for part in parts]
        known[id(node)] = 1 + sum(size for size, _ in extents), 1 + max((height for _, height in extents), default=0)
    return known[id(node)]
