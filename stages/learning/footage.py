"""The training frames, at random access: the foreground of any frames, or of a window of them.

A pixel that the person covers in part shows the background, too. That is known, and taken off.
Pixels are kept as bytes: on the GPU where that leaves it half of its memory, else in a memory-mapped file on the
project's disk, so memory does not grow with the length of the video.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError
from stages.media import files, pictures, video
from stages.vision import blend, skeleton

SHARE = 0.5  # of the GPU's free memory that the frames may take

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class Footage:
    """`count` first frames of a video with their masks and poses, before `background`; `boxes` (count, 4) hold all that
    the masks show, `take` (count,) says which take each is of: all of one where it is absent."""

    def __init__(self, frames: Path, masks: Path, background: Path, poses: skeleton.Pose, count: int,
                 device: torch.device = torch.device("cpu"), take: np.ndarray | None = None):
        self.poses, self.count, self.device = poses, count, device
        self.take = np.zeros(count, int) if take is None else take
        self.boxes = np.full((count, 4), np.nan)
        self._file, self._pixels, index, plate = files.scratch(), None, -1, pictures.read(background)
        for index, (frame, mask) in enumerate(zip(video.frames(frames), video.frames(masks, "gray"))):
            if self._pixels is None:
                if plate.shape != frame.shape:
                    raise InputError(f"{background}: {plate.shape[1]} x {plate.shape[0]} pixels, but {frames} has "
                                     f"{frame.shape[1]} x {frame.shape[0]}; run background_inpainting again")
                self._pixels = self._room((count, 4, *mask.shape))
            if index == count:
                break
            self._pixels[index] = torch.from_numpy(blend.extracted(frame, mask, plate)).permute(2, 0, 1)
            self.boxes[index] = extent(mask)
        if index + 1 < count:
            raise InputError(f"{frames}, {masks}: fewer frames than the clock's {count}; run their stages again")
        self.size = self._pixels.shape[-1]

    def _room(self, shape: tuple[int, ...]) -> Tensor:
        """Bytes for all frames."""
        if self.device.type == "cuda" and np.prod(shape) <= SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return torch.empty(shape, dtype=torch.uint8, device=self.device)
        return torch.from_numpy(np.memmap(self._file, np.uint8, "w+", shape=shape))

    def foreground(self, indices: np.ndarray, boxes: np.ndarray | Box | None = None) -> Tensor:
        """F of the paper with its mask: RGB times alpha, and alpha, (B, 4, h, w) in [0, 1], on the device; of the
        whole square, or of a box in it: one, or one a frame (B, 4) of one size."""
        boxes = np.broadcast_to((0, 0, self.size, self.size) if boxes is None else boxes, (len(indices), 4)).tolist()
        bytes_ = torch.stack([self._pixels[i, :, top:bottom, left:right] for i, (left, top, right, bottom) in
                              zip(np.asarray(indices).tolist(), boxes)])
        return bytes_.to(self.device).float().div_(255)  # (B, 4, h, w)


def extent(mask: np.ndarray) -> np.ndarray:
    """The box of what is not zero in (h, w); NaN where nothing is."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


@dataclass(frozen=True)
class Shift:
    """A similarity of the picture plane: scaled and turned about its middle, then moved. Applied to a foreground and to
    its pose alike, it makes a person who stands elsewhere. Its numbers may be arrays (B,), one a frame."""

    scale: float | np.ndarray = 1.0
    x: float | np.ndarray = 0.0      # shares of the side
    y: float | np.ndarray = 0.0
    angle: float | np.ndarray = 0.0  # radians, from x to y

    @classmethod
    def draw(cls, amount: float, turn: float, random: np.random.Generator) -> "Shift":
        """Scale within 1 +- amount, moves within +- amount, the angle within +- turn; none for 0."""
        scale, x, y, angle = random.uniform(-1, 1, 4) * (amount, amount, amount, turn)
        return cls(1 + scale, x, y, angle)

    @classmethod
    def each(cls, shifts: "list[Shift]", counts: list[int]) -> "Shift":
        """One a frame, of which the first shift has the first count, and so on."""
        return cls(*np.repeat([(one.scale, one.x, one.y, one.angle) for one in shifts], counts, 0).T)

    def __getitem__(self, index) -> "Shift":
        return Shift(self.scale[index], self.x[index], self.y[index], self.angle[index])

    def matrix(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A (..., 2, 2) and b (..., 2): a point p of the frame, in pixels, as a row goes to p A + b."""
        cosine, sine = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        turn = np.array([[cosine, -sine], [sine, cosine]]).T
        return turn, size * (0.5 - turn.sum(-2) / 2 + np.array([self.x, self.y]).T)

    def pose(self, pose: skeleton.Pose, size: int) -> skeleton.Pose:
        turn, move = self.matrix(size)
        return pose.map(lambda points: np.concatenate(
            [points[..., :2] @ turn + move[..., None, :], points[..., 2:]], -1).astype(np.float32))

    def boxes(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """Around what boxes (B, 4) hold; interpolation spreads it by a pixel."""
        turn, move = self.matrix(size)
        corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] @ turn + move[..., None, :]  # (B, 4, 2)
        return np.concatenate([corners.min(1) - 1, corners.max(1) + 1], 1)

    def foreground(self, data: Footage, indices: np.ndarray, boxes: np.ndarray | Box) -> Tensor:
        """What the boxes, one or one a frame (B, 4) of one size, show of the shifted frames, (B, 4, h, w), channels
        last; what comes in from outside of the square is 0. Only what the masks show is looked at."""
        turn, move = self.matrix(data.size)
        if (turn == np.eye(2)).all() and not move.any():
            return data.foreground(indices, boxes).contiguous(memory_format=torch.channels_last)
        boxes = np.broadcast_to(boxes, (len(indices), 4))
        corners, sides = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
        source = whole(data.boxes[indices], data.size)
        target = whole(self.boxes(data.boxes[indices], data.size) - np.tile(corners, 2), sides)  # in the boxes
        scale = 2 / (source[:, 2:] - source[:, :2])  # to grid_sample's coordinates, -1 to 1 over the source
        back = turn / np.square(self.scale)[..., None, None] * scale[..., None]  # A's transpose, as A is a similarity
        first = (target[:, :2] + corners + 0.5 - move)[..., None]  # (B, 2, 1)
        x, y = (torch.from_numpy(axis.astype(np.float32)).to(data.device) for axis in (
            back[..., :1] * (first[:, :1] + np.arange(sides[0, 0])) - (source[:, :2] * scale + 1)[..., None],
            back[..., 1:] * (first[:, 1:] + np.arange(sides[0, 1]))))  # (B, 2, w), (B, 2, h)

        shown = torch.zeros(len(boxes), *sides[0, ::-1].tolist(), 4, device=data.device).permute(0, 3, 1, 2)
        for i, (left, top, right, bottom) in enumerate(target.tolist()):
            grid = (x[i, :, None, : right - left] + y[i, :, : bottom - top, None]).permute(1, 2, 0)  # (h, w, 2)
            part = data.foreground(indices[i : i + 1], source[i])
            shown[i, :, top:bottom, left:right] = F.grid_sample(part, grid[None], align_corners=False)[0]
        return shown


def whole(boxes: np.ndarray, high: np.ndarray | int) -> np.ndarray:
    """The boxes (B, 4) to whole pixels from 0 to high, at least one."""
    boxes = np.nan_to_num(boxes)
    start = np.floor(boxes[:, :2]).clip(0, np.subtract(high, 1))
    return np.concatenate([start, np.ceil(boxes[:, 2:]).clip(start + 1, high)], 1).astype(int)
