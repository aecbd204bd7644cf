"""Poses as fields: every pixel knows where it lies on every limb, and how the body moves there.

Lines are thin and leave most pixels empty, so a network must first learn to carry them to where the body is.
A field says it outright: five channels a limb, how near, how far along (as a slope and as a wave, for stripes and
prints), and on which side how far off; and for each pose before and after, how far from it the body has moved there.
They are computed from the continuous coordinates, so they keep sub-pixel positions at any size.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.learning.crops import Crops
from stages.pose.skeleton import FEET, LIMBS, Pose

CHANNELS = 5       # a limb: nearness, along, across, and a wave along it
MOTION = 2         # a pose before or after: x and y
TURNS = 4          # of the wave: stripes and prints are quicker than a slope
SPREAD = 0.03      # of the nearness, share of the frame's side
FAR = 0.01         # nearness squared at which motion has faded to half
HAND = ((0, 9), (9, 12), (0, 4))  # wrist to middle knuckle, to its tip; wrist to thumb tip
FACE = ((0, 1), (3, 2))           # eye to eye, mouth corner to mouth corner


def limb_count(parts: tuple) -> int:
    """How many limbs the named parts have."""
    counts = {"body": len(LIMBS), "hands": 2 * len(HAND), "feet": len(FEET), "face": len(FACE)}
    return sum(counts[part] for part in parts)


def channels(parts: tuple, pose_context: int) -> int:
    """Of `fields` with that many poses on either side."""
    return CHANNELS * limb_count(parts) + MOTION * 2 * pose_context


def fields(poses: Pose, around: np.ndarray, windows: Crops, size: int, patch_size: int, parts: tuple,
           device: torch.device) -> Tensor:
    """What the windows (B) show of poses in a size x size frame, one value for every stem x stem pixels: of P_t and the
    others in the rows `around` (B, 2 k + 1) of the poses. (B, channels, height / stem, width / stem), channels last:

    nearness  1 on the limb, 1 / 2 at SPREAD from it; 0 everywhere for an unknown limb
    along     nearness times the place along the limb, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the limb's line, in SPREADs
    wave      nearness times the sine and the cosine of TURNS turns along the limb
    motion    to where the nearest limbs are in each other pose, x and y, in SPREADs
    """
    limbs, middle = _limbs(poses[around], parts) / size, around.shape[1] // 2  # (B, 2 k + 1, L, 2, 2) in frame sides
    now = limbs[:, middle]
    known, (start, end) = np.isfinite(now).all((2, 3)), np.nan_to_num(now).transpose(2, 0, 1, 3)  # (B, L), (B, L, 2)
    dx, dy = (end - start).transpose(2, 0, 1)
    length2 = np.maximum(dx**2 + dy**2, 1e-6)
    length = np.sqrt(length2)
    x, y = ((windows.corners[:, axis, None, None] + patch_size * (np.arange(side // patch_size)[:, None] + 0.5)) / size
            - start[:, None, :, axis] for axis, side in enumerate((windows.width, windows.height)))  # (B, w or h, L)

    def tensor(values):
        return torch.from_numpy(values.astype(np.float32)).to(device)

    # all that is linear is a sum of what depends on x, (B, 1, w, L), and what depends on y, (B, h, 1, L)
    along_x, along_y = tensor(x * (dx / length2)[:, None])[:, None], tensor(y * (dy / length2)[:, None])[:, :, None]
    across = (tensor(x * (-dy / length / SPREAD)[:, None])[:, None]
              + tensor(y * (dx / length / SPREAD)[:, None])[:, :, None])
    along = (along_x - 0.5) + along_y  # from the limb's middle
    beyond = F.softshrink(along, 0.5).mul_(tensor(length / SPREAD)[:, None, None])
    nearness = tensor(known)[:, None, None] / beyond.mul_(beyond).addcmul_(across, across).add_(1)

    sine_x, cosine_x, sine_y, cosine_y = (
        function(2 * math.pi * TURNS * part) for part in (along_x, along_y) for function in (torch.sin, torch.cos))
    sine = (sine_x * cosine_y).addcmul_(cosine_x, sine_y)
    cosine = (cosine_x * cosine_y).addcmul_(sine_x, sine_y, value=-1)
    told = [nearness, along.clamp(-1, 1).mul_(nearness), across.mul_(nearness), sine.mul_(nearness),
            cosine.mul_(nearness)]
    if middle:
        told.append(_motion(limbs, nearness, along, tensor))
    return torch.cat(told, 3).permute(0, 3, 1, 2)


def _motion(limbs: np.ndarray, nearness: Tensor, along: Tensor, tensor: Callable) -> Tensor:
    """From limbs (B, 2 k + 1, L, 2, 2) in frame sides: (B, h, w, 4 k). The tensors given are spent."""
    count, middle = len(limbs), limbs.shape[1] // 2
    move = np.nan_to_num((np.delete(limbs, middle, 1) - limbs[:, middle, None]) / SPREAD)  # (B, 2 k, L, 2, 2)
    ends = move.transpose(3, 0, 1, 4, 2).reshape(2, count, 4 * middle, -1)  # (2, B, 4 k, L)
    ends = np.concatenate([ends, np.ones_like(ends[:, :, :1])], 2)  # and how many there are
    half, change = tensor(ends.mean(0)), tensor(ends[1] - ends[0])
    weight = nearness * nearness
    place = along.clamp_(-0.5, 0.5).mul_(weight)
    moved = torch.baddbmm(half @ weight.flatten(1, 2).mT, change, place.flatten(1, 2).mT)  # (B, 4 k + 1, h w)
    moved = moved[:, :-1] / (moved[:, -1:] + FAR)
    return moved.mT.reshape(*nearness.shape[:3], 4 * middle)  # (B, 4 k, h w) -> (B, h, w, 4 k)


def _limbs(poses: Pose, parts: tuple) -> np.ndarray:
    """Both ends of every limb, (..., L, 2, 2); NaN where unknown."""
    limbs = []
    if "body" in parts:
        limbs.append(poses.body[..., LIMBS, :])
    if "hands" in parts:
        limbs += [hand[..., HAND, :] for hand in (poses.right_hand, poses.left_hand)]
    if "feet" in parts:
        limbs.append(poses.feet[..., [(heel, toe) for _, heel, toe in FEET], :])
    if "face" in parts:
        limbs.append(poses.face[..., FACE, :])
    ends = np.concatenate(limbs, -3).astype(np.float64)
    return np.where(ends[..., 2:] > 0, ends[..., :2], np.nan)
