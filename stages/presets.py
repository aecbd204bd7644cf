"""Pydantic models of the blocks of a preset, one block per stage: names, types and ranges of all parameters. The
comments in params.yaml explain them. No field has a default, so params.yaml contains every value that is used."""

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from stages.preset_block import Count, Decay, Device, NonNegative, Positive, PresetBlock, Seed, Share, doubled

# as in stages/frame_size.py, which would be in the digest of every stage if it was imported here
SIZE_STEP, CHOSEN_STEP = 32, 64
PATCH_SIZES = (1, 2, 4, 8, 16)


class EstimatorBlock(PresetBlock):
    """Common parameters of the stages that run a pre-trained detector, pose network or segmentation network."""

    estimator: Literal["mediapipe", "ultralytics", "torchvision", "detectron2"]
    model: str
    device: Device
    batch: Count


class Frames(EstimatorBlock):
    size: Annotated[int, Field(ge=64, le=1024, multiple_of=SIZE_STEP)]
    max_size: Annotated[int, Field(ge=64, le=1024, multiple_of=SIZE_STEP)]
    fps: Annotated[float, Field(gt=0, le=240)] | None
    margin: Share
    train_share: Annotated[float, Field(gt=0, lt=1)]
    gap_seconds: NonNegative
    max_camera_motion: Share
    max_residual: Share
    max_flicker: Share

    @model_validator(mode="after")
    def consistent(self) -> "Frames":
        if self.size > self.max_size:
            raise ValueError(f"max_size: {self.max_size}, but size is {self.size}; expected at least that")
        return self


class PoseExtraction(EstimatorBlock):
    details: Literal["mediapipe", "none"]
    mirrored: bool
    min_score: Share
    max_gap_seconds: NonNegative
    smoothing: NonNegative


class MaskSegmentation(EstimatorBlock):
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
    weight_adversarial: NonNegative
    device: Device


class FaceVectorIndexing(PresetBlock):
    min_score: Share
    crop_scale: Annotated[float, Field(ge=1, le=5)]


class GeneratorTraining(PresetBlock):
    seed: Seed
    steps: Count | None
    epochs: Count | None
    clips: Count
    clip_length: Annotated[int, Field(ge=2)]
    single_frames: Annotated[int, Field(ge=0)]
    augment: Annotated[float, Field(ge=0, le=0.5)]
    rotate: Annotated[float, Field(ge=0, le=3.2)]
    resample: Share
    crop: bool
    crop_margin: Share
    architecture: Literal["limb_atlas", "fakemotion", "pix2pixhd"]
    width: Annotated[int, Field(ge=4)]
    max_channels: Annotated[int, Field(ge=4)]
    num_downsamples: Annotated[int, Field(ge=2, le=8)]
    blocks: Count
    patch_size: Literal[PATCH_SIZES]
    max_cells: Annotated[int, Field(ge=16)] | None
    window_size: Annotated[int, Field(ge=32)] | None
    coarse_share: Share
    dense: bool
    texture_size: Annotated[int, Field(ge=8, le=512)]
    texture_channels: Annotated[int, Field(ge=4, le=64)]
    texture_offsets: bool
    max_joint_offset: Share
    shadows: bool
    parts: tuple[Literal["body", "hands", "feet", "face"], ...]
    pose_maps: Literal["skeleton", "limbs"]
    pose_noise: Share
    pose_context: Annotated[int, Field(ge=0, le=4)]
    discriminators: Literal["dual", "multiscale"]
    discriminator_width: Annotated[int, Field(ge=4)]
    scales: Annotated[int, Field(ge=1, le=4)]
    adversarial: Literal["logistic", "least_squares"]
    adversarial_interval: Count
    optimiser: Literal["adam", "muon"]
    learning_rate: Positive
    matrix_learning_rate: Positive
    discriminator_learning_rate: Positive
    decay_from: Share
    betas: tuple[Decay, Decay]
    ema: Decay
    features: Literal["vgg16", "vgg19", "random"]
    features_depth: Annotated[int, Field(ge=1, le=5)]
    features_size: Annotated[int, Field(ge=32)]
    weight_l1: NonNegative
    weight_l2: NonNegative
    weight_alpha: NonNegative
    weight_detail: NonNegative
    weight_vgg: NonNegative
    weight_gw: NonNegative
    weight_matching: NonNegative
    weight_spatial: NonNegative
    weight_temporal: NonNegative
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

    def for_frames(self, count: int, size: int) -> "GeneratorTraining":
        """The same for `count` training frames of size x size pixels: with `steps` in place of `epochs`, and with
        `patch_size` doubled until the U-Net has at most `max_cells` cells along a side."""
        steps = self.steps
        if self.epochs is not None:
            steps = math.ceil(self.epochs * count / (self.clips * self.clip_length + self.single_frames))
        return self.model_copy(update={"steps": steps, "epochs": None, "patch_size": self.patch_size_for(size)})

    def patch_size_for(self, size: int) -> int:
        """`patch_size` for frames of size x size pixels."""
        return doubled(self.patch_size, size, self.max_cells if self.architecture == "limb_atlas" else None)

    @property
    def windowed(self) -> bool:
        """Whether steps may generate parts of a frame."""
        return self.architecture == "limb_atlas" and self.window_size is not None

    def reduction(self, step: int, size: int) -> int:
        """By how much frames of size x size pixels are reduced in a step: in the first steps (`coarse_share`) to at most
        `window_size` pixels, later not at all."""
        return doubled(1, size, self.window_size) if self.windowed and step < self.coarse_share * self.steps else 1

    @model_validator(mode="after")
    def consistent(self) -> "GeneratorTraining":
        """Rejects combinations that cannot be trained."""
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"steps: {self.steps}, epochs: {self.epochs}; expected a number for one of them, and null for "
                             "the other")
        needed = 2 if self.discriminators == "multiscale" else 3 if self.weight_temporal else 1
        if self.clip_length < needed:
            raise ValueError(f"clip_length: {self.clip_length}, but the discriminators need {needed} "
                             "consecutive frames")
        micro_batches = self.devices * self.accumulation
        if self.clips % micro_batches or self.single_frames % micro_batches:
            raise ValueError(f"clips ({self.clips}) and single_frames ({self.single_frames}) cannot be divided evenly "
                             f"among {self.devices} devices x {self.accumulation} micro-batches")
        if self.adversarial_interval > 1 and not (self.weight_l1 or self.weight_l2 or self.weight_alpha):
            raise ValueError(f"adversarial_interval: {self.adversarial_interval}, but the steps in between have no "
                             "loss: set weight_l1, weight_l2 or weight_alpha, or use an interval of 1")
        if self.architecture == "limb_atlas" and self.patch_size == 1:
            raise ValueError("patch_size: limb_atlas needs a U-Net at reduced size; expected 2 or 4")
        if self.architecture == "pix2pixhd" and self.patch_size != 1:
            raise ValueError("patch_size: pix2pixhd works at full size; expected 1")
        return self


class LocalGanTraining(PresetBlock):
    seed: Seed
    steps: Count
    batch: Count
    parts: tuple[Literal["face", "right_hand", "left_hand", "right_foot", "left_foot"], ...]
    crop_share: Annotated[float, Field(gt=0, le=0.5)]
    limb_maps: bool
    validation_share: Annotated[float, Field(ge=0, le=0.5)]
    width: Annotated[int, Field(ge=4)]
    num_downsamples: Annotated[int, Field(ge=1, le=4)]
    blocks: Count
    patch_size: Literal[PATCH_SIZES]
    max_cells: Annotated[int, Field(ge=8)] | None
    learning_rate: Positive
    decay_from: Share
    betas: tuple[Decay, Decay]
    ema: Decay
    faces: Literal["vectors", "features", "none"]
    face_vectors: Annotated[int, Field(ge=2, le=5)]
    features: Literal["vgg16", "vgg19", "random"]
    candidates: Count
    alpha: Share
    beta: Share
    weight_l1: NonNegative
    weight_l2: NonNegative
    weight_detail: NonNegative
    weight_adversarial: NonNegative
    adversarial: Literal["logistic", "least_squares"]
    checkpoint_every: Count
    device: Device

    def for_frames(self, size: int) -> "LocalGanTraining":
        """The same for frames of size x size pixels: with `patch_size` doubled until the crops have at most `max_cells`
        cells along a side."""
        return self.model_copy(update={"patch_size": doubled(self.patch_size, self.crop_share * size, self.max_cells)})


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
    """No parameters. The certificate is configured by environment variables, see stages/provenance/certificates.py."""


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
    def size_can_be_downsampled(self) -> "Preset":
        learn, frames = self.generator_training, self.frames
        between = range(frames.size // CHOSEN_STEP * CHOSEN_STEP + CHOSEN_STEP, frames.max_size, CHOSEN_STEP)
        for size in (frames.size, *between, frames.max_size):
            patch_size = learn.patch_size_for(size)
            if patch_size not in PATCH_SIZES or size % (grid := patch_size * 2**learn.num_downsamples):
                raise ValueError(f"frames.size and max_size: {frames.size} and {frames.max_size}, so S may be {size}, but "
                                 f"generator_training's patch_size {patch_size} (with max_cells {learn.max_cells}) and "
                                 f"num_downsamples {learn.num_downsamples} need multiples of {grid}")
        return self
