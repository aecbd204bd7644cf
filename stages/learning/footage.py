"""The training frames, at random access: the foreground of any frames, or of a window of them.

Pixels are kept as bytes: on the GPU where that leaves it half of its memory, else in a memory-mapped temporary file, so
memory does not grow with the length of the video.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError
from stages.media import video
from stages.vision import skeleton

SHARE = 0.5  # of the GPU's free memory that the frames may take

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class Footage:
    """`count` first frames of a video with their masks and poses; `boxes` (count, 4) hold all that the masks show."""

    def __init__(self, frames: Path, masks: Path, poses: skeleton.Pose, count: int,
                 device: torch.device = torch.device("cpu")):
        self.poses, self.count, self.device = poses, count, device
        self.boxes = np.full((count, 4), np.nan)
        self._file, self._pixels, index = tempfile.TemporaryFile(), None, -1
        for index, (frame, mask) in enumerate(zip(video.frames(frames), video.frames(masks, "gray"))):
            if self._pixels is None:
                self._pixels = self._room((count, 4, *mask.shape))
            if index == count:
                break
            self._pixels[index] = torch.from_numpy(np.concatenate([frame, mask[..., None]], -1)).permute(2, 0, 1)
            self.boxes[index] = extent(mask)
        if index + 1 < count:
            raise InputError(f"{frames}, {masks}: fewer frames than the clock's {count}; run their stages again")
        self.size = self._pixels.shape[-1]

    def _room(self, shape: tuple[int, ...]) -> Tensor:
        """Bytes for all frames."""
        if self.device.type == "cuda" and np.prod(shape) <= SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return torch.empty(shape, dtype=torch.uint8, device=self.device)
        return torch.from_numpy(np.memmap(self._file, np.uint8, "w+", shape=shape))

    def foreground(self, indices: np.ndarray, box: Box | None = None) -> Tensor:
        """F of the paper with its mask: RGB times alpha, and alpha, (B, 4, h, w) in [0, 1], on the device; of the
        whole square, or of a box in it."""
        left, top, right, bottom = box or (0, 0, self.size, self.size)
        bytes_ = self._pixels[:, :, top:bottom, left:right][torch.as_tensor(indices, device=self._pixels.device)]
        pixels = bytes_.to(self.device).float().div_(255)  # (B, 4, h, w)
        pixels[:, :3] *= pixels[:, 3:]
        return pixels


def extent(mask: np.ndarray) -> np.ndarray:
    """The box of what is not zero in (h, w); NaN where nothing is."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


@dataclass(frozen=True)
class Shift:
    """A similarity of the picture plane: scaled and turned about its middle, then moved. Applied to a foreground and to
    its pose alike, it makes a person who stands elsewhere."""

    scale: float = 1.0
    x: float = 0.0      # shares of the side
    y: float = 0.0
    angle: float = 0.0  # radians, from x to y

    @classmethod
    def draw(cls, amount: float, turn: float, random: np.random.Generator) -> "Shift":
        """Scale within 1 +- amount, moves within +- amount, the angle within +- turn; none for 0."""
        scale, x, y, angle = random.uniform(-1, 1, 4) * (amount, amount, amount, turn)
        return cls(1 + scale, x, y, angle)

    def matrix(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A (2, 2) and b (2,): a point p of the frame, in pixels, goes to A p + b."""
        cosine, sine = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        turn, middle = np.array([[cosine, -sine], [sine, cosine]]), np.full(2, size / 2)
        return turn, middle - turn @ middle + np.array([self.x, self.y]) * size

    def pose(self, pose: skeleton.Pose, size: int) -> skeleton.Pose:
        turn, move = self.matrix(size)
        return pose.map(lambda points: np.concatenate(
            [points[..., :2] @ turn.T + move, points[..., 2:]], -1).astype(np.float32))

    def boxes(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """Around what boxes (n, 4) hold; interpolation spreads it by a pixel."""
        turn, move = self.matrix(size)
        corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] @ turn.T + move  # (n, 4, 2)
        return np.concatenate([corners.min(1) - 1, corners.max(1) + 1], 1)

    def foreground(self, data: Footage, indices: np.ndarray, box: Box) -> Tensor:
        """What the box shows of the shifted frames, (B, 4, h, w); what comes in from outside of the square is 0."""
        if self == Shift():
            return data.foreground(indices, box)
        left, top, right, bottom = box
        turn, move = self.matrix(data.size)
        back = np.linalg.inv(turn)
        seen = (np.array([(left, top), (right, top), (left, bottom), (right, bottom)]) - move) @ back.T
        low = np.floor(seen.min(0) - 1).clip(0, data.size - 1).astype(int)
        high = np.maximum(np.ceil(seen.max(0) + 1).clip(1, data.size).astype(int), low + 1)
        part = data.foreground(indices, (*low.tolist(), *high.tolist()))

        scale = 2 * back / (high - low)[:, None]  # to grid_sample's coordinates, -1 to 1 over the part
        x = (np.arange(left, right)[:, None] + 0.5 - move[0]) * scale[:, 0]  # (w, 2)
        y = (np.arange(top, bottom)[:, None] + 0.5 - move[1]) * scale[:, 1] - 2 * low / (high - low) - 1  # (h, 2)
        x, y = (torch.from_numpy(axis.astype(np.float32)).to(part.device) for axis in (x, y))
        return F.grid_sample(part, (x + y[:, None]).expand(len(part), -1, -1, -1), align_corners=False)
