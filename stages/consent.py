"""Consent of the people whose likeness is used. Without a record of it, nothing is trained on a person.

`synthetic` stands for rendered people. The hash of a record is written into every artifact made from that person
(`stages/media/artifact_metadata.py`). It links a video to the consent without disclosing its text. Someone who guesses
the whole record can, however, confirm the guess.
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
from stages.preset_block import PresetBlock

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
EXAMPLE = ('{who: Ana Ruiz, when: "2026-11-22", scope: "one dance video for her own site", '
           'record: "signed form, in the file of the studio"}')


def _iso_date(value) -> str:
    if isinstance(value, date):
        raise ValueError(f'write it in quotes, "{value:%Y-%m-%d}": DVC cannot store dates')
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ValueError('expected the date of the agreement, such as "2026-11-22"') from None


class Consent(PresetBlock):
    """What a person agreed to. `record`: their words, or the path of the document that they signed. Of a document,
    `sha256` is required; the file itself need not be on every machine."""

    who: Text
    when: Annotated[str, BeforeValidator(_iso_date)]
    scope: Text
    record: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    def check(self, name: str) -> None:
        """Raises InputError if the file `record` exists here and its checksum is missing or different."""
        if not (found := checksum(self.record)):
            return
        if self.sha256 is None:
            raise InputError(f"params.yaml: subjects.{name}.consent.record is a file. Add its checksum, so that the file "
                             f"cannot be replaced unnoticed:\n  sha256: {found}")
        if self.sha256 != found:
            raise InputError(f"{self.record}: not the file of subjects.{name}.consent: its SHA-256 is {found}, "
                             f"expected {self.sha256}. If the file was changed, ask the person again and write a new record")


def checksum(record: str) -> str | None:
    """The SHA-256 of the file that `record` names; None if it is text or a file that is not here. Raises InputError if
    the file cannot be read."""
    file = os.path.expanduser(record)
    try:
        return sha256(Path(file)) if os.path.isfile(file) else None
    except OSError as error:
        raise InputError(f"{file}: the record of consent cannot be read ({error.strerror})") from None


def _synthetic_or_mapping(value):
    if isinstance(value, str) and value != "synthetic":
        raise ValueError(f"expected {EXAMPLE}, or synthetic for a rendered person")
    return value


ConsentRecord = Annotated[
    Annotated[Literal["synthetic"], Tag("synthetic")] | Annotated[Consent, Tag("record")],
    Discriminator(lambda value: "synthetic" if isinstance(value, str) else "record"),
    BeforeValidator(_synthetic_or_mapping),
]


def consent_digest(record: Literal["synthetic"] | Consent) -> str:
    """SHA-256 (hex) of a record's JSON with sorted keys."""
    content = record if isinstance(record, str) else record.model_dump(mode="json")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
