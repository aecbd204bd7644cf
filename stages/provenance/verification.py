"""Whether a file is ours, untouched, and from what: by its credentials and, where they are gone, by its watermark."""

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

PIECE = 8.0    # seconds of a video that are looked at for the watermark: its first, then those from its middle on
FASTEST = 30   # frames/s that are looked at
LONGEST = 400  # characters of a row; anybody may have written more


def verify(path: Path, results: Iterable[Path] = ()) -> tuple[bool, str]:
    """Whether the file is ours and untouched, and what is known of it, line by line. `results`: our own, among which
    one that lost its credentials is looked for. InputError where it is no video."""
    shown = lambda text: text.replace(str(path), plain(str(path)))  # whoever sent the file has named it
    try:
        sure, told = _verified(path, results)
    except InputError as error:
        raise InputError(shown(str(error))) from None
    return sure, shown(told)


def _verified(path: Path, results: Iterable[Path]) -> tuple[bool, str]:
    size = _size(path)
    found = credentials.read(path, certificates.own_certificates())
    if found and found.statement and found.intact:
        return found.trusted, _table(_verdict(path, found), _made_of(found))
    rows = [("watermark", marked(path, size, results))]
    if found is None:
        return False, _table(f"{path}: it has no Content Credentials, so nothing vouches for it", rows)
    if found.intact:
        by = found.generator or "a software that does not say its name"
        head = f"{path}: not one of ours; its Content Credentials are from {by}, signed by {found.signer}"
        return False, _table(head, rows)
    told = "its Content Credentials do not fit it"
    if found.statement:
        told = "made with FakeMotion, as it says, but CHANGED after it was signed"
        rows = [("it was", found.statement.what), *rows]
    return False, _table(f"{path}: {told}", [*rows, ("C2PA says", ", ".join(found.problems))])


def _verdict(path: Path, found: Credentials) -> str:
    if found.trusted:
        return f"{path}: ours, and untouched since it was signed"
    if found.expired:
        return (f"{path}: says that FakeMotion made it, and is unchanged since it was signed; but the certificate of "
                f"{found.signer} has expired, and nothing says that it was signed before that")
    return (f"{path}: says that FakeMotion made it, and is untouched since it was signed, but by somebody whom this "
            f"machine does not know: {found.signer}. Where you have their certificate and its issuer's in a file, name "
            f"that in {certificates.CERTIFICATE}")


def _made_of(found: Credentials) -> list[tuple[str, str]]:
    said = found.statement
    files = [(role, f"{person.name}: {file.name}, SHA-256 {file.sha256}")
             for role, person in (("target", said.target), ("source", said.source)) for file in person.files]
    rendered = ", that of `synthetic`: a person who was rendered"
    local = " (made by FakeMotion itself; it vouches for nobody's identity)"
    return [
        ("what", f"{said.what}; {said.made:%Y-%m-%d %H:%M %Z}"), *files,
        ("generator", f"SHA-256 {said.model.generator}"), ("local GANs", f"SHA-256 {said.model.local_gans}"),
        ("consent", f"its record's SHA-256 {said.consent}" + rendered * (said.consent == consent_digest("synthetic"))),
        ("code", f"FakeMotion {said.code.version}, commit {said.code.commit or 'unknown'}, SHA-256 {said.code.sha256}"),
        ("label", "burnt in" if said.label else f"left out: {said.label_reason}"),
        ("watermark", f"number {said.watermark}"),
        ("signed by", found.signer + local * found.signer.startswith(certificates.LOCAL)),
    ]


def marked(path: Path, size: tuple[int, int], results: Iterable[Path]) -> str:
    """What the pictures of a video say."""
    longest = 0.0
    for begin in _begins(path):
        found = watermark.detect(_shots(path, size, begin))
        if found.sure:
            break
        longest = max(longest, found.seconds)
    else:
        if longest < watermark.PERIOD - 0.1:
            there = f"{longest:.1f} s of video are" if longest else "a single picture is"
            return f"cannot be told: {there} not enough to read it from, {watermark.PERIOD:g} s are"
        return "none that can be read: either not made with FakeMotion, or changed beyond recognition"
    number = watermark.format_number(found.number)
    same = [str(result) for result in results if result != path and _tag(result) == number]
    return (f"FakeMotion's, number {number}: these pictures are AI-generated"
            + (f"; they have the number of {', '.join(same)}" if same else "; no result here has this number"))


def _size(path: Path) -> tuple[int, int]:
    """Width and height of the pictures; InputError where there are none."""
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            check_dimensions(path, stream)
            return stream.width, stream.height
    except (av.FFmpegError, IndexError):
        raise InputError(f"{path}: not a video that can be read; expected one such as video.mp4") from None


def _begins(path: Path) -> list[float]:
    """The seconds at which the pieces of a video begin."""
    with open_media(path) as container:
        seconds = (container.duration or 0) / av.time_base
    return [0.0, seconds / 2] if seconds > PIECE else [0.0]


def _shots(path: Path, size: tuple[int, int], begin: float) -> Iterator[tuple[float, np.ndarray]]:
    """PIECE seconds of a video: (seconds, picture) of those that have the first one's size, before what is broken."""
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
                if frame.time is not None and seconds < begin:  # from the key frame before
                    continue
                first = seconds if first is None else first
                if seconds - first >= PIECE:
                    return
                if (frame.width, frame.height) == size and (last is None or seconds - last > 0.9 / FASTEST):
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
    rows = [(name, text if len(text) <= LONGEST else f"{text[:LONGEST]}...") for name, text in rows]
    return "\n".join([head, *(f"  {name:{width}}  {text}" for name, text in rows)])
