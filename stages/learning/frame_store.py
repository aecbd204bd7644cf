"""The training frames, at random access: the foreground of any frames, or of a window of them.

A pixel that the person covers in part shows the background, too. That is known, and taken off.
Pixels are kept as bytes: on the GPU where that leaves it half of its memory, else in a memory-mapped file on the
project's disk, so memory does not grow with the length of the video.
"""

from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError
from stages.imaging import compositing
from stages.learning.crops import cut
from stages.media import files, png, video_file
from stages.nets.refiner import clamp_premultiplied
from stages.pose import skeleton

SHARE = 0.5   # of the GPU's free memory that the frames may take
REACH = 1.5   # pixels beyond a pixel's edge in which bicubic interpolation sees it
EXACT = 1e-6  # pixels that a whole number of them may be off

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class FrameStore:
    """`count` first frames of a video with their masks and poses, before `background` (3, S, S), which is on the device;
    `boxes` (count, 4) hold all that the masks show, `take` (count,) says which take each is of: all of one where it is
    absent."""

    def __init__(self, frames: Path, masks: Path, background: Path, poses: skeleton.Pose, count: int,
                 device: torch.device = torch.device("cpu"), take: np.ndarray | None = None):
        self.poses, self.count, self.device = poses, count, device
        self.take = np.zeros(count, int) if take is None else take
        self.boxes = np.full((count, 4), np.nan)
        self._file, self._pixels, index, plate = files.scratch_file(), None, -1, png.read(background)
        for index, (frame, mask) in enumerate(zip(video_file.frames(frames), video_file.frames(masks, "gray"))):
            if self._pixels is None:
                if plate.shape != frame.shape:
                    raise InputError(f"{background}: {plate.shape[1]} x {plate.shape[0]} pixels, but {frames} has "
                                     f"{frame.shape[1]} x {frame.shape[0]}; run background_inpainting again")
                self._pixels = self._room((count, 4, *mask.shape))
            if index == count:
                break
            self._pixels[index] = torch.from_numpy(compositing.extracted(frame, mask, plate)).permute(2, 0, 1)
            self.boxes[index] = extent(mask)
        if index + 1 < count:
            raise InputError(f"{frames}, {masks}: fewer frames than the clock's {count}; run their stages again")
        self.size = self._pixels.shape[-1]
        self.background = torch.from_numpy(plate).permute(2, 0, 1).to(device).float().div_(255)

    def _room(self, shape: tuple[int, ...]) -> Tensor:
        """Bytes for all frames."""
        if self.device.type == "cuda" and np.prod(shape) <= SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return torch.empty(shape, dtype=torch.uint8, device=self.device)
        return torch.from_numpy(np.memmap(self._file, np.uint8, "w+", shape=shape))

    def foreground(self, indices: np.ndarray, boxes: np.ndarray | Box | None = None) -> Tensor:
        """F of the paper with its mask: RGB times alpha, and alpha, (B, 4, h, w) in [0, 1], on the device; of the
        whole square, or of a box: one, or one a frame (B, 4) of one size. Outside of the square it is 0."""
        boxes = np.broadcast_to((0, 0, self.size, self.size) if boxes is None else boxes, (len(indices), 4))
        return cut([self._pixels[i] for i in np.asarray(indices).tolist()], boxes).to(self.device).float().div_(255)


def extent(mask: np.ndarray) -> np.ndarray:
    """The box of what is not zero in (h, w); NaN where nothing is."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)


@dataclass(frozen=True)
class AffineAugment:
    """A similarity of the picture plane: scaled and turned about its middle, then moved. Applied to a foreground and to
    its pose alike, it makes a person who stands elsewhere. Its numbers may be arrays (B,), one a frame.

    Moved by whole pixels, every pixel stays as it was filmed; else a foreground is sampled anew (bicubic, Keys 1981),
    which takes from its sharpness."""

    scale: float | np.ndarray = 1.0
    x: float | np.ndarray = 0.0      # shares of the side
    y: float | np.ndarray = 0.0
    angle: float | np.ndarray = 0.0  # radians, from x to y

    @classmethod
    def draw(cls, amount: float, turn: float, resampled: float, size: int, random: np.random.Generator) -> "AffineAugment":
        """Moves within +- amount, in whole pixels of `size`; of a share `resampled` of the shifts also a scale within
        1 +- amount, and an angle within +- turn."""
        scale, x, y, angle = random.uniform(-1, 1, 4) * (amount, amount, amount, turn)
        if random.random() < resampled:
            return cls(1 + scale, x, y, angle)
        return cls(1.0, round(x * size) / size, round(y * size) / size)

    @classmethod
    def each(cls, shifts: "list[AffineAugment]", counts: list[int]) -> "AffineAugment":
        """One a frame, of which the first shift has the first count, and so on."""
        return cls(*np.repeat([(one.scale, one.x, one.y, one.angle) for one in shifts], counts, 0).T)

    def __getitem__(self, index) -> "AffineAugment":
        return AffineAugment(self.scale[index], self.x[index], self.y[index], self.angle[index])

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
        """Around what boxes (..., 4) hold, as far as interpolation spreads it."""
        turn, move = self.matrix(size)
        boxes = boxes + np.array([-REACH, -REACH, REACH, REACH])
        corners = boxes[..., [[0, 1], [2, 1], [0, 3], [2, 3]]] @ turn + move[..., None, :]  # (..., 4, 2)
        return np.concatenate([corners.min(-2), corners.max(-2)], -1)

    def foreground(self, data: FrameStore, indices: np.ndarray, boxes: np.ndarray | Box) -> Tensor:
        """What the boxes, one or one a frame (B, 4) of one size, show of the shifted frames, (B, 4, h, w), channels
        last; what comes in from outside of the square is 0."""
        boxes, indices = np.broadcast_to(boxes, (len(indices), 4)), np.asarray(indices)
        each = AffineAugment(*(np.broadcast_to(number, len(indices)) for number in astuple(self)))
        turn, move = each.matrix(data.size)
        still = (turn == np.eye(2)).all((1, 2)) & (np.abs(move - np.rint(move)) < EXACT).all(1)
        height, width = boxes[0, 3] - boxes[0, 1], boxes[0, 2] - boxes[0, 0]
        shown = torch.empty(len(boxes), height, width, 4, device=data.device).permute(0, 3, 1, 2)
        moved = boxes - np.tile(np.rint(move).astype(int), 2)
        for i, index in enumerate(indices):
            shown[i] = data.foreground([index], moved[i])[0] if still[i] else each[i].sampled(data, index, boxes[i])
        return shown

    def sampled(self, data: FrameStore, index: int, box: np.ndarray) -> Tensor:
        """What a box (4,) shows of a shifted frame, (4, h, w). Only what the mask shows is looked at."""
        turn, move = self.matrix(data.size)
        corner, sides = box[:2], box[2:] - box[:2]
        source = whole(data.boxes[index], data.size)
        left, top, right, bottom = target = whole(self.boxes(data.boxes[index], data.size) - np.tile(corner, 2), sides)
        scale = 2 / (source[2:] - source[:2])  # to grid_sample's coordinates, -1 to 1 over the source
        back = turn.T / self.scale**2 * scale  # A's inverse is its transpose over scale squared
        first = target[:2] + corner + 0.5 - move
        x, y = (torch.from_numpy(axis.astype(np.float32)).to(data.device) for axis in (
            (first[0] + np.arange(right - left))[:, None] * back[0] - (source[:2] * scale + 1),
            (first[1] + np.arange(bottom - top))[:, None] * back[1]))  # (w, 2), (h, 2)

        part = data.foreground([index], source)
        shown = torch.zeros(1, 4, *sides[::-1].tolist(), device=data.device)
        shown[..., top:bottom, left:right] = clamp_premultiplied(
            F.grid_sample(part, (x + y[:, None])[None], mode="bicubic", align_corners=False))
        return shown[0]


def whole(box: np.ndarray, high: np.ndarray | int) -> np.ndarray:
    """The box (4,) to whole pixels from 0 to high, at least one."""
    box = np.nan_to_num(box)
    start = np.floor(box[:2]).clip(0, np.subtract(high, 1))
    return np.concatenate([start, np.ceil(box[2:]).clip(start + 1, high)]).astype(int)
