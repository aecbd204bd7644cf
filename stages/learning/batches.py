"""Loads the training batches of the generator: `Batches.at_step` maps the number of a step to the networks' inputs.

`at_step` draws the clips, `load` transforms, crops and draws their poses (`Conditioning.pose_maps`) and crops their
frames. A batch can be loaded in several micro-batches, which together contain the same frames as the undivided batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError
from stages.learning.augmentation import SimilarityAugment, noisy
from stages.learning.clip_sampler import Clip, ClipSampler
from stages.learning.conditioning import Conditioning
from stages.learning.crops import Crops, crop_images, pose_boxes, union_box
from stages.learning.frame_store import FrameStore
from stages.nets.windows import Windows

if TYPE_CHECKING:
    from stages.params import GeneratorTraining

WINDOWS = b"windows"  # distinguishes the random numbers


@dataclass
class Batch:
    """B frames: first `num_clips` clips of `clip_length` consecutive frames, then single frames. The pose maps show crops,
    `real`, `backgrounds` and `skeletons` only the windows of these, of h x w pixels; without windows, the crops."""

    pose_maps: Tensor    # (B, in_channels, crop's h / patch_size, w / patch_size), the generator's input
    charts: Tensor       # (B, K, 7), the generator's second input, in pixels of the crops
    windows: Windows | None
    reduction: int       # `real` and `backgrounds` have 1 / reduction of the resolution
    real: Tensor         # (B, 4, h / reduction, w / reduction): RGB times alpha, and alpha, in [0, 1]
    backgrounds: Tensor  # (B, 3, h / reduction, w / reduction): the static background
    frames: Tensor       # (B,) indices of the frames
    linear: Tensor       # (B, 2, 2), the linear part of their augmentation
    num_clips: int
    clip_length: int
    draw_skeletons: Callable[[], Tensor]  # computes `skeletons`

    @cached_property
    def skeletons(self) -> Tensor:
        """Drawn skeletons of the poses P_t, for the discriminators: (B, 3, h / patch_size, w / patch_size) in [0, 1].
        Computed at first use, because not every step needs them."""
        return self.draw_skeletons()

    def frame_windows(self, x: Tensor, length: int) -> Tensor:
        """All windows of `length` consecutive frames of the clips: x (B, ...) ->
        (num_clips * (clip_length - length + 1), length, ...)."""
        clips = x[: self.num_clips * self.clip_length].unflatten(0, (self.num_clips, self.clip_length))
        return torch.cat([clips[:, i : i + length] for i in range(self.clip_length - length + 1)])


class Batches:
    """Loads the batches of a training. `in_channels`: channels of the generator's input."""

    def __init__(self, data: FrameStore, params: "GeneratorTraining", device: torch.device):
        p = self.params = params.for_frames(data.count, data.size)
        self.data, self.sampler = data, ClipSampler(data, p)
        self.conditioning = Conditioning(data.size, p.patch_size, p.parts, p.pose_maps, p.pose_context, device)
        self.in_channels = self.conditioning.in_channels

    def at_step(self, step: int, index: int = 0, count: int = 1) -> Batch:
        """Micro-batch number `index` (from 0) of the `count` micro-batches into which the batch of this step is
        divided. Raises InputError if the clips or the single frames cannot be divided by `count`."""
        p = self.params
        if p.clips % count or p.single_frames % count:
            raise InputError(f"clips ({p.clips}) and single_frames ({p.single_frames}) cannot be divided by {count}; "
                             "change clips, single_frames, devices or accumulation of generator_training")
        clips, crop_size, num_clips = self.sampler.draw(step)
        clips = clips[:num_clips][index::count] + clips[num_clips:][index::count]
        return self.load(clips, self.crops(clips, crop_size), num_clips // count, step)

    def without_augmentation(self, frames: np.ndarray) -> Batch:
        """A batch of these single frames (B,), without augmentation."""
        clips = [Clip(frame[None], SimilarityAugment()) for frame in np.asarray(frames)]
        return self.load(clips, self.crops(clips, self.sampler.frame_crop_sizes[frames].max(0)), 0)

    def load(self, clips: list[Clip], crops: Crops, num_clips: int, step: int | None = None) -> Batch:
        """The networks' inputs for these clips. crops: one crop for each clip. num_clips: how many of the clips are
        not single frames. step: of the training, from which the noise on the pose maps is drawn; None: no noise."""
        frames, clip_of, augment = flattened(clips)
        reduction, windows = (1, None) if step is None else self.resolution(clips, crops, step)
        crops = crops[clip_of]  # one for each frame
        shown = crops.windows(windows, self.params.patch_size) if windows else crops
        context = self.conditioning.context_frames(frames, self.data.take)  # (B, 2 k + 1) frames
        keys = context + self.data.count * clip_of[:, None]  # one number for each pair of frame and clip
        keys, index = np.unique(keys, return_inverse=True)  # so that each pose is transformed only once
        index = index.reshape(len(frames), -1)
        p, first_frame_of = self.params, np.searchsorted(clip_of, keys // self.data.count)
        poses = augment[first_frame_of].pose(self.data.poses[keys % self.data.count], self.data.size)
        boxes, drawn = np.array(shown.boxes()), poses
        if step is not None:
            seeds = [[p.seed, step, frame] for frame in keys % self.data.count]
            drawn = noisy(poses, p.pose_noise * self.data.size, seeds)
        now = poses[index[:, self.conditioning.pose_context]]
        return Batch(
            pose_maps=self.conditioning.pose_maps(drawn, index, crops),
            charts=self.conditioning.charts(now, crops),
            windows=windows, reduction=reduction,
            real=reduced(augment.foregrounds(self.data, frames, boxes), reduction),
            backgrounds=reduced(crop_images([self.data.background] * len(frames), boxes), reduction),
            frames=torch.from_numpy(frames).to(self.conditioning.device),
            linear=torch.from_numpy(augment.matrix(self.data.size)[0].astype(np.float32)).to(self.conditioning.device),
            num_clips=num_clips, clip_length=p.clip_length,
            draw_skeletons=lambda: self.conditioning.skeleton_maps(now, shown))

    def resolution(self, clips: list[Clip], crops: Crops, step: int) -> tuple[int, Windows | None]:
        """How a step generates large crops, one for each clip: by how much the resolution is reduced, or else a random
        window at full resolution for each frame, the same in all frames of a clip. It depends on the number of the clip's
        first frame, not on the other clips, so that it is the same in a micro-batch."""
        p = self.params
        reduction, size = p.reduction(step, self.data.size), np.array([crops.width, crops.height])
        if reduction > 1 or not p.windowed or size.max() <= p.window_size:
            return reduction, None
        cells, side = size // p.patch_size, np.minimum(size, p.window_size) // p.patch_size
        corners = [np.random.default_rng([*WINDOWS, p.seed, step, clip.frames[0]]).integers(0, cells - side + 1)
                   for clip in clips]
        return reduction, Windows(np.repeat(corners, [len(clip.frames) for clip in clips], 0), *side.tolist())

    def crops(self, clips: list[Clip], crop_size: np.ndarray) -> Crops:
        """One crop for each clip, of size `crop_size` (width, height), centred on the clip's transformed poses.

        Pixels of the person outside the crop are ignored, because inference uses the same crops and leaves everything
        outside them empty."""
        p, size = self.params, self.data.size
        if not p.crop:
            return Crops.full_frame(len(clips), size)
        frames, clip_of, augment = flattened(clips)
        boxes = pose_boxes(augment.pose(self.data.poses[frames], size), p.crop_margin)  # (frames, 4)
        boxes = [union_box(boxes[clip_of == clip]) for clip in range(len(clips))]
        return Crops.centred_on(np.stack(boxes), size, p.patch_size, crop_size)


def reduced(pictures: Tensor, reduction: int) -> Tensor:
    """Pictures (B, C, h, w) at 1 / reduction of the resolution."""
    return F.avg_pool2d(pictures, reduction) if reduction > 1 else pictures


def flattened(clips: list[Clip]) -> tuple[np.ndarray, np.ndarray, SimilarityAugment]:
    """All frames of the clips (B,), the number of each frame's clip (B,), and each frame's augmentation."""
    lengths = [len(clip.frames) for clip in clips]
    frames = np.concatenate([clip.frames for clip in clips])
    augment = SimilarityAugment.repeated([clip.augment for clip in clips], lengths)
    return frames, np.repeat(np.arange(len(clips)), lengths), augment
