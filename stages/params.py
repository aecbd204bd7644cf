"""The typed, frozen mirror of params.yaml. Unknown keys, missing keys and values out of range are refused
before anything runs; nothing has a default, so that what is in the file is what ran."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from stages import InputError, layout

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]  # becomes a folder name
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]  # 0 switches a term off
Count = Annotated[int, Field(ge=1)]
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Sample(Block):
    """A rendered video: `person` doing `motions` in an order and variation given by `seed`. The motion does not
    depend on the person: two samples that differ in nothing else move alike."""

    person: str
    motions: tuple[Literal["turn", "wave", "squat", "kick", "dance"], ...]
    seed: Annotated[int, Field(ge=0)]
    seconds: Positive
    size: Annotated[int, Field(ge=64, le=2048)]  # pixels, square


class Video(Block):
    """`start`, `end`: seconds of the file, the whole where they are absent. `person`: whom to follow where several
    are in view: 0 the larger and steadier (where absent), 1 the next, ...; or a point (x, y) on them or their box
    (left, top, right, bottom), in pixels of the first frame."""

    file: str
    preset: Name
    start: Weight | None = None
    end: Positive | None = None
    person: Annotated[int, Field(ge=0)] | tuple[float, float] | tuple[float, float, float, float] | None = None

    @model_validator(mode="after")
    def in_order(self) -> "Video":
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError(f"end {self.end:g} s must come after start {self.start or 0:g} s")
        return self


class Subject(Block):
    preset: Name
    consent: str | None = None  # absent: may be written, but training stops

    def require_consent(self, name: str) -> str:
        """The consent text, or InputError saying what to write."""
        if not (self.consent or "").strip():
            raise InputError(
                f"params.yaml: subjects.{name} has no consent. Write who agreed, when, and to what, for example\n"
                f'  {name}: {{preset: demo, consent: "Ana Ruiz, 2026-11-22, signed form: dance video for her site"}}\n'
                "or `consent: synthetic` for a rendered person."
            )
        return self.consent.strip()


class Transfer(Block):
    target: Name
    source: Name
    preset: Name
    truth: str | None

    @property
    def reconstruction(self) -> bool:
        return self.target == self.source


class Estimated(Block):
    """A stage that looks with a trained estimator: whose, which of its models, where, how many frames at once."""

    estimator: Literal["mediapipe", "ultralytics", "torchvision", "detectron2"]
    model: str
    device: Device
    batch: Count


class Frames(Estimated):
    size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)]
    fps: Annotated[float, Field(gt=0, le=240)] | None
    margin: Share
    train_share: Annotated[float, Field(gt=0, lt=1)]
    gap_seconds: Weight
    max_camera_motion: Share
    max_residual: Share
    max_flicker: Share


class PoseExtraction(Estimated):
    details: Literal["mediapipe", "none"]
    min_score: Share
    max_gap_seconds: Weight
    smoothing: Weight


class MaskSegmentation(Estimated):
    refine_radius: Share
    against_plate: bool


class BackgroundInpainting(Block):
    dilate: Share
    inpainter: Literal["telea", "navier_stokes", "gated"]
    inpaint_radius: Share
    seed: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=32, le=512)]
    weights: str | None
    steps: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=4, multiple_of=2)]
    batch: Count
    learning_rate: Positive
    weight_adversarial: Weight
    device: Device


class FaceVectorIndexing(Block):
    min_score: Share
    crop_scale: Annotated[float, Field(ge=1, le=5)]


class GeneratorTraining(Block):
    seed: int
    steps: Count
    runs: Count
    run_length: Annotated[int, Field(ge=3)]
    singles: Annotated[int, Field(ge=0)]
    augment: Annotated[float, Field(ge=0, le=0.5)]
    width: Annotated[int, Field(ge=4)]
    levels: Annotated[int, Field(ge=2, le=8)]
    stem: Literal[1, 2, 4]
    dense: bool
    parts: tuple[Literal["body", "hands", "feet", "face"], ...]
    drawing: Literal["lines", "fields"]
    discriminator_width: Annotated[int, Field(ge=4)]
    learning_rate: Positive
    discriminator_learning_rate: Positive
    decay_from: Share
    betas: tuple[Share, Share]
    ema: Annotated[float, Field(ge=0, lt=1)]
    features: Literal["vgg19", "random"]
    features_depth: Annotated[int, Field(ge=1, le=5)]
    features_size: Annotated[int, Field(ge=32)]
    weight_l1: Weight
    weight_alpha: Weight
    weight_vgg: Weight
    weight_gw: Weight
    weight_spatial: Weight
    weight_temporal: Weight
    gw_epsilon: Positive
    gw_outer: Count
    gw_inner: Count
    checkpoint_every: Count
    preview_every: Count
    device: Device


class LocalGanTraining(Block):
    seed: int
    steps: Count
    batch: Count
    crop: Annotated[int, Field(ge=16, multiple_of=8)]
    width: Annotated[int, Field(ge=4)]
    learning_rate: Positive
    candidates: Count
    alpha: Share
    beta: Share
    weight_l1: Weight
    weight_adversarial: Weight
    checkpoint_every: Count
    device: Device


class Retargeting(Block):
    median_frames: Annotated[int, Field(ge=1)]

    @field_validator("median_frames")
    @classmethod
    def odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


class Fusion(Block):
    crf: Annotated[int, Field(ge=0, le=40)]
    batch: Count
    device: Device


class Metrics(Block):
    weights: bool
    device: Device


class Report(Block):
    frames: Annotated[int, Field(ge=2, le=24)]


class Preset(Block):
    frames: Frames
    pose_extraction: PoseExtraction
    mask_segmentation: MaskSegmentation
    background_inpainting: BackgroundInpainting
    face_vector_indexing: FaceVectorIndexing
    generator_training: GeneratorTraining
    local_gan_training: LocalGanTraining
    retargeting: Retargeting
    fusion: Fusion
    metrics: Metrics
    report: Report


class Params(Block):
    """The whole file. `entry` and `block` give a stage what it is run with."""

    samples: dict[Name, Sample]
    videos: dict[Name, Video]
    subjects: dict[Name, Subject]
    transfers: dict[Name, Transfer]
    presets: dict[Name, Preset]

    @model_validator(mode="after")
    def references(self) -> "Params":
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
                    f"transfers.{name}.truth: expected a video of `{transfer.target}` doing it or, where there is "
                    f"none, the source's own file: {self.videos[transfer.source].file}"
                )
            if name in self.videos or name == "samples":
                raise ValueError(f"transfers.{name}: the name is taken; its artifacts would lie in the same folder")
        if "samples" in self.videos:
            raise ValueError("videos.samples: the name is taken by the rendered people's folder")
        return self

    def entry(self, stage: str, key: str) -> Sample | Video | Subject | Transfer:
        """The entry of params.yaml that `stage@key` is about; InputError if there is none."""
        if stage not in layout.KINDS:
            raise InputError(f"no stage `{stage}`; there are {', '.join(layout.KINDS)}")
        entries = getattr(self, layout.KINDS[stage])
        if key not in entries:
            known = ", ".join(sorted(entries))
            raise InputError(f"params.yaml: no `{key}` in `{layout.KINDS[stage]}`; there are {known}")
        entry = entries[key]
        if isinstance(entry, Transfer) and entry.truth == self.videos[entry.source].file:
            return entry.model_copy(update={"truth": None})  # no other video shows the target doing it
        return entry

    def block(self, stage: str, key: str) -> Block:
        """The stage's block of the preset that `key` names; a sample's entry is its own block."""
        entry = self.entry(stage, key)
        if isinstance(entry, Sample):
            return entry
        return getattr(self.presets[entry.preset], stage)


def load(path: Path = Path("params.yaml")) -> Params:
    """Reads and checks params.yaml. Raises InputError with every wrong place named."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected the blocks {', '.join(Params.model_fields)}")
    try:
        return Params(**content)
    except ValidationError as error:
        places = (f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {_short(e['input'])})"
                  for e in error.errors())
        raise InputError(f"{path}:\n  " + "\n  ".join(places)) from None


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
