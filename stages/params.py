"""params.yaml as typed, immutable objects; the blocks of presets are in presets.py. Unknown keys, missing keys and
values out of range are rejected before anything runs."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from stages import InputError, layout, safe_yaml
from stages.consent import EXAMPLE, Consent, ConsentRecord, consent_digest
from stages.preset_block import Count, Name, NonNegative, Positive, PresetBlock, Seed
from stages.presets import (
    BackgroundInpainting, EstimatorBlock, FaceVectorIndexing, Frames, Fusion, GeneratorTraining, LocalGanTraining,
    MaskSegmentation, Metrics, PoseCoverage, PoseExtraction, Preset, Report, Retargeting, Signing,
)

RESERVED = ("samples", layout.TABLES.name)  # other folders in artifacts/: no video or transfer may have these names


class SampleEntry(PresetBlock):
    """A rendered video: `person` performs `motions` in an order and with variations given by `seed`. The motion does
    not depend on the person: samples that differ only in `person` move identically."""

    person: str
    motions: tuple[Literal["turn", "wave", "squat", "kick", "dance"], ...]
    seed: Seed
    seconds: Positive
    size: Annotated[int, Field(ge=64, le=2048)]  # pixels, square
    world: Literal["plain", "hard"] = "plain"  # hard: with difficulties of real footage (stages/samples/hard_world.py)


class Video(PresetBlock):
    """`start`, `end`: the range to use, in seconds of the file; by default all of it. `person`: which person to track
    if several are in view: 0 (default) for the largest and steadiest, 1 for the next, ...; or a point (x, y) on the
    person or their box (left, top, right, bottom), in pixels of the first frame."""

    file: str
    preset: Name
    start: NonNegative | None = None
    end: Positive | None = None
    person: Annotated[int, Field(ge=0)] | tuple[float, float] | tuple[float, float, float, float] | None = None

    @model_validator(mode="after")
    def in_order(self) -> "Video":
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f"end {self.end:g} s must come after start {self.start or 0:g} s")
        return self


class Subject(PresetBlock):
    preset: Name
    consent: ConsentRecord | None = None  # required for training

    def require_consent(self, name: str) -> str:
        """The hash of the consent record. Raises InputError if there is none, or if the signed file has changed."""
        if self.consent is None:
            raise InputError(
                f"params.yaml: subjects.{name} has no consent. Write who agreed, when, to what, and the signed file "
                f"or the words, for example\n  {name}: {{preset: {self.preset}, consent: {EXAMPLE}}}\n"
                "or `consent: synthetic` for a rendered person."
            )
        if isinstance(self.consent, Consent):
            self.consent.check(name)
        return consent_digest(self.consent)


class Transfer(PresetBlock):
    target: Name
    source: Name
    preset: Name
    truth: str | None
    label: bool = True  # drawn into the frames
    label_reason: str | None = None

    @model_validator(mode="after")
    def unlabelled_has_a_reason(self) -> "Transfer":
        if not self.label and not (self.label_reason or "").strip():
            raise ValueError("label: false removes the visible label from the result; give the reason in label_reason, "
                             "which is written into its Content Credentials, or remove both")
        return self

    @property
    def reconstruction(self) -> bool:
        return self.target == self.source


class Params(PresetBlock):
    """All of params.yaml. `entry` and `block` return the arguments of a stage."""

    threads: Literal["auto"] | Count  # per stage; see stages/threads.py
    samples: dict[Name, SampleEntry]
    videos: dict[Name, Video]
    subjects: dict[Name, Subject]
    transfers: dict[Name, Transfer]
    presets: dict[Name, Preset]
    variants: dict[Name, dict[str, dict[str, Any]]] = {}  # variant -> stage -> field -> new value

    @model_validator(mode="after")
    def names_exist(self) -> "Params":
        for kind in ("videos", "subjects", "transfers"):
            for name, entry in getattr(self, kind).items():
                if entry.preset not in self.presets:
                    known = ", ".join(sorted(self.presets))
                    raise ValueError(f"{kind}.{name}.preset: no preset `{entry.preset}`; there are {known}")
        for name in self.subjects:
            if name not in self.videos:
                raise ValueError(f"subjects.{name}: no video of that name in `videos`")
        for name, transfer in self.transfers.items():
            if transfer.target not in self.subjects:
                raise ValueError(f"transfers.{name}.target: no subject `{transfer.target}`")
            if transfer.source not in self.videos:
                raise ValueError(f"transfers.{name}.source: no video `{transfer.source}`")
            if transfer.truth is None:
                raise ValueError(
                    f"transfers.{name}.truth: expected a video of `{transfer.target}` in the same motion or, if there "
                    f"is none, the source's own file: {self.videos[transfer.source].file}"
                )
            if name in (*self.videos, *RESERVED):
                raise ValueError(f"transfers.{name}: the name is taken; both would share a folder of artifacts")
        for name in RESERVED:
            if name in self.videos:
                raise ValueError(f"videos.{name}: the name is taken by a folder of artifacts")
        return self

    @model_validator(mode="after")
    def variants_fit_presets(self) -> "Params":
        """Checks that every variant can be combined with every preset."""
        for variant in self.variants:
            for preset in self.presets:
                try:
                    self.with_variants(preset, variant)
                except ValidationError as error:
                    places = (f"variants.{variant}.{place}" for place in _places(error))
                    raise ValueError(f"over presets.{preset}:\n  " + "\n  ".join(places)) from None
        return self

    def with_variants(self, preset: str, *variants: str) -> Preset:
        """A preset with values replaced by those of the variants; later variants override earlier ones."""
        for kind, name in (("presets", preset), *(("variants", variant) for variant in variants)):
            if name not in getattr(self, kind):
                raise InputError(f"params.yaml: no `{name}` in `{kind}`; there are {', '.join(getattr(self, kind))}")
        blocks = self.presets[preset].model_dump()
        for variant in variants:
            for stage, fields in self.variants[variant].items():
                blocks[stage] = blocks.get(stage, {}) | fields
        return Preset(**blocks)

    def entry(self, stage: str, key: str) -> SampleEntry | Video | Subject | Transfer:
        """The entry of params.yaml that `stage@key` processes. Raises InputError if there is none."""
        if stage not in layout.KINDS:
            raise InputError(f"no stage `{stage}`; there are {', '.join(layout.KINDS)}")
        entries = getattr(self, layout.KINDS[stage])
        if key not in entries:
            known = ", ".join(sorted(entries))
            raise InputError(f"params.yaml: no `{key}` in `{layout.KINDS[stage]}`; there are {known}")
        entry = entries[key]
        if isinstance(entry, Transfer) and entry.truth == self.videos[entry.source].file:
            return entry.model_copy(update={"truth": None})  # there is no true video
        return entry

    def consent(self, stage: str, key: str) -> str | None:
        """The hash of the consent that the artifacts of `stage@key` depend on; None if they show no subject's likeness,
        or if there is no consent."""
        if layout.KINDS[stage] not in layout.SUBJECT_KINDS:
            return None
        name = self.transfers[key].target if layout.KINDS[stage] == "transfers" else key
        record = self.subjects[name].consent
        return consent_digest(record) if record else None

    def block(self, stage: str, key: str) -> PresetBlock:
        """The stage's block in the preset of `key`; for a sample, its entry."""
        entry = self.entry(stage, key)
        if isinstance(entry, SampleEntry):
            return entry
        return getattr(self.presets[entry.preset], stage)


def load(path: Path = Path("params.yaml")) -> Params:
    """Reads and validates params.yaml. Raises InputError that lists every invalid value."""
    content = safe_yaml.load(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping with the keys {', '.join(Params.model_fields)}")
    try:
        return Params(**content)
    except ValidationError as error:
        raise InputError(f"{path}:\n  " + "\n  ".join(_places(error))) from None


def _places(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {_short(e['input'])})" for e in error.errors()]


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
