"""The base class of the blocks of a preset, and the types that they share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from stages import layout

Name = Annotated[str, StringConstraints(pattern=layout.NAME)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]  # weight of a loss term, 0 switches it off; also durations and strengths
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # the range that both NumPy and PyTorch accept
Decay = Annotated[float, Field(ge=0, lt=1)]    # decay of an exponential moving average; with 1 it would be constant
Device = Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]


RENAMED = {  # block -> former name of a key, or former `key: value` -> new name
    "GeneratorTraining": {
        "runs": "clips", "run_length": "clip_length", "singles": "single_frames", "window": "crop",
        "window_margin": "crop_margin", "widest": "max_channels", "levels": "num_downsamples", "stem": "patch_size",
        "drawing": "pose_maps", "temporal": "pose_context", "judge_every": "adversarial_interval",
        "pose_maps: lines": "skeleton", "pose_maps: fields": "limbs"},
    "LocalGanTraining": {
        "crop": "crop_share", "crop_size": "crop_share", "pose": "limb_maps",
        "keep_back": "validation_share", "halvings": "num_downsamples", "stem": "patch_size"},
}
UNITS = {"crop_share": " and is a share of S, such as 0.156 for 40 of 256 pixels"}  # of renamed keys whose unit changed


class PresetBlock(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def has_no_former_names(cls, values: Any) -> Any:
        """Rejects the former name of a key or of a value (RENAMED). The error contains the new name."""
        names = RENAMED.get(cls.__name__, {})
        entries = values.items() if isinstance(values, dict) and names else ()
        found = [f"`{key}` is now called `{names[key]}`" + UNITS.get(names[key], "") for key, _ in entries if key in names]
        found += [f"`{entry}` is now `{key}: {names[entry]}`" for key, value in entries
                  if (entry := f"{key}: {value}") in names]
        if found:
            raise ValueError("; ".join(found))
        return values


def doubled(patch_size: int, side: float, max_cells: int | None) -> int:
    """The patch size in pixels, doubled until `side` pixels are at most `max_cells` patches; None: not doubled."""
    while max_cells and side > max_cells * patch_size:
        patch_size *= 2
    return patch_size
