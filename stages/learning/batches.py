"""What one training step sees: runs of consecutive frames, then single frames from anywhere, each moved and scaled a
little. All is drawn from (seed, step), so a resumed run sees the same; and a step may be asked for in parts, which
together are the undivided batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from stages import InputError
from stages.learning.conditioning import Conditioning
from stages.learning.crops import Crops, cut, own_sides, pose_boxes, steady_sides, union
from stages.learning.frame_store import AffineAugment, FrameStore

if TYPE_CHECKING:
    from stages.params import GeneratorTraining


@dataclass
class Batch:
    """`runs` times `run_length` consecutive frames first, single ones after them."""

    poses: Tensor  # (B, inputs, h / stem, w / stem)
    real: Tensor   # (B, 4, h, w): RGB times alpha, and alpha, in [0, 1]
    backgrounds: Tensor  # (B, 3, h, w): what the windows show of it, which stays where it is
    clips: int
    clip_length: int
    paint: Callable[[], Tensor]

    @cached_property
    def skeletons(self) -> Tensor:
        """P_t as pictures, (B, 3, h / stem, w / stem); painted only where somebody looks."""
        return self.paint()

    def windows(self, x: Tensor, length: int) -> Tensor:
        """All windows of `length` consecutive frames in the runs, (runs * (run_length - length + 1), length, ...)."""
        clips = x[: self.clips * self.clip_length].unflatten(0, (self.clips, self.clip_length))
        return torch.cat([clips[:, i : i + length] for i in range(self.clip_length - length + 1)])


@dataclass(frozen=True)
class Clip:
    """Consecutive frames, shifted alike."""

    frames: np.ndarray
    shift: AffineAugment


class Batches:
    """The batches of a training. `inputs` is the number of channels that the generator is told.

    A batch shows frames whose windows have one size, so that small ones need not be enlarged to the largest; as the
    first is drawn from all frames, each is seen as often as any other. Steps in which nobody judges show singles only:
    more different frames."""

    def __init__(self, data: FrameStore, params: "GeneratorTraining", device: torch.device):
        p = self.params = params
        self.data = data
        self.context = Conditioning(data.size, p.patch_size, p.parts, p.pose_maps, p.pose_context, device)
        self.inputs, self.grid = self.context.inputs, p.patch_size * 2**p.num_downsamples
        self.boxes = pose_boxes(data.poses, p.crop_margin)  # (count, 4)
        self.steady = steady_sides(self.boxes, data.take, data.size, self.grid, p.patch_size)  # (count, 2)
        self._sides = {}

    def of(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """The part-th share of the step's runs and singles."""
        p = self.params
        if p.clips % parts or p.single_frames % parts:
            raise InputError(f"clips ({p.clips}) and single_frames ({p.single_frames}) cannot be divided by {parts}; change "
                             "clips, single_frames, devices or accumulation of generator_training")
        clips, single_frames = p.clips, p.single_frames
        if step % p.adversarial_interval:
            clips, single_frames = 0, single_frames + clips * p.clip_length
        takes, sides = self.draw(np.random.default_rng([p.seed, step]), [p.clip_length] * clips + [1] * single_frames)
        windows = self.windows(takes, sides)
        chosen = [*range(clips)[part::parts], *range(clips, len(takes))[part::parts]]
        return self.show([takes[i] for i in chosen], windows[chosen], clips // parts)

    def at(self, frames: np.ndarray) -> Batch:
        """These frames as they are."""
        takes = [Clip(frame[None], AffineAugment()) for frame in np.asarray(frames)]
        return self.show(takes, self.windows(takes, self.steady[frames].max(0)), 0)

    def draw(self, random: np.random.Generator, lengths: list[int]) -> tuple[list[Clip], np.ndarray]:
        """Takes of these lengths, and the sides of the first one's window, which the others' have too."""
        takes, sides, firsts = [], None, {}
        for length in lengths:
            if not takes:
                whole = self.whole(length)
                first = whole[random.integers(len(whole))]
                sides = self.sides(length)[first]
            else:
                if length not in firsts:
                    firsts[length] = self.alike(length, sides)
                first = random.choice(firsts[length])
            takes.append(Clip(first + np.arange(length), self.shift(random)))
        return takes, sides

    def shift(self, random: np.random.Generator) -> AffineAugment:
        p = self.params
        return AffineAugment.draw(p.augment, p.rotate, p.resample, self.data.size, random)

    def whole(self, length: int) -> np.ndarray:
        """Where so many consecutive frames begin that are of one take of the video."""
        take = self.data.take
        return np.flatnonzero(take[: len(take) - length + 1] == take[length - 1 :])

    def sides(self, length: int) -> np.ndarray:
        """Of the windows of so many frames from each on, (count - length + 1, 2): they hold all poses, and are as large
        as any of these frames' own."""
        if length not in self._sides:
            boxes = union(np.moveaxis(sliding_window_view(self.boxes, length, 0), -1, 0))
            own = own_sides(boxes, self.data.size, self.grid, self.params.patch_size)
            self._sides[length] = np.maximum(own, sliding_window_view(self.steady, length, 0).max(-1))
        return self._sides[length]

    def alike(self, length: int, sides: np.ndarray) -> np.ndarray:
        """Of these, those whose windows have these sides, or else smaller ones."""
        firsts = self.whole(length)
        if not self.params.crop:
            return firsts
        others = self.sides(length)[firsts]
        same = (others == sides).all(1)
        return firsts[same if same.any() else (others <= sides).all(1)]

    def show(self, takes: list[Clip], windows: Crops, clips: int) -> Batch:
        """What each take's window shows of it."""
        frames, each, shift = self.spread(takes)
        count, windows = self.data.count, windows[each]
        near = self.context.around(frames, self.data.take)
        rows, around = np.unique(near + count * each[:, None], return_inverse=True)
        around = around.reshape(len(frames), -1)
        takes_of_rows = np.searchsorted(each, rows // count)
        poses = shift[takes_of_rows].pose(self.data.poses[rows % count], self.data.size)
        now = poses[around[:, self.context.pose_context]]
        boxes = np.array(windows.boxes())
        real = shift.foreground(self.data, frames, boxes)
        backgrounds = cut([self.data.background] * len(frames), boxes)
        return Batch(self.context.of(poses, around, windows), real, backgrounds, clips, self.params.clip_length,
                     lambda: self.context.picture(now, windows))

    def windows(self, takes: list[Clip], sides: np.ndarray) -> Crops:
        """One a take, of these sides, around all its poses. What of a mask is outside is not asked for: with
        such a pose nothing will ever be shown there."""
        p, size = self.params, self.data.size
        if not p.crop:
            return Crops.whole(len(takes), size)
        frames, each, shift = self.spread(takes)
        boxes = pose_boxes(shift.pose(self.data.poses[frames], size), p.crop_margin)  # (frames, 4)
        boxes = [union(boxes[each == take]) for take in range(len(takes))]
        return Crops.around(np.stack(boxes), size, p.patch_size, sides)

    def spread(self, takes: list[Clip]) -> tuple[np.ndarray, np.ndarray, AffineAugment]:
        """Of the frames of all takes: which they are, which take's, and how they are shifted."""
        lengths = [len(take.frames) for take in takes]
        frames = np.concatenate([take.frames for take in takes])
        return frames, np.repeat(np.arange(len(takes)), lengths), AffineAugment.each([take.shift for take in takes], lengths)
