"""Verifies a file: by its Content Credentials or, if they are missing or invalid, by its watermark."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np

from stages import InputError
from stages.consent import consent_digest
from stages.media.container import check_dimensions, open_media
from stages.provenance import certificates, credentials, watermark
from stages.provenance.credentials import Credentials
from stages.provenance.statement import plain

SEGMENT = 8.0    # seconds that are searched for the watermark, at the start and then from the middle
MAX_RATE = 30    # frames/s that are searched
MAX_LENGTH = 400  # characters of a row; the text is untrusted


def verify(path: Path, results: Iterable[Path] = ()) -> tuple[bool, str]:
    """Returns whether the file is valid (signed with one of our certificates and not modified) and a report of several
    lines. `results`: our own videos, to identify a file without credentials. Raises InputError if it is not a video."""
    printable = lambda text: text.replace(str(path), plain(str(path)))  # the file name is untrusted
    try:
        valid, report = _verified(path, results)
    except InputError as error:
        raise InputError(printable(str(error))) from None
    return valid, printable(report)


def _verified(path: Path, results: Iterable[Path]) -> tuple[bool, str]:
    size = _size(path)
    found = credentials.read(path, certificates.own_certificates())
    if found and found.statement and found.intact:
        return found.trusted, _table(_verdict(path, found), _contents(found))
    rows = [("watermark", describe_watermark(path, size, results))]
    if found is None:
        return False, _table(f"{path}: no Content Credentials, so its origin cannot be verified", rows)
    if found.intact:
        software = found.generator or "unnamed software"
        head = f"{path}: not made with FakeMotion; Content Credentials from {software}, signed by {found.signer}"
        return False, _table(head, rows)
    verdict = "its Content Credentials are invalid"
    if found.statement:
        verdict = "made with FakeMotion by its own account, but CHANGED after it was signed"
        rows = [("originally", found.statement.what), *rows]
    return False, _table(f"{path}: {verdict}", [*rows, ("C2PA errors", ", ".join(found.problems))])


def _verdict(path: Path, found: Credentials) -> str:
    if found.trusted:
        return f"{path}: valid: made with FakeMotion, not modified since it was signed"
    if found.expired:
        return (f"{path}: made with FakeMotion by its own account, not modified since it was signed; but the "
                f"certificate of {found.signer} has expired, and there is no proof that it was signed before that")
    return (f"{path}: made with FakeMotion by its own account, not modified since it was signed, but signed with an "
            f"unknown certificate: {found.signer}. If you have a file with that certificate and its issuer's, set "
            f"{certificates.CERTIFICATE} to it")


def _contents(found: Credentials) -> list[tuple[str, str]]:
    statement, code = found.statement, found.statement.code
    synthetic = statement.consent == consent_digest("synthetic")
    files = [(role, f"{person.name}: {file.name}, SHA-256 {file.sha256}")
             for role, person in (("target", statement.target), ("source", statement.source)) for file in person.files]
    rendered = " of `synthetic`: a rendered person"
    local = " (a certificate created by FakeMotion, which does not prove anybody's identity)"
    return [
        ("what", f"{statement.what}; {statement.made:%Y-%m-%d %H:%M %Z}"), *files,
        ("generator", f"SHA-256 {statement.model.generator}"),
        ("local GANs", f"SHA-256 {statement.model.local_gans}"),
        ("consent", f"SHA-256 of the record {statement.consent}" + rendered * synthetic),
        ("code", f"FakeMotion {code.version}, commit {code.commit or 'unknown'}, SHA-256 {code.sha256}"),
        ("label", "visible" if statement.label else f"left out: {statement.label_reason}"),
        ("watermark", f"number {statement.watermark}"),
        ("signed by", found.signer + local * found.signer.startswith(certificates.LOCAL)),
    ]


def describe_watermark(path: Path, size: tuple[int, int], results: Iterable[Path]) -> str:
    """Searches the frames of a video for the watermark and describes the result."""
    longest = 0.0
    for begin in _segment_starts(path):
        found = watermark.detect(_segment(path, size, begin))
        if found.is_significant:
            break
        longest = max(longest, found.seconds)
    else:
        if longest < watermark.PERIOD - 0.1:
            length = f"{longest:.1f} s of video" if longest else "a single frame"
            return f"unknown: {length} is too short to detect it, {watermark.PERIOD:g} s are needed"
        return "none detected: either not made with FakeMotion, or changed too much"
    number = watermark.format_number(found.number)
    same = [str(result) for result in results if result != path and _tag(result) == number]
    return (f"FakeMotion's, number {number}: these frames are AI-generated"
            + (f"; the same number as {', '.join(same)}" if same else "; no result in this project has this number"))


def _size(path: Path) -> tuple[int, int]:
    """Width and height of the frames. Raises InputError if there are none."""
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            check_dimensions(path, stream)
            return stream.width, stream.height
    except (av.FFmpegError, IndexError):
        raise InputError(f"{path}: not a video that can be read; expected one such as video.mp4") from None


def _segment_starts(path: Path) -> list[float]:
    """The start times of the segments to search, in seconds."""
    with open_media(path) as container:
        seconds = (container.duration or 0) / av.time_base
    return [0.0, seconds / 2] if seconds > SEGMENT else [0.0]


def _segment(path: Path, size: tuple[int, int], begin: float) -> Iterator[tuple[float, np.ndarray]]:
    """SEGMENT seconds of a video: (seconds, RGB) of each frame of the expected size. Ends early at damage."""
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            check_dimensions(path, stream)
            stream.thread_type = "AUTO"
            if begin:
                container.seek(int(begin / stream.time_base), stream=stream)
            first = last = None
            for index, frame in enumerate(container.decode(stream)):
                seconds = index / float(stream.average_rate or 25) if frame.time is None else frame.time
                if frame.time is not None and seconds < begin:  # decoded only because seeking stops at a key frame
                    continue
                first = seconds if first is None else first
                if seconds - first >= SEGMENT:
                    return
                if (frame.width, frame.height) == size and (last is None or seconds - last > 0.9 / MAX_RATE):
                    last = seconds
                    yield seconds, frame.to_ndarray(format="rgb24")
    except av.FFmpegError:
        return


def _tag(path: Path) -> str:
    try:
        with open_media(path) as container:
            return container.metadata.get(watermark.TAG, "")
    except av.FFmpegError:
        return ""


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    rows = [(name, text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}...") for name, text in rows]
    return "\n".join([head, *(f"  {name:{width}}  {text}" for name, text in rows)])
