"""The training frames, at random access: foreground, alpha and skeleton pictures of any frames.

Pixels lie in a memory-mapped temporary file, so memory does not grow with the length of the video.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError
from stages.learning.fields import CHANNELS, fields, limb_count
from stages.media import video
from stages.vision import skeleton


class Footage:
    """`count` first frames of a video with their masks and poses."""

    def __init__(self, frames: Path, masks: Path, poses: skeleton.Pose, count: int):
        self._file = tempfile.TemporaryFile()
        self._pixels, self.poses, self.count = None, poses, count
        for index, (frame, mask) in enumerate(zip(video.frames(frames), video.frames(masks, "gray"))):
            if self._pixels is None:
                self._pixels = np.memmap(self._file, np.uint8, "w+", shape=(count, *mask.shape, 4))
            if index == count:
                break
            self._pixels[index, ..., :3], self._pixels[index, ..., 3] = frame, mask
        if self._pixels is None or index + 1 < count:
            raise InputError(f"{frames}, {masks}: fewer frames than the clock's {count}; run their stages again")
        self.size = self._pixels.shape[1]

    def foreground(self, indices: np.ndarray) -> Tensor:
        """F of the paper with its mask: RGB times alpha, and alpha, (B, 4, S, S) in [0, 1]."""
        pixels = torch.from_numpy(self._pixels[indices]).permute(0, 3, 1, 2).float() / 255  # (B, 4, S, S)
        colour, alpha = pixels.split([3, 1], 1)
        return torch.cat([colour * alpha, alpha], 1)


@dataclass(frozen=True)
class Shift:
    """A similarity of the picture plane: scaled about its middle, then moved. Applied to a foreground and to its
    pose alike, it makes a person who stands elsewhere."""

    scale: float
    x: float  # shares of the side
    y: float

    @classmethod
    def draw(cls, amount: float, random: np.random.Generator) -> "Shift":
        """Scale within 1 +- amount, moves within +- amount; none for amount 0."""
        scale, x, y = random.uniform(-amount, amount, 3)
        return cls(1 + scale, x, y)

    def pose(self, pose: skeleton.Pose, size: int) -> skeleton.Pose:
        move = np.array([(1 - self.scale) / 2 + self.x, (1 - self.scale) / 2 + self.y]) * size
        return pose.map(lambda points: np.concatenate(
            [points[..., :2] * self.scale + move, points[..., 2:]], -1).astype(np.float32))

    def picture(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S); what comes in from outside is 0."""
        back = torch.tensor([[1 / self.scale, 0, -2 * self.x / self.scale],
                             [0, 1 / self.scale, -2 * self.y / self.scale]], dtype=pictures.dtype)
        grid = F.affine_grid(back.expand(len(pictures), 2, 3), pictures.shape, align_corners=False)
        return F.grid_sample(pictures, grid, align_corners=False)


def skeletons(poses: skeleton.Pose, indices: np.ndarray, size: int, frame_size: int, parts: tuple) -> Tensor:
    """Skeleton pictures (B, 3, size, size) in [0, 1] of poses given in a frame_size x frame_size frame."""
    pictures = [skeleton.draw(poses[i], size, size / frame_size, parts) for i in indices]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def windows(poses: skeleton.Pose, indices: np.ndarray, size: int, frame_size: int, parts: tuple, drawing: str,
            device: torch.device) -> Tensor:
    """What the generator is told: the pose context window <P_t-1, P_t, P_t+1> as skeleton pictures, (B, 9, size,
    size), the middle three of which are P_t; at either end of the poses P_t is repeated. With drawing `fields`
    those of P_t follow."""
    around = np.clip(np.asarray(indices)[:, None] + [-1, 0, 1], 0, len(poses) - 1)  # (B, 3)
    unique, place = np.unique(around, return_inverse=True)
    pictures = skeletons(poses, unique, size, frame_size, parts).to(device)
    window = pictures[torch.from_numpy(place.reshape(around.shape))].flatten(1, 2)  # (B, 3, 3, ...) -> (B, 9, ...)
    if drawing == "fields":
        window = torch.cat([window, fields(poses[indices], size, frame_size, parts, device)], 1)
    return window.contiguous(memory_format=torch.channels_last)


def channels(parts: tuple, drawing: str) -> int:
    """Channels of `windows`."""
    return 9 + (CHANNELS * limb_count(parts) if drawing == "fields" else 0)
