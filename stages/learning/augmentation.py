"""Augmentation: a foreground and its pose are moved, scaled and rotated together, so the person stands elsewhere."""

from dataclasses import astuple, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.learning.frame_store import Box, FrameStore
from stages.nets.refiner import clamp_premultiplied
from stages.pose.skeleton import Pose

BICUBIC_REACH = 1.5  # pixels beyond a pixel's edge that bicubic interpolation spreads it
TOLERANCE = 1e-6     # pixels by which a whole-pixel move may be off


@dataclass(frozen=True)
class AffineAugment:
    """A similarity transform of the frame: scale and rotation about its centre, then a translation. The numbers may be
    arrays (B,), one transform for each frame.

    A translation by whole pixels keeps every pixel as it was filmed. All others resample the foreground (bicubic, Keys
    1981), which costs some sharpness."""

    scale: float | np.ndarray = 1.0
    x: float | np.ndarray = 0.0      # translation, share of the frame's side
    y: float | np.ndarray = 0.0
    angle: float | np.ndarray = 0.0  # radians, from x to y

    @classmethod
    def draw(cls, amount: float, max_angle: float, resampled: float, size: int, random: np.random.Generator
             ) -> "AffineAugment":
        """A random transform: a translation within +- amount in whole pixels of a size x size frame; for a share
        `resampled` of the draws, also a scale within 1 +- amount and an angle within +- max_angle."""
        scale, x, y, angle = random.uniform(-1, 1, 4) * (amount, amount, amount, max_angle)
        if random.random() < resampled:
            return cls(1 + scale, x, y, angle)
        return cls(1.0, round(x * size) / size, round(y * size) / size)

    @classmethod
    def repeated(cls, augments: "list[AffineAugment]", counts: list[int]) -> "AffineAugment":
        """The first transform for the first counts[0] frames, and so on."""
        return cls(*np.repeat([(one.scale, one.x, one.y, one.angle) for one in augments], counts, 0).T)

    def __getitem__(self, index) -> "AffineAugment":
        return AffineAugment(self.scale[index], self.x[index], self.y[index], self.angle[index])

    def matrix(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """A (..., 2, 2) and b (..., 2): a point p of the frame, a row vector in pixels, is moved to p A + b."""
        cosine, sine = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        linear = np.array([[cosine, -sine], [sine, cosine]]).T
        return linear, size * (0.5 - linear.sum(-2) / 2 + np.array([self.x, self.y]).T)

    def pose(self, pose: Pose, size: int) -> Pose:
        """The transformed pose."""
        linear, move = self.matrix(size)
        return pose.map(lambda points: np.concatenate(
            [points[..., :2] @ linear + move[..., None, :], points[..., 2:]], -1).astype(np.float32))

    def boxes(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """Boxes (..., 4) around the transformed content of boxes (..., 4), as far as interpolation spreads it."""
        linear, move = self.matrix(size)
        boxes = boxes + np.array([-BICUBIC_REACH, -BICUBIC_REACH, BICUBIC_REACH, BICUBIC_REACH])
        corners = boxes[..., [[0, 1], [2, 1], [0, 3], [2, 3]]] @ linear + move[..., None, :]  # (..., 4, 2)
        return np.concatenate([corners.min(-2), corners.max(-2)], -1)

    def foregrounds(self, data: FrameStore, indices: np.ndarray, boxes: np.ndarray | Box) -> Tensor:
        """The transformed foregrounds of frames, (B, 4, h, w), channels last; 0 where the source is outside the frame.

        boxes: crops to one box, or to one box for each frame (B, 4), all of one size."""
        boxes, indices = np.broadcast_to(boxes, (len(indices), 4)), np.asarray(indices)
        augments = AffineAugment(*(np.broadcast_to(number, len(indices)) for number in astuple(self)))
        linear, move = augments.matrix(data.size)
        whole_pixels = (linear == np.eye(2)).all((1, 2)) & (np.abs(move - np.rint(move)) < TOLERANCE).all(1)
        height, width = boxes[0, 3] - boxes[0, 1], boxes[0, 2] - boxes[0, 0]
        found = torch.empty(len(boxes), height, width, 4, device=data.device).permute(0, 3, 1, 2)
        sources = boxes - np.tile(np.rint(move).astype(int), 2)
        for i, index in enumerate(indices):
            found[i] = (data.foregrounds([index], sources[i])[0] if whole_pixels[i]
                        else augments[i].resampled(data, index, boxes[i]))
        return found

    def resampled(self, data: FrameStore, index: int, box: np.ndarray) -> Tensor:
        """The transformed foreground of one frame in a box (4,), (4, h, w). Only the mask's box is resampled."""
        linear, move = self.matrix(data.size)
        corner, sides = box[:2], box[2:] - box[:2]
        source = to_pixels(data.boxes[index], data.size)
        left, top, right, bottom = target = to_pixels(
            self.boxes(data.boxes[index], data.size) - np.tile(corner, 2), sides)
        scale = 2 / (source[2:] - source[:2])  # to grid_sample's coordinates, -1 to 1 over the source
        inverse = linear.T / self.scale**2 * scale  # A's inverse is its transpose over scale squared
        first = target[:2] + corner + 0.5 - move
        x, y = (torch.from_numpy(axis.astype(np.float32)).to(data.device) for axis in (
            (first[0] + np.arange(right - left))[:, None] * inverse[0] - (source[:2] * scale + 1),
            (first[1] + np.arange(bottom - top))[:, None] * inverse[1]))  # (w, 2), (h, 2)

        foreground = data.foregrounds([index], source)
        found = torch.zeros(1, 4, *sides[::-1].tolist(), device=data.device)
        found[..., top:bottom, left:right] = clamp_premultiplied(
            F.grid_sample(foreground, (x + y[:, None])[None], mode="bicubic", align_corners=False))
        return found[0]


def to_pixels(box: np.ndarray, high: np.ndarray | int) -> np.ndarray:
    """A box (4,) enlarged to whole pixels within 0 .. high, at least one pixel wide and high."""
    box = np.nan_to_num(box)
    start = np.floor(box[:2]).clip(0, np.subtract(high, 1))
    return np.concatenate([start, np.ceil(box[2:]).clip(start + 1, high)]).astype(int)
