"""Data augmentation: the same random translation, scale and rotation for a foreground and its pose; and noise on poses."""

from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.learning.frame_store import Box, FrameStore
from stages.nets.refiner import clamp_premultiplied
from stages.pose.skeleton import Pose

BICUBIC_REACH = 1.5  # pixels: bicubic interpolation spreads a pixel this far beyond its edge
POINTS = 69          # of a pose
TOLERANCE = 1e-6     # pixels: a translation that is this close to whole pixels counts as one


def noisy(poses: Pose, deviation: float, seeds: list[list[int]]) -> Pose:
    """B poses with independent normal errors in x and y of all points, like those of an estimator. deviation: standard
    deviation, pixels. seeds: of the errors of each pose."""
    if not deviation:
        return poses
    errors = np.stack([np.random.default_rng(seed).normal(0, deviation, (POINTS, 3)) for seed in seeds]).astype(np.float32)
    errors[..., 2] = 0  # of the score
    parts = np.split(errors, np.cumsum([points.shape[-2] for points in poses.point_sets().values()])[:-1], 1)
    return replace(poses, **{name: points + part for (name, points), part in zip(poses.point_sets().items(), parts)})


@dataclass(frozen=True)
class SimilarityAugment:
    """A similarity transform of the frame: scale and rotation about its centre, then a translation. Each field is a
    number, or an array (B,) with one value for each of B frames.

    A translation by whole pixels does not change any pixel value. All other transforms resample the foreground with
    bicubic interpolation (Keys 1981), which makes it slightly less sharp."""

    scale: float | np.ndarray = 1.0
    x: float | np.ndarray = 0.0      # translation, share of the frame's side
    y: float | np.ndarray = 0.0
    angle: float | np.ndarray = 0.0  # radians, from x to y

    @classmethod
    def draw(cls, amount: float, max_angle: float, resampled: float, size: int, random: np.random.Generator
             ) -> "SimilarityAugment":
        """A random transform for a size x size frame: by default a translation by whole pixels. With probability
        `resampled` it also has a scale and an angle, and then its translation is any fraction of pixels.

        amount: limit of the translation, share of the frame's side, and of the scale's difference from 1.
        max_angle: limit of the rotation, radians."""
        scale, x, y, angle = random.uniform(-1, 1, 4) * (amount, amount, amount, max_angle)
        if random.random() < resampled:
            return cls(1 + scale, x, y, angle)
        return cls(1.0, round(x * size) / size, round(y * size) / size)

    @classmethod
    def repeated(cls, augments: "list[SimilarityAugment]", counts: list[int]) -> "SimilarityAugment":
        """Transforms for sum(counts) frames: augments[i] is repeated counts[i] times."""
        return cls(*np.repeat([(one.scale, one.x, one.y, one.angle) for one in augments], counts, 0).T)

    def __getitem__(self, index) -> "SimilarityAugment":
        return SimilarityAugment(self.scale[index], self.x[index], self.y[index], self.angle[index])

    def matrix(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The transform as a matrix A (..., 2, 2) and a vector b (..., 2): it maps a point p, a row vector in pixels
        of the size x size frame, to p A + b."""
        cosine, sine = self.scale * np.cos(self.angle), self.scale * np.sin(self.angle)
        linear = np.array([[cosine, -sine], [sine, cosine]]).T
        return linear, size * (0.5 - linear.sum(-2) / 2 + np.array([self.x, self.y]).T)

    def pose(self, pose: Pose, size: int) -> Pose:
        """The transformed pose, in pixels of the size x size frame. Scores do not change."""
        linear, move = self.matrix(size)
        return pose.map(lambda points: np.concatenate(
            [points[..., :2] @ linear + move[..., None, :], points[..., 2:]], -1).astype(np.float32))

    def boxes(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """The bounding boxes (..., 4) of the transformed boxes (..., 4), enlarged by the reach of the interpolation."""
        linear, move = self.matrix(size)
        boxes = boxes + np.array([-BICUBIC_REACH, -BICUBIC_REACH, BICUBIC_REACH, BICUBIC_REACH])
        corners = boxes[..., [[0, 1], [2, 1], [0, 3], [2, 3]]] @ linear + move[..., None, :]  # (..., 4, 2)
        return np.concatenate([corners.min(-2), corners.max(-2)], -1)

    def foregrounds(self, data: FrameStore, indices: np.ndarray, boxes: np.ndarray | Box) -> Tensor:
        """The transformed foregrounds of B frames, (B, 4, h, w) in [0, 1], channels last: RGB times alpha, and alpha. 0
        where the transform would read pixels outside the frame.

        boxes: crops to one box, or to one box for each frame (B, 4), all of one size, in whole pixels."""
        boxes, indices = np.broadcast_to(boxes, (len(indices), 4)), np.asarray(indices)
        augments = SimilarityAugment(*(np.broadcast_to(number, len(indices)) for number in astuple(self)))
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
        """The transformed foreground of one frame, cropped to a box (4,) in whole pixels: (4, h, w). Only the bounding
        box of the mask is resampled; all other pixels are 0."""
        linear, move = self.matrix(data.size)
        corner, sides = box[:2], box[2:] - box[:2]
        source = to_pixels(data.boxes[index], data.size)
        left, top, right, bottom = target = to_pixels(
            self.boxes(data.boxes[index], data.size) - np.tile(corner, 2), sides)
        scale = 2 / (source[2:] - source[:2])  # to grid_sample's coordinates, -1 to 1 over the source
        inverse = linear.T / self.scale**2 * scale  # the inverse of A is its transpose divided by the squared scale
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
    """A box (4,), enlarged to whole pixels and clipped to 0 .. high; at least one pixel wide and high. NaN counts as
    0."""
    box = np.nan_to_num(box)
    start = np.floor(box[:2]).clip(0, np.subtract(high, 1))
    return np.concatenate([start, np.ceil(box[2:]).clip(start + 1, high)]).astype(int)
