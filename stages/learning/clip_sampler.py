"""Selects the frames of a training step: clips of consecutive frames, then single frames from anywhere in the video.

The random generator is seeded with (seed, step), so a resumed training uses the same batches.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stages.learning.augmentation import SimilarityAugment
from stages.learning.crops import pose_boxes, smallest_crop_sizes, steady_crop_sizes, union_box
from stages.learning.frame_store import FrameStore

if TYPE_CHECKING:
    from stages.params import GeneratorTraining


@dataclass(frozen=True)
class Clip:
    """Consecutive frames with one augmentation. A single frame is a clip of length 1."""

    frames: np.ndarray  # (n,) indices of training frames
    augment: SimilarityAugment


class ClipSampler:
    """Draws the clips of a step. All crops of a step have the same size.

    The first clip is drawn from all clips and sets the crop size. The others are drawn from the clips that have this
    crop size or, if there are none, from those with smaller crops. So all frames are used about equally often, and
    small crops are rarely enlarged. Steps without discriminators need no consecutive frames, so they use as many single
    frames instead, for more variety."""

    def __init__(self, data: FrameStore, params: "GeneratorTraining"):
        self.data, self.params = data, params
        self.grid = params.patch_size * 2**params.num_downsamples
        self.boxes = pose_boxes(data.poses, params.crop_margin)  # (T, 4)
        self.frame_crop_sizes = steady_crop_sizes(  # (T, 2)
            self.boxes, data.take, data.size, self.grid, params.patch_size)
        self._clip_crop_sizes = {}

    def draw(self, step: int) -> tuple[list[Clip], np.ndarray, int]:
        """The clips of a step, their crop size (width, height), and the number of clips that come before the single
        frames."""
        p = self.params
        num_clips, num_singles = p.clips, p.single_frames
        if step % p.adversarial_interval:
            num_clips, num_singles = 0, num_singles + num_clips * p.clip_length
        lengths = [p.clip_length] * num_clips + [1] * num_singles
        clips, crop_size = self.draw_clips(np.random.default_rng([p.seed, step]), lengths)
        return clips, crop_size, num_clips

    def draw_clips(self, random: np.random.Generator, lengths: list[int]) -> tuple[list[Clip], np.ndarray]:
        """Random clips of these lengths (in frames), and their crop size (width, height)."""
        clips, crop_size, starts = [], None, {}
        for length in lengths:
            if not clips:
                candidates = self.clip_starts(length)
                start = candidates[random.integers(len(candidates))]
                crop_size = self.clip_crop_sizes(length)[start]
            else:
                if length not in starts:
                    starts[length] = self.matching_starts(length, crop_size)
                start = random.choice(starts[length])
            clips.append(Clip(start + np.arange(length), self.draw_augment(random)))
        return clips, crop_size

    def draw_augment(self, random: np.random.Generator) -> SimilarityAugment:
        p = self.params
        return SimilarityAugment.draw(p.augment, p.rotate, p.resample, self.data.size, random)

    def clip_starts(self, length: int) -> np.ndarray:
        """The first frames of all clips of this length that lie within one take."""
        take = self.data.take
        return np.flatnonzero(take[: len(take) - length + 1] == take[length - 1 :])

    def clip_crop_sizes(self, length: int) -> np.ndarray:
        """The crop size (T - length + 1, 2) of the clip that starts at each frame. The crop contains all poses of the
        clip, and is at least as large as the crop of each of its frames."""
        if length not in self._clip_crop_sizes:
            boxes = union_box(np.moveaxis(sliding_window_view(self.boxes, length, 0), -1, 0))
            smallest = smallest_crop_sizes(boxes, self.data.size, self.grid, self.params.patch_size)
            frames = sliding_window_view(self.frame_crop_sizes, length, 0).max(-1)
            self._clip_crop_sizes[length] = np.maximum(smallest, frames)
        return self._clip_crop_sizes[length]

    def matching_starts(self, length: int, crop_size: np.ndarray) -> np.ndarray:
        """Those `clip_starts` whose clips have this crop size or, if there are none, a smaller one."""
        starts = self.clip_starts(length)
        if not self.params.crop:
            return starts
        crop_sizes = self.clip_crop_sizes(length)[starts]
        same = (crop_sizes == crop_size).all(1)
        return starts[same if same.any() else (crop_sizes <= crop_size).all(1)]
