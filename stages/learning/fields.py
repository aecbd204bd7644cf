"""Poses as fields: every pixel knows where it lies on every limb.

Lines are thin and leave most pixels empty, so a network must first learn to carry them to where the body is.
A field says it outright: five channels a limb, how near, how far along (as a slope and as a wave, for stripes and
prints), and on which side how far off. They are computed from the continuous coordinates, so they keep sub-pixel
positions at any size.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.vision.skeleton import FEET, LIMBS, Pose

CHANNELS = 5       # a limb: nearness, along, across, and a wave along it
TURNS = 4          # of the wave: stripes and prints are quicker than a slope
SPREAD = 0.03      # of the nearness, share of the frame's side
HAND = ((0, 9), (9, 12), (0, 4))  # wrist to middle knuckle, to its tip; wrist to thumb tip
FACE = ((0, 1), (3, 2))           # eye to eye, mouth corner to mouth corner


def limb_count(parts: tuple) -> int:
    """How many limbs the named parts have."""
    counts = {"body": len(LIMBS), "hands": 2 * len(HAND), "feet": len(FEET), "face": len(FACE)}
    return sum(counts[part] for part in parts)


def fields(poses: Pose, size: int, frame_size: int, parts: tuple, device: torch.device) -> Tensor:
    """Poses (leading axis B) in a frame_size x frame_size frame -> (B, 5 * limbs, size, size).

    nearness  1 on the limb, 1 / 2 at SPREAD from it; 0 everywhere for an unknown limb
    along     nearness times the place along the limb, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the limb's line, in SPREADs
    wave      nearness times the sine and the cosine of TURNS turns along the limb
    """
    ends = torch.from_numpy(_limbs(poses, parts) / frame_size).to(device)  # (B, L, 2, 3), x and y in frame sides
    score = ends[..., 2] * frame_size
    known = ((score > 0).all(-1) & ends[..., :2].isfinite().all(-1).all(-1))[..., None, None]  # (B, L, 1, 1)
    start, end = torch.nan_to_num(ends[..., :2]).unbind(2)  # (B, L, 2)
    limb = (end - start)[..., None, None]  # (B, L, 2, 1, 1)
    centres = (torch.arange(size, device=device) + 0.5) / size
    y, x = centres[:, None], centres[None, :]

    dx, dy = x - start[..., 0, None, None], y - start[..., 1, None, None]  # (B, L, 1, size), (B, L, size, 1)
    length2 = (limb[:, :, 0] ** 2 + limb[:, :, 1] ** 2).clamp_min(1e-6)
    along = (dx * limb[:, :, 0] + dy * limb[:, :, 1]) / length2  # (B, L, size, size)
    across = (dy * limb[:, :, 0] - dx * limb[:, :, 1]) / length2.sqrt() / SPREAD
    beyond = (along - along.clamp(0, 1)) * length2.sqrt() / SPREAD
    nearness = known / (1 + across**2 + beyond**2)
    turn = 2 * math.pi * TURNS * along
    return torch.stack([nearness, nearness * (along - 0.5).clamp(-1, 1), nearness * across,
                        nearness * turn.sin(), nearness * turn.cos()], 2).flatten(1, 2)


def _limbs(poses: Pose, parts: tuple) -> np.ndarray:
    """Both ends of every limb, (B, L, 2, 3)."""
    limbs = []
    if "body" in parts:
        limbs += [(poses.body[:, a], poses.body[:, b]) for a, b in LIMBS]
    if "hands" in parts:
        limbs += [(hand[:, a], hand[:, b]) for hand in (poses.right_hand, poses.left_hand) for a, b in HAND]
    if "feet" in parts:
        limbs += [(poses.feet[:, heel], poses.feet[:, toe]) for _, heel, toe in FEET]
    if "face" in parts:
        limbs += [(poses.face[:, a], poses.face[:, b]) for a, b in FACE]
    return np.stack([np.stack(ends, 1) for ends in limbs], 1).astype(np.float32)
