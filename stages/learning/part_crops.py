"""The input of a local GAN: a square crop around a body part, and limb maps of the part in this crop.

Crops are not resampled, so a refiner's residual can be added to the frame pixel by pixel. Corners (B, 2) are x and y of
the crops' top left pixels, which may lie outside the frame.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.learning.crops import crop_images, overlap_slices
from stages.nets.refiner import REFINED_PARTS
from stages.pose.skeleton import (
    L_ANKLE, L_EAR, L_ELBOW, L_EYE, L_KNEE, L_WRIST, NECK, NOSE, R_ANKLE, R_EAR, R_ELBOW, R_EYE, R_KNEE, R_WRIST, Pose,
)

CHANNELS_PER_LIMB = 3  # nearness, along, across
SPREAD = 0.05          # distance from a limb at which nearness is 1 / 2, share of the crop's side
FEATHER = 0.08         # width of the crop's border in which a change falls to 0, share of the crop's side
OWN = len(Pose.unknown().body)  # in PART_LIMBS smaller numbers are joints of the body; OWN + i is point i of the part

_HAND = [(0, 5), (5, 17), (17, 0)] + [(4 * k + 1 + i, 4 * k + 2 + 2 * i) for k in range(5) for i in (0, 1)]
_POINTS = dict(zip(REFINED_PARTS, ("face", "right_hand", "left_hand", "feet", "feet")))  # field of Pose
PART_LIMBS = {
    "face": [(OWN, OWN + 1), (OWN + 1, OWN + 2), (OWN + 2, OWN + 3), (OWN + 3, OWN), (OWN + 4, OWN + 4),
             (NECK, NOSE), (R_EAR, R_EYE), (L_EAR, L_EYE)],
    "right_hand": [(R_ELBOW, R_WRIST), *((OWN + a, OWN + b) for a, b in _HAND)],
    "left_hand": [(L_ELBOW, L_WRIST), *((OWN + a, OWN + b) for a, b in _HAND)],
    "right_foot": [(R_KNEE, R_ANKLE), (R_ANKLE, OWN), (OWN, OWN + 1), (R_ANKLE, OWN + 1)],
    "left_foot": [(L_KNEE, L_ANKLE), (L_ANKLE, OWN + 2), (OWN + 2, OWN + 3), (L_ANKLE, OWN + 3)],
}


def crop_side(side: float, grid: int) -> int:
    """The side of the crops nearest to `side` pixels: a multiple of 8 and of `grid`, at least 16 pixels."""
    step = math.lcm(8, grid)
    return max(round(side / step), math.ceil(16 / step)) * step


def crop_corners(boxes: np.ndarray, side: int) -> np.ndarray:
    """Corners (..., 2) of the side x side crops centred on boxes (..., 4), rounded to whole pixels."""
    return np.rint((boxes[..., :2] + boxes[..., 2:] - side) / 2).astype(int)


def crop_parts(images: list[Tensor], corners: np.ndarray, side: int) -> Tensor:
    """One crop of each image (C, S, S): (B, C, side, side), 0 outside the image."""
    return crop_images(images, _boxes(corners, side))


def add_changes(images: list[Tensor], changes: Tensor, corners: np.ndarray) -> None:
    """Adds changes (B, C, c, c) to B images (C, S, S), in place. Within FEATHER of the crop's border the change falls
    linearly to 0."""
    side = changes.shape[-1]
    position = (torch.arange(side, device=changes.device) + 0.5) / side
    ramp = ((0.5 - (position - 0.5).abs()) / FEATHER).clamp(0, 1)
    for image, change, box in zip(images, changes * torch.minimum(ramp[:, None], ramp), _boxes(corners, side)):
        in_crop, in_image = overlap_slices(box, image.shape[-1])
        image[in_image] += change[in_crop]


def _boxes(corners: np.ndarray, side: int) -> np.ndarray:
    return np.concatenate([corners, corners + side], 1)  # (B, 4)


def draw_part_limb_maps(poses: Pose, part: str, corners: np.ndarray, side: int, device: torch.device) -> Tensor:
    """The part's limbs in side x side crops of B poses, (B, 3 * limbs, side, side). The channels of each limb:

    nearness  1 on the limb, 1 / 2 at the distance SPREAD from it; 0 everywhere for an unknown limb
    along     nearness times the position along the limb, -1/2 at its first end, 1/2 at the second
    across    nearness times the signed distance from the limb's line, divided by SPREAD
    """
    points = np.concatenate([poses.body, getattr(poses, _POINTS[part])], 1)
    points = points[:, np.array(PART_LIMBS[part])]  # (B, L, 2, 3)
    known = (points[..., 2] > 0).all(-1) & np.isfinite(points).all((2, 3))
    ends = np.nan_to_num((points[..., :2] - corners[:, None, None]) / side).astype(np.float32)  # in crop sides
    ends, known = torch.from_numpy(ends).to(device), torch.from_numpy(known).to(device)
    start, limb = ends[:, :, 0, :, None, None], (ends[:, :, 1] - ends[:, :, 0])[..., None, None]  # (B, L, 2, 1, 1)
    centres = (torch.arange(side, device=device) + 0.5) / side
    dx, dy = centres - start[:, :, 0], centres[:, None] - start[:, :, 1]  # (B, L, 1, c), (B, L, c, 1)
    limb_x, limb_y = limb.unbind(2)
    length2 = (limb_x**2 + limb_y**2).clamp_min(1e-6)
    along = (dx * limb_x + dy * limb_y) / length2  # (B, L, c, c)
    inside = along.clamp(0, 1)
    distance2 = (dx - inside * limb_x) ** 2 + (dy - inside * limb_y) ** 2
    across = (dy * limb_x - dx * limb_y) / (length2.sqrt() * SPREAD)
    nearness = known[..., None, None] / (1 + distance2 / SPREAD**2)
    return torch.stack([nearness, nearness * (along - 0.5).clamp(-1, 1), nearness * across], 2).flatten(1, 2)


def part_conditioning(poses: Pose, part: str, corners: np.ndarray, side: int, limb_maps: bool, device: torch.device
                      ) -> Tensor:
    """The conditioning of a refiner, (B, channels, side, side): the part's limb maps, or no channels if `limb_maps` is
    false."""
    if limb_maps:
        return draw_part_limb_maps(poses, part, corners, side, device)
    return torch.zeros(len(poses), 0, side, side, device=device)


def part_conditioning_channels(part: str, limb_maps: bool) -> int:
    """Number of channels of `part_conditioning`."""
    return CHANNELS_PER_LIMB * len(PART_LIMBS[part]) if limb_maps else 0
