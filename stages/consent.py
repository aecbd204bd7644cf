"""Whose likeness is used, and that they agreed. No stage of the paper: without it nobody is learned.

`synthetic` stands for people who were rendered. The hash of a record goes into what is made from that person
(`stages/media/artifact_metadata.py`), so that a video leads back to what was agreed without saying it; who guesses a whole record
can see that they are right.
"""

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from stages import InputError
from stages.media.files import sha256
from stages.presets import PresetBlock

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
EXAMPLE = ('{who: Ana Ruiz, when: "2026-11-22", scope: "one dance video for her own site", '
           'record: "signed form, in the file of the studio"}')


def _day(value) -> str:
    if isinstance(value, date):
        raise ValueError(f'write it in quotes, "{value:%Y-%m-%d}": DVC cannot keep dates')
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ValueError('expected the day on which they agreed, such as "2026-11-22"') from None


class Consent(PresetBlock):
    """What a person agreed to. `record`: what they said, or the path of what they signed, whose SHA-256 is then told
    beside it; the file itself need not travel to every machine."""

    who: Text
    when: Annotated[str, BeforeValidator(_day)]
    scope: Text
    record: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    def check(self, name: str) -> None:
        """Raises InputError where the file `record` is here and is not what was agreed to."""
        if not (found := checksum(self.record)):
            return
        if self.sha256 is None:
            raise InputError(f"params.yaml: subjects.{name}.consent.record is a file. Write its checksum beside it, so "
                             f"that it cannot be exchanged:\n  sha256: {found}")
        if self.sha256 != found:
            raise InputError(f"{self.record}: not what subjects.{name}.consent was given for: its SHA-256 is {found}, "
                             f"expected {self.sha256}. Ask again, and write a new record")


def checksum(record: str) -> str | None:
    """The SHA-256 of the file that a record names; None of one that says something, however long, or is not here.
    InputError where it cannot be read."""
    file = os.path.expanduser(record)
    try:
        return sha256(Path(file)) if os.path.isfile(file) else None
    except OSError as error:
        raise InputError(f"{file}: a record of consent that cannot be read ({error.strerror})") from None


def _described(value):
    if isinstance(value, str) and value != "synthetic":
        raise ValueError(f"expected {EXAMPLE}, or synthetic for a rendered person")
    return value


ConsentRecord = Annotated[
    Annotated[Literal["synthetic"], Tag("synthetic")] | Annotated[Consent, Tag("record")],
    Discriminator(lambda value: "synthetic" if isinstance(value, str) else "record"), BeforeValidator(_described),
]


def consent_digest(agreed: Literal["synthetic"] | Consent) -> str:
    """SHA-256 (hex) of a record: of its JSON, keys in order."""
    content = agreed if isinstance(agreed, str) else agreed.model_dump(mode="json")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
