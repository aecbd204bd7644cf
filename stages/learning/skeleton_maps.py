"""Skeleton maps: draws the skeletons of many poses at once, on the device.

The result is that of `stages.pose.skeleton.draw`, except that OpenCV's antialiasing is replaced by exact coverage.
Every limb is a capsule; the coverage of a pixel is 1 / 2 on the capsule's edge and changes linearly over one pixel.
Only pixels in a strip along each limb are computed: for each step along the limb's longer axis (x or y), a few pixels
along the other axis. Later limbs are drawn over earlier ones. Poses have one leading axis, B, and are in pixels of the
S x S frame.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.learning.crops import Crops
from stages.pose.skeleton import COLOURS, FEET, FINGERS, LIMBS, Pose

LINE_WIDTH = 0.0075                     # share of the frame's side
SHADE = 0.75                            # a limb has the colour of its joint, multiplied by this
HANDS = (255, 120), (0, 255)            # red and green of the right and left hand; blue encodes the finger
WHITE = (255, 255, 255)
SHORT_STEPS = 8                         # limbs of at most this many steps are computed together


def draw_skeleton_maps(poses: Pose, crops: Crops, size: int, patch_size: int, parts: tuple, device: torch.device
                       ) -> Tensor:
    """The skeletons of B poses in B crops of a size x size frame, (B, 3, h / patch_size, w / patch_size) in [0, 1]."""
    height, width, count = crops.height // patch_size, crops.width // patch_size, len(poses)
    move = np.append(crops.corners, np.zeros((count, 1)), 1)[:, None]
    scale = np.array([1 / patch_size, 1 / patch_size, 1])
    in_map = poses.map(lambda points: (points - move) * scale)
    start, end, colours, radii = limbs_to_draw(in_map, parts, max(1.0, LINE_WIDTH * size / patch_size))
    colours = torch.tensor(colours / 255, dtype=torch.float32, device=device)

    canvas = torch.zeros(count * (height * width + 1), 3, device=device)  # the extra pixel receives all pixels outside
    for i, pixels, covers in limb_covers(start, end, radii, height, width, device):
        canvas.index_copy_(0, pixels, torch.lerp(canvas.index_select(0, pixels), colours[i], covers[:, None]))
    maps = canvas.unflatten(0, (count, -1))[:, :-1].unflatten(1, (height, width))
    return maps.permute(0, 3, 1, 2)  # (B, 3, height, width), channels last


def limbs_to_draw(poses: Pose, parts: tuple, line_width: float) -> tuple[np.ndarray, ...]:
    """First ends (B, L, 3), second ends (B, L, 3), colours (L, 3) in 0 .. 255 and radii (L,) in pixels of all L limbs,
    in the order of drawing. A joint is drawn as a limb of length 0."""
    found = []
    if "body" in parts:
        a, b = np.transpose(LIMBS)
        limb_colours = np.floor(SHADE * np.array(COLOURS[: len(LIMBS)]))
        found += [(poses.body[:, a], poses.body[:, b], limb_colours, line_width / 2),
                  (poses.body, poses.body, COLOURS, line_width)]
    if "feet" in parts:
        for ankle, heel, toe in FEET:
            ends = np.stack([poses.body[:, ankle], poses.feet[:, heel], poses.feet[:, toe]], 1)
            found.append((ends[:, :2], ends[:, 1:], (COLOURS[ankle], WHITE), line_width / 2))
    if "hands" in parts:
        a, b = np.transpose(FINGERS)
        for hand, tint in zip((poses.right_hand, poses.left_hand), HANDS):
            found.append((hand[:, a], hand[:, b], [(*tint, 50 * (i // 4 + 1)) for i in range(len(FINGERS))], 0.5))
    if "face" in parts:
        found.append((poses.face, poses.face, [WHITE] * poses.face.shape[1], 1.0))
    start, end, colours, radii = zip(*found)
    radii = [radius for radius, several in zip(radii, colours) for _ in several]
    return np.concatenate(start, 1), np.concatenate(end, 1), np.concatenate(colours), np.array(radii)


def limb_covers(start: np.ndarray, end: np.ndarray, radii: np.ndarray, height: int, width: int, device: torch.device):
    """For each limb in the order of drawing: its number; the n pixels near it in each of the B maps, as indices of the
    canvas's rows (B * n,); and its coverage of these pixels (B * n,) in [0, 1]."""
    known = (start[..., 2] > 0) & (end[..., 2] > 0) & np.isfinite(start + end).all(-1)  # (B, L)
    start, end = (np.where(known[..., None], ends, -1e3)[..., :2] for ends in (start, end))
    steep = np.abs(end - start).argmax(-1) == 1  # longer along y
    swapped = steep[..., None]
    start, end = (np.where(swapped, ends[..., ::-1], ends) for ends in (start, end))  # (B, L, along and across)
    sides, reach = np.where(steep, height, width), np.broadcast_to(radii + 0.5, steep.shape)
    first = np.floor(np.minimum(start, end)[..., 0] - reach).clip(0, sides)
    last = np.ceil(np.maximum(start, end)[..., 0] + reach).clip(0, sides)
    dx, dy = np.moveaxis(end - start, -1, 0)
    slope, length2 = dy / np.where(dx == 0, 1, dx), np.maximum(dx**2 + dy**2, 1e-9)
    steps = (last - first).max(0).astype(int)  # (L,)

    numbers = np.stack(
        [first, *np.moveaxis(start, -1, 0), dx, dy, slope, dx / length2, dy / length2, reach, steep, sides])
    found = {}
    for short in (True, False):  # two groups, because all limbs of a group get the number of steps of its longest limb
        chosen = np.flatnonzero((steps > 0) & ((steps <= SHORT_STEPS) == short))
        if len(chosen):
            pixels, covers = cover_near_limbs(numbers[..., chosen], int(steps[chosen].max()), height, width, device)
            found |= {limb: pair for limb, *pair in zip(chosen.tolist(), pixels, covers)}
    return [(limb, *found[limb]) for limb in sorted(found)]


def cover_near_limbs(numbers: np.ndarray, steps: int, height: int, width: int, device: torch.device
                     ) -> tuple[Tensor, Tensor]:
    """Rows of the canvas and coverage of the pixels near limbs, each (L, B * steps * across).

    numbers (11, B, L): the first pixel along the limb's longer axis; its first end, x0 and y0; its vector dx, dy; dy /
    dx; the vector divided by its squared length; radius + 1/2; whether the longer axis is y, so that x and y are
    swapped; and the map's side along the longer axis."""
    across = math.ceil(2 * math.sqrt(2) * numbers[8].max()) + 1
    numbers = torch.from_numpy(numbers.transpose(0, 2, 1).astype(np.float32)).to(device)[..., None, None]
    first, x0, y0, dx, dy, slope, along_x, along_y, reach, steep, side = numbers  # each (L, B, 1, 1)
    x = first + torch.arange(steps, device=device)[:, None]  # (L, B, steps, 1)
    x_offset = x + 0.5 - x0
    y = (y0 + slope * x_offset - math.sqrt(2) * reach).floor() + torch.arange(across, device=device)  # (..., across)
    y_offset = y + 0.5 - y0
    along = (x_offset * along_x + y_offset * along_y).clamp_(0, 1)
    covers = (reach - torch.hypot(x_offset - along * dx, y_offset - along * dy)).clamp_(0, 1)

    other = height + width - side
    inside = (x < side) & (y >= 0) & (y < other)
    pixels = torch.where(steep > 0, x * width + y, y * width + x).where(inside, height * width).long()
    pixels += torch.arange(x.shape[1], device=device)[:, None, None] * (height * width + 1)
    return pixels.flatten(1), covers.flatten(1)
