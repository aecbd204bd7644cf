"""Poses as fields: every pixel knows where it lies on every limb, and how the body moves there.

Lines are thin and leave most pixels empty, so a network must first learn to carry them to where the body is.
A field says it outright: five channels a limb, how near, how far along (as a slope and as a wave, for stripes and
prints), and on which side how far off; and for each pose before and after, how far from it the body has moved there.
They are computed from the continuous coordinates, so they keep sub-pixel positions at any size.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.learning.windows import Windows
from stages.vision.skeleton import FEET, LIMBS, Pose

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


def channels(parts: tuple, temporal: int) -> int:
    """Of `fields` with that many poses on either side."""
    return CHANNELS * limb_count(parts) + MOTION * 2 * temporal


def fields(poses: Pose, around: np.ndarray, windows: Windows, size: int, stem: int, parts: tuple,
           device: torch.device) -> Tensor:
    """What the windows (B) show of poses in a size x size frame, one value for every stem x stem pixels: of P_t and the
    others in the rows `around` (B, 2 k + 1) of the poses. (B, channels, height / stem, width / stem), channels last:

    nearness  1 on the limb, 1 / 2 at SPREAD from it; 0 everywhere for an unknown limb
    along     nearness times the place along the limb, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the limb's line, in SPREADs
    wave      nearness times the sine and the cosine of TURNS turns along the limb
    motion    to where the nearest limbs are in each other pose, x and y, in SPREADs
    """
    limbs, middle = _limbs(poses, parts), around.shape[1] // 2
    now, others = limbs[around[:, middle]], limbs[np.delete(around, middle, 1)]  # (B, L, 2, 3), (B, 2 k, L, 2, 3)
    start, end = now[..., :2].transpose(2, 0, 1, 3) / size  # (B, L, 2) in frame sides
    known = np.isfinite(start + end).all(-1)
    start, end = np.nan_to_num(start), np.nan_to_num(end)
    dx, dy = (end - start).transpose(2, 0, 1)
    length2 = np.maximum(dx**2 + dy**2, 1e-6)
    length = np.sqrt(length2)
    x, y = ((windows.corners[:, axis, None, None] + stem * (np.arange(side // stem)[:, None] + 0.5)) / size
            - start[:, None, :, axis] for axis, side in enumerate((windows.width, windows.height)))  # (B, w or h, L)

    def tensor(values):
        return torch.from_numpy(values.astype(np.float32)).to(device)

    def outer(by_x, by_y):  # a sum of what depends on x and what depends on y: (B, h, w, L)
        return tensor(by_x)[:, None] + tensor(by_y)[:, :, None]

    along_x, along_y = x * (dx / length2)[:, None], y * (dy / length2)[:, None]
    along = outer(along_x, along_y)
    across = outer(x * (-dy / length / SPREAD)[:, None], y * (dx / length / SPREAD)[:, None])
    place = along.clamp(0, 1)
    beyond = (along - place).mul_(tensor(length / SPREAD)[:, None, None])
    nearness = tensor(known)[:, None, None] / torch.addcmul(across * across, beyond, beyond).add_(1)

    turn = 2 * math.pi * TURNS  # sines and cosines of a sum, from those of its two parts
    sine_x, cosine_x = (tensor(wave(turn * along_x))[:, None] for wave in (np.sin, np.cos))
    sine_y, cosine_y = (tensor(wave(turn * along_y))[:, :, None] for wave in (np.sin, np.cos))
    out = torch.empty(*along.shape[:3], channels(parts, middle), device=device)
    each = out[..., : CHANNELS * along.shape[3]].unflatten(-1, (CHANNELS, -1))  # (B, h, w, 5, L)
    each[..., 0, :] = nearness
    torch.mul(nearness, (along - 0.5).clamp_(-1, 1), out=each[..., 1, :])
    torch.mul(nearness, across, out=each[..., 2, :])
    torch.mul(nearness, torch.addcmul(sine_x * cosine_y, cosine_x, sine_y), out=each[..., 3, :])
    torch.mul(nearness, torch.addcmul(cosine_x * cosine_y, sine_x, sine_y, value=-1), out=each[..., 4, :])

    if middle:
        move = np.nan_to_num((others - now[:, None])[..., :2] / (size * SPREAD))  # (B, 2 k, L, 2, 2)
        at_start, at_end = (  # (B, 4 k, L)
            tensor(move[..., i, :].transpose(0, 1, 3, 2).reshape(len(around), -1, known.shape[1])) for i in (0, 1))
        weight = (nearness * nearness).flatten(1, 2)  # (B, h w, L)
        moved = at_start @ weight.mT + (at_end - at_start) @ (weight * place.flatten(1, 2)).mT  # (B, 4 k, h w)
        moved /= weight.sum(2)[:, None] + FAR
        out[..., CHANNELS * along.shape[3] :] = moved.mT.unflatten(1, along.shape[1:3])
    return out.permute(0, 3, 1, 2)


def _limbs(poses: Pose, parts: tuple) -> np.ndarray:
    """Both ends of every limb, (B, L, 2, 3); NaN where unknown."""
    limbs = []
    if "body" in parts:
        limbs += [(poses.body[:, a], poses.body[:, b]) for a, b in LIMBS]
    if "hands" in parts:
        limbs += [(hand[:, a], hand[:, b]) for hand in (poses.right_hand, poses.left_hand) for a, b in HAND]
    if "feet" in parts:
        limbs += [(poses.feet[:, heel], poses.feet[:, toe]) for _, heel, toe in FEET]
    if "face" in parts:
        limbs += [(poses.face[:, a], poses.face[:, b]) for a, b in FACE]
    ends = np.stack([np.stack(both, 1) for both in limbs], 1).astype(np.float64)
    return np.where(ends[..., 2:] > 0, ends, np.nan)
