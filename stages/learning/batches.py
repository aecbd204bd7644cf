"""What one training step sees: runs of consecutive frames, then single frames from anywhere, each moved and scaled a
little. All is drawn from (seed, step), so a resumed run sees the same; and a step may be asked for in parts, which
together are the undivided batch."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stages import InputError
from stages.learning.context import Context
from stages.learning.footage import Footage, Shift
from stages.learning.windows import Windows, pose_boxes, union, whole_cells
from stages.vision.skeleton import Pose

if TYPE_CHECKING:
    from stages.params import GeneratorTraining


@dataclass
class Batch:
    """`runs` times `run_length` consecutive frames first, single ones after them."""

    poses: Tensor  # (B, inputs, h / stem, w / stem)
    real: Tensor   # (B, 4, h, w): RGB times alpha, and alpha, in [0, 1]
    runs: int
    run_length: int
    paint: Callable[[], Tensor]

    @cached_property
    def skeletons(self) -> Tensor:
        """P_t as pictures, (B, 3, h / stem, w / stem); painted only where somebody looks."""
        return self.paint()

    def windows(self, x: Tensor, length: int) -> Tensor:
        """All windows of `length` consecutive frames in the runs, (runs * (run_length - length + 1), length, ...)."""
        runs = x[: self.runs * self.run_length].unflatten(0, (self.runs, self.run_length))
        return torch.cat([runs[:, i : i + length] for i in range(self.run_length - length + 1)])


@dataclass(frozen=True)
class Take:
    """Consecutive frames, shifted alike."""

    frames: np.ndarray
    shift: Shift


class Batches:
    """The batches of a training. `inputs` is the number of channels that the generator is told.

    A batch shows frames whose windows have one size, so that small ones need not be enlarged to the largest; as the
    first is drawn from all frames, each is seen as often as any other. Steps in which nobody judges show singles only:
    more different frames."""

    def __init__(self, data: Footage, params: "GeneratorTraining", device: torch.device):
        p = self.params = params
        self.data = data
        self.context = Context(data.size, p.stem, p.parts, p.drawing, p.temporal, device)
        self.inputs, self.grid = self.context.inputs, p.stem * 2**p.levels
        boxes = np.stack([pose_boxes(data.poses, p.window_margin), data.boxes])  # (2, count, 4)
        low, high = (np.nan_to_num(side, nan=data.size / 2).clip(0, data.size) for side in (
            np.fmin.reduce(boxes[..., :2]), np.fmax.reduce(boxes[..., 2:])))
        self.sides = whole_cells(high - low, data.size, self.grid)  # (count, 2) of each frame's own window

    def of(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """The part-th share of the step's runs and singles."""
        p = self.params
        if p.runs % parts or p.singles % parts:
            raise InputError(f"runs ({p.runs}) and singles ({p.singles}) cannot be divided by {parts}; change "
                             "runs, singles, devices or accumulation of generator_training")
        runs, singles = p.runs, p.singles
        if step % p.judge_every:
            runs, singles = 0, singles + runs * p.run_length
        takes, least = self.draw(np.random.default_rng([p.seed, step]), [p.run_length] * runs + [1] * singles)
        windows = self.windows(takes, least)
        chosen = [*range(runs)[part::parts], *range(runs, len(takes))[part::parts]]
        return self.show([takes[i] for i in chosen], windows[chosen], runs // parts)

    def at(self, frames: np.ndarray) -> Batch:
        """These frames as they are."""
        takes = [Take(frame[None], Shift()) for frame in np.asarray(frames)]
        return self.show(takes, self.windows(takes, self.sides[frames].max(0)), 0)

    def draw(self, random: np.random.Generator, lengths: list[int]) -> tuple[list[Take], np.ndarray]:
        """Takes of these lengths, and the size of the first one's window, which the others' have too."""
        p, takes, least = self.params, [], None
        for length in lengths:
            firsts = np.arange(self.data.count - length + 1)
            if takes and p.window:
                sides = np.max([self.sides[i : i + len(firsts)] for i in range(length)], 0)  # (firsts, 2)
                same = (sides == least).all(1)
                firsts = firsts[same if same.any() else (sides <= least).all(1)]
            frames = random.choice(firsts) + np.arange(length)
            least = self.sides[frames].max(0) if not takes else least
            takes.append(Take(frames, Shift.draw(p.augment, p.rotate, random)))
        return takes, least

    def show(self, takes: list[Take], windows: Windows, runs: int) -> Batch:
        """What each take's window shows of it."""
        poses, around, boxes = [], [], windows.boxes()
        for take in takes:
            near, place = np.unique(self.context.around(take.frames, self.data.count), return_inverse=True)
            around.append(place.reshape(len(take.frames), -1) + sum(map(len, poses)))
            poses.append(take.shift.pose(self.data.poses[near], self.data.size))
        each = np.repeat(np.arange(len(takes)), [len(take.frames) for take in takes])
        poses, around, windows = joined(poses), np.concatenate(around), windows[each]
        now = poses[around[:, self.context.temporal]]
        real = torch.cat([take.shift.foreground(self.data, take.frames, box) for take, box in zip(takes, boxes)])
        return Batch(self.context.of(poses, around, windows), real.contiguous(memory_format=torch.channels_last), runs,
                     self.params.run_length, lambda: self.context.picture(now, windows))

    def windows(self, takes: list[Take], least: np.ndarray) -> Windows:
        """One a take, of these sides or larger: around all its poses, and all that its masks show."""
        p, size = self.params, self.data.size
        if not p.window:
            return Windows.whole(len(takes), size)
        boxes = []
        for take in takes:
            poses = take.shift.pose(self.data.poses[take.frames], size)
            masks = take.shift.boxes(self.data.boxes[take.frames], size)
            boxes.append(union(np.concatenate([pose_boxes(poses, 0), masks])))
        return Windows.around(np.stack(boxes), size, self.grid, p.stem, least)


def joined(poses: list[Pose]) -> Pose:
    """One after the other."""
    return Pose(*(np.concatenate([getattr(pose, field.name) for pose in poses]) for field in fields(Pose)))
