"""Limb maps: an input of the generator that gives for every pixel its position relative to every limb, and the motion
of the body there (not in the paper).

In a drawn skeleton most pixels are empty, so a network first has to learn to propagate the thin lines over the whole
body. Limb maps make this unnecessary. Each limb has five channels: nearness, linear position along the limb, signed
distance across it, and sine and cosine of the position (a positional encoding, for textures such as stripes). Each pose
before and after P_t adds two channels with the motion to that pose. Maps are computed from continuous coordinates, so
sub-pixel positions are kept at any resolution.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.learning.crops import Crops
from stages.pose.skeleton import FEET, LIMBS, Pose

CHANNELS_PER_LIMB = 5    # nearness, along, across, and sine and cosine of the wave
CHANNELS_PER_MOTION = 2  # x and y, for each pose before and after P_t
WAVE_PERIODS = 4         # periods of the wave along a limb
SPREAD = 0.03            # distance from a limb at which nearness is 1 / 2, share of the frame's side
MOTION_FADE = 0.01       # sum of the limbs' squared nearness at which the motion is reduced to half
HAND = ((0, 9), (9, 12), (0, 4))  # wrist - middle knuckle, middle knuckle - middle tip, wrist - thumb tip
FACE = ((0, 1), (3, 2))           # right eye - left eye, right - left mouth corner


def limb_count(parts: tuple) -> int:
    """Number of limbs of the named parts."""
    counts = {"body": len(LIMBS), "hands": 2 * len(HAND), "feet": len(FEET), "face": len(FACE)}
    return sum(counts[part] for part in parts)


def limb_map_channels(parts: tuple, pose_context: int) -> int:
    """Channels of `draw_limb_maps` with `pose_context` poses before and after."""
    return CHANNELS_PER_LIMB * limb_count(parts) + CHANNELS_PER_MOTION * 2 * pose_context


def draw_limb_maps(poses: Pose, context: np.ndarray, crops: Crops, size: int, patch_size: int, parts: tuple,
                   device: torch.device) -> Tensor:
    """Limb maps in B crops of a size x size frame, one value for every patch_size x patch_size pixels:
    (B, channels, h / patch_size, w / patch_size), channels last. context (B, 2 k + 1): indices in `poses` of
    P_t-k .. P_t+k. The channels are, each for all limbs of P_t:

    nearness  1 on the limb, 1 / 2 at the distance SPREAD from it; 0 everywhere for an unknown limb
    along     nearness times the position along the limb, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the limb's line, divided by SPREAD
    wave      nearness times sine, and nearness times cosine, of WAVE_PERIODS periods along the limb

    and then, for each other pose:
    motion    x and y of the motion from P_t to that pose: mean over the limbs, weighted by squared nearness; divided by
              SPREAD
    """
    limbs, middle = _limbs(poses[context], parts) / size, context.shape[1] // 2  # (B, 2 k + 1, L, 2, 2) in frame sides
    now = limbs[:, middle]
    known, (start, end) = np.isfinite(now).all((2, 3)), np.nan_to_num(now).transpose(2, 0, 1, 3)  # (B, L), (B, L, 2)
    dx, dy = (end - start).transpose(2, 0, 1)
    length2 = np.maximum(dx**2 + dy**2, 1e-6)
    length = np.sqrt(length2)
    x, y = ((crops.corners[:, axis, None, None] + patch_size * (np.arange(side // patch_size)[:, None] + 0.5)) / size
            - start[:, None, :, axis] for axis, side in enumerate((crops.width, crops.height)))  # (B, w or h, L)

    def tensor(values):
        return torch.from_numpy(values.astype(np.float32)).to(device)

    # linear functions of the position are sums of a function of x, (B, 1, w, L), and a function of y, (B, h, 1, L)
    along_x, along_y = tensor(x * (dx / length2)[:, None])[:, None], tensor(y * (dy / length2)[:, None])[:, :, None]
    across = (tensor(x * (-dy / length / SPREAD)[:, None])[:, None]
              + tensor(y * (dx / length / SPREAD)[:, None])[:, :, None])
    along = (along_x - 0.5) + along_y  # from the limb's middle
    beyond = F.softshrink(along, 0.5).mul_(tensor(length / SPREAD)[:, None, None])
    nearness = tensor(known)[:, None, None] / beyond.mul_(beyond).addcmul_(across, across).add_(1)

    sine_x, cosine_x, sine_y, cosine_y = (
        function(2 * math.pi * WAVE_PERIODS * term)
        for term in (along_x, along_y) for function in (torch.sin, torch.cos))
    sine = (sine_x * cosine_y).addcmul_(cosine_x, sine_y)
    cosine = (cosine_x * cosine_y).addcmul_(sine_x, sine_y, value=-1)
    maps = [nearness, along.clamp(-1, 1).mul_(nearness), across.mul_(nearness), sine.mul_(nearness),
            cosine.mul_(nearness)]
    if middle:
        maps.append(_motion(limbs, nearness, along, tensor))
    return torch.cat(maps, 3).permute(0, 3, 1, 2)


def _motion(limbs: np.ndarray, nearness: Tensor, along: Tensor, tensor: Callable) -> Tensor:
    """The motion channels (B, h, w, 4 k) for limbs (B, 2 k + 1, L, 2, 2) in units of the frame's side. Overwrites
    `along`."""
    count, middle = len(limbs), limbs.shape[1] // 2
    move = np.nan_to_num((np.delete(limbs, middle, 1) - limbs[:, middle, None]) / SPREAD)  # (B, 2 k, L, 2, 2)
    ends = move.transpose(3, 0, 1, 4, 2).reshape(2, count, 4 * middle, -1)  # (2, B, 4 k, L)
    ends = np.concatenate([ends, np.ones_like(ends[:, :, :1])], 2)  # a last row of ones, for the sum of the weights
    mean, change = tensor(ends.mean(0)), tensor(ends[1] - ends[0])
    weight = nearness * nearness
    position = along.clamp_(-0.5, 0.5).mul_(weight)
    moved = torch.baddbmm(mean @ weight.flatten(1, 2).mT, change, position.flatten(1, 2).mT)  # (B, 4 k + 1, h w)
    moved = moved[:, :-1] / (moved[:, -1:] + MOTION_FADE)
    return moved.mT.reshape(*nearness.shape[:3], 4 * middle)  # (B, 4 k, h w) -> (B, h, w, 4 k)


def _limbs(poses: Pose, parts: tuple) -> np.ndarray:
    """The two end points of every limb, (..., L, 2, 2): limb, end, x and y. NaN if an end is unknown."""
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
