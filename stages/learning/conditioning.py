"""The input of the generator: maps of the poses P_t-k .. P_t+k around frame t (paper section 2.2).

There are two kinds of maps. `skeleton`: the drawn skeletons of all 2 k + 1 poses, as in the paper. `limbs`: for every
pixel its position relative to every limb of P_t, and the motion of the nearby limbs from P_t to the other poses.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.learning.charts import chart_segments
from stages.learning.crops import Crops
from stages.learning.limb_maps import draw_limb_maps, limb_map_channels
from stages.learning.skeleton_maps import draw_skeleton_maps
from stages.pose.skeleton import Pose


@dataclass(frozen=True)
class Conditioning:
    """Turns poses into the generator's input."""

    size: int  # S, pixels of the frame
    patch_size: int  # frame pixels per pixel of a map
    parts: tuple[str, ...]
    kind: str  # skeleton or limbs
    pose_context: int  # k, poses before and after P_t
    device: torch.device

    @property
    def in_channels(self) -> int:
        """Channels of the generator's input."""
        if self.kind == "skeleton":
            return 3 * (2 * self.pose_context + 1)
        return limb_map_channels(self.parts, self.pose_context)

    def context_frames(self, frames: np.ndarray, take: np.ndarray) -> np.ndarray:
        """The indices (B, 2 k + 1) of the frames t-k .. t+k around each frame t. Indices beyond the ends of the frame's
        take are replaced by the first or last frame of the take. take (T,): the number of each frame's take,
        ascending."""
        first, last = (np.searchsorted(take, take[frames], side)[:, None] for side in ("left", "right"))
        offsets = np.arange(-self.pose_context, self.pose_context + 1)
        return np.clip(np.asarray(frames)[:, None] + offsets, first, last - 1)

    def pose_maps(self, poses: Pose, context: np.ndarray, crops: Crops) -> Tensor:
        """The generator's input for B crops, (B, in_channels, h / patch_size, w / patch_size), channels last.

        context (B, 2 k + 1): the indices in `poses` of P_t-k .. P_t+k."""
        if self.kind == "limbs":
            return draw_limb_maps(poses, context, crops, self.size, self.patch_size, self.parts, self.device)
        views = np.concatenate([context[..., None], np.broadcast_to(crops.corners[:, None], (*context.shape, 2))], -1)
        views, index = np.unique(views.reshape(-1, 3), axis=0, return_inverse=True)  # draw each (pose, corner) once
        maps = self.skeleton_maps(poses[views[:, 0]], Crops(views[:, 1:], crops.width, crops.height))
        index = torch.from_numpy(index.reshape(context.shape).T.copy()).to(self.device)
        return torch.cat([maps[rows].permute(0, 2, 3, 1) for rows in index], 3).permute(0, 3, 1, 2)

    def charts(self, poses: Pose, crops: Crops) -> Tensor:
        """The charts of B poses (stages/learning/charts.py), in pixels of their crops, (B, K, 7)."""
        segments = chart_segments(poses)
        segments[..., :4] -= np.tile(crops.corners, 2)[:, None]
        return torch.from_numpy(segments).to(self.device)

    def skeleton_maps(self, poses: Pose, crops: Crops) -> Tensor:
        """Drawn skeletons of B poses in B crops, (B, 3, h / patch_size, w / patch_size) in [0, 1]."""
        return draw_skeleton_maps(poses, crops, self.size, self.patch_size, self.parts, self.device)
