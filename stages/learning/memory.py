"""What would fit, where a training runs out of memory."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from stages.learning.batches import Batch, Batches

if TYPE_CHECKING:
    from stages.learning.training import Training
    from stages.params import GeneratorTraining

GRID = 32  # pixels; sizes are multiples


class Smaller:
    """Batches of pictures that are `scale` times as large."""

    def __init__(self, batches: Batches, scale: float):
        self.batches, self.scale = batches, scale

    def of(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        batch, p = self.batches.of(step, part, parts), self.batches.params
        grid = 2**p.num_downsamples  # what the networks halve
        sides = [max(1, int(side * self.scale / grid)) * grid for side in batch.poses.shape[-2:]]
        poses, skeletons = (F.interpolate(pictures, sides) for pictures in (batch.poses, batch.skeletons))
        real, backgrounds = (F.interpolate(pictures, [p.patch_size * side for side in sides])
                             for pictures in (batch.real, batch.backgrounds))
        return replace(batch, poses=poses, paint=lambda: skeletons, real=real, backgrounds=backgrounds)


def advice(training: "Training", batches: Batches) -> str:
    """The error's text: the first of several cheaper ways that really fits. It is tried with this very training, of
    which nothing is kept."""
    p, size = training.params, batches.data.size
    frames = (p.clips * p.clip_length + p.single_frames) // (p.devices * p.accumulation)
    problem = f"out of memory on {training.fabric.device} with {frames} frames of {size} x {size} pixels at once"
    if p.devices > 1:
        return f"{problem}; raise generator_training.accumulation, or lower clips and single_frames, or frames.size"
    for network in training.networks.values():
        network.zero_grad(set_to_none=True)
    for words, changes, scale in cheaper(p, size):
        if fits(training, batches, p.model_copy(update=changes), scale):
            return f"{problem}; {words} fits (tried)"
    return f"{problem}, and not even one run of frames a quarter as large fits; lower generator_training.width"


def cheaper(p: "GeneratorTraining", size: int):
    """(what it is called in params.yaml, the changes, scale of the pictures), the least harmful first."""
    for n in range(p.accumulation + 1, max(p.clips, p.single_frames) + 1):
        if p.clips % n == 0 and p.single_frames % n == 0:
            yield f"`accumulation: {n}`, which learns the same,", {"accumulation": n}, 1.0
    for clips, single_frames in ((1, p.single_frames // 2), (1, 0)):
        if (clips, single_frames) != (p.clips, p.single_frames):
            fewer = {"clips": clips, "single_frames": single_frames, "accumulation": 1}
            yield f"`clips: {clips}` with `single_frames: {single_frames}`", fewer, 1.0
    for scale in (0.75, 0.5, 0.25):
        smaller = round(size * scale / GRID) * GRID
        yield f"`frames.size: {smaller}`", {"accumulation": 1}, smaller / size
        yield (f"`frames.size: {smaller}` with `clips: 1` and `single_frames: 0`",
               {"clips": 1, "single_frames": 0, "accumulation": 1}, smaller / size)


def fits(training: "Training", batches: Batches, params: "GeneratorTraining", scale: float) -> bool:
    batches = Batches(batches.data, params, training.fabric.device)
    kept, training.params = training.params, params
    try:
        training.advance(Smaller(batches, scale) if scale < 1 else batches)
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        training.params = kept
        if training.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
