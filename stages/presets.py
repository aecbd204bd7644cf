"""The blocks of a preset, one a stage: names, types and ranges. Nothing has a default, so that what is in the file is
what ran."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from stages import layout

Name = Annotated[str, StringConstraints(pattern=layout.NAME)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]  # 0 switches a term off
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # NumPy takes nothing below, PyTorch little above
Kept = Annotated[float, Field(ge=0, lt=1)]    # share of a running mean that a step keeps; of 1 nothing comes in
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


class PresetBlock(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Estimated(PresetBlock):
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


class BackgroundInpainting(PresetBlock):
    dilate: Share
    inpainter: Literal["telea", "navier_stokes", "fsr", "gated"]
    small_inpainter: Literal["telea", "navier_stokes", "fsr"]
    large_share: Share
    large_depth: Share
    inpaint_radius: Share
    seed: Seed
    size: Annotated[int, Field(ge=32, le=512)]
    weights: str | None
    steps: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=4, multiple_of=2)]
    batch: Count
    learning_rate: Positive
    weight_adversarial: Weight
    device: Device


class FaceVectorIndexing(PresetBlock):
    min_score: Share
    crop_scale: Annotated[float, Field(ge=1, le=5)]


class GeneratorTraining(PresetBlock):
    seed: Seed
    steps: Count
    runs: Count
    run_length: Annotated[int, Field(ge=2)]
    singles: Annotated[int, Field(ge=0)]
    augment: Annotated[float, Field(ge=0, le=0.5)]
    rotate: Annotated[float, Field(ge=0, le=3.2)]
    resample: Share
    window: bool
    window_margin: Share
    architecture: Literal["fakemotion", "pix2pixhd"]
    width: Annotated[int, Field(ge=4)]
    widest: Annotated[int, Field(ge=4)]
    levels: Annotated[int, Field(ge=2, le=8)]
    blocks: Count
    stem: Literal[1, 2, 4]
    dense: bool
    parts: tuple[Literal["body", "hands", "feet", "face"], ...]
    drawing: Literal["lines", "fields"]
    temporal: Annotated[int, Field(ge=0, le=4)]
    discriminators: Literal["dual", "multiscale"]
    discriminator_width: Annotated[int, Field(ge=4)]
    scales: Annotated[int, Field(ge=1, le=4)]
    adversarial: Literal["logistic", "least_squares"]
    judge_every: Count
    optimiser: Literal["adam", "muon"]
    learning_rate: Positive
    matrix_learning_rate: Positive
    discriminator_learning_rate: Positive
    decay_from: Share
    betas: tuple[Kept, Kept]
    ema: Kept
    features: Literal["vgg16", "vgg19", "random"]
    features_depth: Annotated[int, Field(ge=1, le=5)]
    features_size: Annotated[int, Field(ge=32)]
    weight_l1: Weight
    weight_l2: Weight
    weight_alpha: Weight
    weight_vgg: Weight
    weight_gw: Weight
    weight_matching: Weight
    weight_spatial: Weight
    weight_temporal: Weight
    gw_points: Literal["frames", "patches"]
    gw_debiased: bool
    gw_epsilon: Positive
    gw_outer: Count
    gw_inner: Count
    checkpoint_every: Count
    preview_every: Count
    device: Device
    devices: Count
    precision: Literal["auto", "float32", "bfloat16"]
    accumulation: Count
    compile: bool

    @model_validator(mode="after")
    def consistent(self) -> "GeneratorTraining":
        """What cannot be trained is refused before anything runs."""
        look = 2 if self.discriminators == "multiscale" else 3 if self.weight_temporal else 1
        if self.run_length < look:
            raise ValueError(f"run_length: {self.run_length}, but the discriminators look at {look} frames in a row")
        shares = self.devices * self.accumulation
        if self.runs % shares or self.singles % shares:
            raise ValueError(f"runs ({self.runs}) and singles ({self.singles}) do not divide into {self.devices} "
                             f"devices x {self.accumulation} micro-batches")
        if self.judge_every > 1 and not (self.weight_l1 or self.weight_l2 or self.weight_alpha):
            raise ValueError(f"judge_every: {self.judge_every}, but no term is left for the steps between: give "
                             "weight_l1, weight_l2 or weight_alpha, or ask every step")
        if self.architecture == "pix2pixhd" and self.stem != 1:
            raise ValueError("stem: pix2pixhd works at full size; expected 1")
        return self


class LocalGanTraining(PresetBlock):
    seed: Seed
    steps: Count
    batch: Count
    parts: tuple[Literal["face", "right_hand", "left_hand", "right_foot", "left_foot"], ...]
    crop: Annotated[int, Field(ge=16, multiple_of=8)]
    pose: bool
    keep_back: Annotated[float, Field(ge=0, le=0.5)]
    width: Annotated[int, Field(ge=4)]
    halvings: Annotated[int, Field(ge=1, le=4)]
    blocks: Count
    stem: Literal[1, 2, 4]
    learning_rate: Positive
    decay_from: Share
    betas: tuple[Kept, Kept]
    ema: Kept
    faces: Literal["vectors", "features", "none"]
    face_vectors: Annotated[int, Field(ge=2, le=5)]
    features: Literal["vgg16", "vgg19", "random"]
    candidates: Count
    alpha: Share
    beta: Share
    weight_l1: Weight
    weight_l2: Weight
    weight_adversarial: Weight
    adversarial: Literal["logistic", "least_squares"]
    checkpoint_every: Count
    device: Device

    @model_validator(mode="after")
    def consistent(self) -> "LocalGanTraining":
        grid = self.stem * 2**self.halvings
        if self.crop % grid:
            raise ValueError(f"crop: {self.crop}, but with this stem and so many halvings a multiple of {grid} is "
                             "needed")
        return self


class Retargeting(PresetBlock):
    median_frames: Annotated[int, Field(ge=1)]

    @field_validator("median_frames")
    @classmethod
    def must_be_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


class PoseCoverage(PresetBlock):
    near: Positive
    frames: Annotated[int, Field(ge=1, le=24)]


class Fusion(PresetBlock):
    crf: Annotated[int, Field(ge=0, le=40)]
    batch: Count
    device: Device


class Signing(PresetBlock):
    """Nothing to choose: whose certificate it is depends on the machine, see stages/provenance/certificates.py."""


class Metrics(PresetBlock):
    weights: bool
    flow: Literal["auto", "raft", "dis"]
    redetect: bool
    min_score: Share
    device: Device
    batch: Count


class Report(PresetBlock):
    frames: Annotated[int, Field(ge=2, le=24)]


class Preset(PresetBlock):
    frames: Frames
    pose_extraction: PoseExtraction
    mask_segmentation: MaskSegmentation
    background_inpainting: BackgroundInpainting
    face_vector_indexing: FaceVectorIndexing
    generator_training: GeneratorTraining
    local_gan_training: LocalGanTraining
    retargeting: Retargeting
    pose_coverage: PoseCoverage
    fusion: Fusion
    signing: Signing
    metrics: Metrics
    report: Report

    @model_validator(mode="after")
    def halved(self) -> "Preset":
        learn, size = self.generator_training, self.frames.size
        if size % (grid := learn.stem * 2**learn.levels):
            raise ValueError(f"frames.size: {size}, but generator_training's stem of {learn.stem} and {learn.levels} "
                             f"levels need a multiple of {grid}")
        return self
