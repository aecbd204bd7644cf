"""What a local GAN sees of a part: a square window of whole pixels around it, and where the part's bones lie in it.

Nothing is resampled, so that what a refiner adds arrives in the picture as it is. Corners (B, 2) are x and y of the
windows' top left pixels, which may lie outside of the frame.
"""

import numpy as np
import torch
from torch import Tensor

from stages.learning import crops
from stages.nets.refiner import REFINED_PARTS
from stages.pose.skeleton import (
    L_ANKLE, L_EAR, L_ELBOW, L_EYE, L_KNEE, L_WRIST, NECK, NOSE, R_ANKLE, R_EAR, R_ELBOW, R_EYE, R_KNEE, R_WRIST, Pose,
)

CHANNELS = 3    # a bone: nearness, along, across
SPREAD = 0.05   # of the nearness, share of the window
FEATHER = 0.08  # of a change at the window's edge, share of the window
OWN = len(Pose.unknown().body)  # below: the body's joints; from here on the part's own points

_HAND = [(0, 5), (5, 17), (17, 0)] + [(4 * k + 1 + i, 4 * k + 2 + 2 * i) for k in range(5) for i in (0, 1)]
_SETS = dict(zip(REFINED_PARTS, ("face", "right_hand", "left_hand", "feet", "feet")))
BONES = {
    "face": [(OWN, OWN + 1), (OWN + 1, OWN + 2), (OWN + 2, OWN + 3), (OWN + 3, OWN), (OWN + 4, OWN + 4),
             (NECK, NOSE), (R_EAR, R_EYE), (L_EAR, L_EYE)],
    "right_hand": [(R_ELBOW, R_WRIST), *((OWN + a, OWN + b) for a, b in _HAND)],
    "left_hand": [(L_ELBOW, L_WRIST), *((OWN + a, OWN + b) for a, b in _HAND)],
    "right_foot": [(R_KNEE, R_ANKLE), (R_ANKLE, OWN), (OWN, OWN + 1), (R_ANKLE, OWN + 1)],
    "left_foot": [(L_KNEE, L_ANKLE), (L_ANKLE, OWN + 2), (OWN + 2, OWN + 3), (L_ANKLE, OWN + 3)],
}


def corners(boxes: np.ndarray, side: int) -> np.ndarray:
    """Of windows whose middles are those of the boxes (..., 4), to the pixel."""
    return np.rint((boxes[..., :2] + boxes[..., 2:] - side) / 2).astype(int)


def cut(pictures: list[Tensor], corners: np.ndarray, side: int) -> Tensor:
    """What a window of each picture (C, S, S) shows, (B, C, c, c); 0 outside of the frame."""
    return crops.cut(pictures, _boxes(corners, side))


def add(pictures: list[Tensor], changes: Tensor, corners: np.ndarray) -> None:
    """Adds changes (B, C, c, c), which fade to nothing at their windows' edges, to the pictures themselves."""
    side = changes.shape[-1]
    place = (torch.arange(side, device=changes.device) + 0.5) / side
    ramp = ((0.5 - (place - 0.5).abs()) / FEATHER).clamp(0, 1)
    for picture, change, box in zip(pictures, changes * torch.minimum(ramp[:, None], ramp), _boxes(corners, side)):
        here, there = crops.overlap(box, picture.shape[-1])
        picture[there] += change[here]


def _boxes(corners: np.ndarray, side: int) -> np.ndarray:
    """Of the windows, (B, 4)."""
    return np.concatenate([corners, corners + side], 1)


def fields(poses: Pose, part: str, corners: np.ndarray, side: int, device: torch.device) -> Tensor:
    """Where the part's bones lie in windows of poses (leading axis B): (B, 3 * bones, c, c).

    nearness  1 on the bone, 1 / 2 at SPREAD from it; 0 everywhere for an unknown one
    along     nearness times the place along the bone, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the bone's line, in SPREADs
    """
    points = np.concatenate([poses.body, getattr(poses, _SETS[part])], 1)[:, np.array(BONES[part])]  # (B, L, 2, 3)
    known = (points[..., 2] > 0).all(-1) & np.isfinite(points).all((2, 3))
    ends = np.nan_to_num((points[..., :2] - corners[:, None, None]) / side).astype(np.float32)  # in windows
    ends, known = torch.from_numpy(ends).to(device), torch.from_numpy(known).to(device)
    start, bone = ends[:, :, 0, :, None, None], (ends[:, :, 1] - ends[:, :, 0])[..., None, None]  # (B, L, 2, 1, 1)
    centres = (torch.arange(side, device=device) + 0.5) / side
    dx, dy = centres - start[:, :, 0], centres[:, None] - start[:, :, 1]  # (B, L, 1, c), (B, L, c, 1)
    bx, by = bone.unbind(2)
    length2 = (bx**2 + by**2).clamp_min(1e-6)
    along = (dx * bx + dy * by) / length2  # (B, L, c, c)
    inside = along.clamp(0, 1)
    away2 = (dx - inside * bx) ** 2 + (dy - inside * by) ** 2
    across = (dy * bx - dx * by) / (length2.sqrt() * SPREAD)
    nearness = known[..., None, None] / (1 + away2 / SPREAD**2)
    return torch.stack([nearness, nearness * (along - 0.5).clamp(-1, 1), nearness * across], 2).flatten(1, 2)


def beside(poses: Pose, part: str, corners: np.ndarray, side: int, told: bool, device: torch.device) -> Tensor:
    """What a refiner is told beside its crop: the fields, or nothing."""
    return fields(poses, part, corners, side, device) if told else torch.zeros(len(poses), 0, side, side, device=device)


def channels(part: str, told: bool) -> int:
    """Of `beside`."""
    return CHANNELS * len(BONES[part]) if told else 0
