"""What every file that a stage writes says of itself: the consent it rests on, and what else its bytes depend on. Set by
whoever runs the stage, read by those who write files: a picture, a table, a video, weights."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

_stamp: dict[str, str] = {}
_on = False


@contextmanager
def attached(values: dict[str, str]) -> Iterator[None]:
    """Within it, files say this."""
    global _on
    _stamp.update(values)
    _on = True
    try:
        yield
    finally:
        _stamp.clear()
        _on = False


def add(values: dict[str, str]) -> None:
    """Files that are written from here on, until `stamped` ends, say this too."""
    if _on:
        _stamp.update(values)


def current() -> dict[str, str]:
    return dict(_stamp)


def with_png_text(content: bytes) -> bytes:
    """A PNG file with the stamp as text, right after its header."""
    chunks = [_chunk(b"tEXt", f"{name}\0{value}".encode("latin-1")) for name, value in _stamp.items()]
    return content[:33] + b"".join(chunks) + content[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
