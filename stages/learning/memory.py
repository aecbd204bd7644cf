"""Finds parameters with which a training fits into memory, after it has run out of memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from stages.frame_size import SIZE_STEP
from stages.learning.batches import Batch, Batches

if TYPE_CHECKING:
    from stages.learning.training import Training
    from stages.params import GeneratorTraining


class ScaledBatches:
    """Batches whose images and maps are resized by the factor `scale`, without windows."""

    def __init__(self, batches: Batches, scale: float):
        self.batches, self.scale = batches, scale

    def at_step(self, step: int, index: int = 0, count: int = 1) -> Batch:
        batch, p = self.batches.at_step(step, index, count), self.batches.params
        grid = 2**p.num_downsamples
        sides = [max(1, int(side * self.scale / grid)) * grid for side in batch.pose_maps.shape[-2:]]
        pose_maps, skeletons = (F.interpolate(maps, sides) for maps in (batch.pose_maps, batch.skeletons))
        real, backgrounds = (F.interpolate(images, [p.patch_size * side for side in sides])
                             for images in (batch.real, batch.backgrounds))
        charts = torch.cat([batch.charts[..., :5] * self.scale, batch.charts[..., 5:]], -1)
        return replace(batch, pose_maps=pose_maps, charts=charts, windows=None, reduction=1, real=real, backgrounds=backgrounds,
                       draw_skeletons=lambda: skeletons)


def suggest_settings(training: "Training", batches: Batches) -> str:
    """The text of the error, with the first of the `cheaper_settings` that fits. Each of them is tried with one
    training step, which changes the networks: the training cannot be continued afterwards."""
    p, size = training.params, batches.data.size
    frames = (p.clips * p.clip_length + p.single_frames) // (p.devices * p.accumulation)
    problem = f"out of memory on {training.fabric.device} with {frames} frames of {size} x {size} pixels at once"
    if p.devices > 1:
        return f"{problem}; raise generator_training.accumulation, or lower clips and single_frames, or frames.max_size"
    for network in training.networks.values():
        network.zero_grad(set_to_none=True)
    for name, changes, scale in cheaper_settings(p, size):
        if fits(training, batches, p.model_copy(update=changes), scale):
            return f"{problem}; {name} fits (tried)"
    return f"{problem}, and not even one clip at a quarter of the size fits; lower generator_training.width"


def cheaper_settings(p: "GeneratorTraining", size: int) -> Iterator[tuple[str, dict, float]]:
    """Settings that need less memory, in the order of their effect on quality, the smallest first: their name in the
    error, the changed params, the scale of the frames."""
    for n in range(p.accumulation + 1, max(p.clips, p.single_frames) + 1):
        if p.clips % n == 0 and p.single_frames % n == 0:
            yield f"`accumulation: {n}`, which learns the same,", {"accumulation": n}, 1.0
    for clips, single_frames in ((1, p.single_frames // 2), (1, 0)):
        if (clips, single_frames) != (p.clips, p.single_frames):
            fewer = {"clips": clips, "single_frames": single_frames, "accumulation": 1}
            yield f"`clips: {clips}` with `single_frames: {single_frames}`", fewer, 1.0
    for scale in (0.75, 0.5, 0.25):
        smaller = round(size * scale / SIZE_STEP) * SIZE_STEP
        yield f"`frames.max_size: {smaller}`", {"accumulation": 1}, smaller / size
        yield (f"`frames.max_size: {smaller}` with `clips: 1` and `single_frames: 0`",
               {"clips": 1, "single_frames": 0, "accumulation": 1}, smaller / size)


def fits(training: "Training", batches: Batches, params: "GeneratorTraining", scale: float) -> bool:
    """Whether one training step with these params, and with frames resized by `scale`, fits into memory."""
    batches = Batches(batches.data, params, training.fabric.device)
    original = training.params
    training.params = training.objective.params = params
    try:
        training.advance(ScaledBatches(batches, scale) if scale < 1 else batches)
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        training.params = training.objective.params = original
        if training.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
