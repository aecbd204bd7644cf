"""Metadata that is embedded in every file that a stage writes: the consent hash and other values that its
bytes depend on.
`python -m stages` sets it; the writers of images, tables, videos and weights embed it."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

_metadata: dict[str, str] = {}
_attached = False


@contextmanager
def attached(values: dict[str, str]) -> Iterator[None]:
    """Files written inside this context contain these values."""
    global _attached
    _metadata.update(values)
    _attached = True
    try:
        yield
    finally:
        _metadata.clear()
        _attached = False


def add(values: dict[str, str]) -> None:
    """Adds values for files written from now on, until `attached` ends. Without `attached`, does nothing."""
    if _attached:
        _metadata.update(values)


def current() -> dict[str, str]:
    return dict(_metadata)


def with_png_text(png: bytes) -> bytes:
    """A PNG file with the metadata as tEXt chunks after its header."""
    chunks = [_chunk(b"tEXt", f"{name}\0{value}".encode("latin-1")) for name, value in _metadata.items()]
    return png[:33] + b"".join(chunks) + png[33:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
