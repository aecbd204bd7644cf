"""Skeleton pictures, drawn on the device: what `stages.pose.skeleton.draw` shows, of many poses at once.

Every limb is a capsule, a pixel's coverage by it 1 / 2 on its edge and linear across one pixel. Only the pixels of a
strip along the limb are computed: for each step along the limb's longer axis the few that lie across it. Later limbs
are laid over earlier ones. Poses have one leading axis, B, and are in pixels of the S x S frame; a picture's are `stem`
times as large.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.learning.crops import Crops
from stages.pose.skeleton import COLOURS, FEET, FINGERS, LIMBS, Pose

WIDTH = 0.0075                          # of lines, share of the side
SHADE = 0.75                            # of a limb, of its joint's colour
HANDS = (255, 120), (0, 255)            # right, left: red and green; blue counts the fingers
WHITE = (255, 255, 255)
SHORT = 8                               # steps


def draw(poses: Pose, windows: Crops, size: int, patch_size: int, parts: tuple, device: torch.device) -> Tensor:
    """What the windows show of the poses in a size x size frame, (B, 3, height / stem, width / stem) in [0, 1]."""
    height, width, count = windows.height // patch_size, windows.width // patch_size, len(poses)
    move, scale = np.append(windows.corners, np.zeros((count, 1)), 1)[:, None], np.array([1 / patch_size, 1 / patch_size, 1])
    small = poses.map(lambda points: (points - move) * scale)
    start, end, colours, radii = strokes(small, parts, max(1.0, WIDTH * size / patch_size))
    colours = torch.tensor(colours / 255, dtype=torch.float32, device=device)

    canvas = torch.zeros(count * (height * width + 1), 3, device=device)  # the last pixel of each takes what is outside
    for i, pixels, covers in strips(start, end, radii, height, width, device):
        canvas.index_copy_(0, pixels, torch.lerp(canvas.index_select(0, pixels), colours[i], covers[:, None]))
    pictures = canvas.unflatten(0, (count, -1))[:, :-1].unflatten(1, (height, width))
    return pictures.permute(0, 3, 1, 2)  # (B, 3, height, width), channels last


def strokes(poses: Pose, parts: tuple, thick: float) -> tuple[np.ndarray, ...]:
    """First ends (B, L, 3) and second ends, colours (L, 3) and radii (L,) of all limbs, in the order of drawing; a
    joint is a limb without length."""
    found = []
    if "body" in parts:
        a, b = np.transpose(LIMBS)
        found += [(poses.body[:, a], poses.body[:, b], np.floor(SHADE * np.array(COLOURS[: len(LIMBS)])), thick / 2),
                  (poses.body, poses.body, COLOURS, thick)]
    if "feet" in parts:
        for ankle, heel, toe in FEET:
            ends = np.stack([poses.body[:, ankle], poses.feet[:, heel], poses.feet[:, toe]], 1)
            found.append((ends[:, :2], ends[:, 1:], (COLOURS[ankle], WHITE), thick / 2))
    if "hands" in parts:
        a, b = np.transpose(FINGERS)
        for hand, tint in zip((poses.right_hand, poses.left_hand), HANDS):
            found.append((hand[:, a], hand[:, b], [(*tint, 50 * (i // 4 + 1)) for i in range(len(FINGERS))], 0.5))
    if "face" in parts:
        found.append((poses.face, poses.face, [WHITE] * poses.face.shape[1], 1.0))
    start, end, colours, radii = zip(*found)
    radii = [radius for radius, several in zip(radii, colours) for _ in several]
    return np.concatenate(start, 1), np.concatenate(end, 1), np.concatenate(colours), np.array(radii)


def strips(start: np.ndarray, end: np.ndarray, radii: np.ndarray, height: int, width: int, device: torch.device):
    """For each limb in turn: its number, the pixels near it in all B pictures, as rows of the canvas (B * n), and how
    much of each it covers (B * n)."""
    known = (start[..., 2] > 0) & (end[..., 2] > 0) & np.isfinite(start + end).all(-1)  # (B, L)
    start, end = (np.where(known[..., None], ends, -1e3)[..., :2] for ends in (start, end))
    steep = np.abs(end - start).argmax(-1) == 1  # runs along y
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
    for few in (True, False):  # short limbs apart: all get as many steps as the longest
        chosen = np.flatnonzero((steps > 0) & ((steps <= SHORT) == few))
        if len(chosen):
            pixels, covers = near(numbers[..., chosen], int(steps[chosen].max()), height, width, device)
            found |= {limb: pair for limb, *pair in zip(chosen.tolist(), pixels, covers)}
    return [(limb, *found[limb]) for limb in sorted(found)]


def near(numbers: np.ndarray, steps: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Canvas rows and covers, (L, B * steps * across), of limbs given by 11 numbers (11, B, L)."""
    across = math.ceil(2 * math.sqrt(2) * numbers[8].max()) + 1
    numbers = torch.from_numpy(numbers.transpose(0, 2, 1).astype(np.float32)).to(device)[..., None, None]
    first, x0, y0, dx, dy, slope, along_x, along_y, reach, steep, side = numbers  # each (L, B, 1, 1)
    x = first + torch.arange(steps, device=device)[:, None]  # (L, B, steps, 1)
    x_off = x + 0.5 - x0
    y = (y0 + slope * x_off - math.sqrt(2) * reach).floor() + torch.arange(across, device=device)  # (..., across)
    y_off = y + 0.5 - y0
    place = (x_off * along_x + y_off * along_y).clamp_(0, 1)
    covers = (reach - torch.hypot(x_off - place * dx, y_off - place * dy)).clamp_(0, 1)

    other = height + width - side
    inside = (x < side) & (y >= 0) & (y < other)
    pixels = torch.where(steep > 0, x * width + y, y * width + x).where(inside, height * width).long()
    pixels += torch.arange(x.shape[1], device=device)[:, None, None] * (height * width + 1)
    return pixels.flatten(1), covers.flatten(1)
