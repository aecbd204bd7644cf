"""What the generator is told: the pose context window <P_t-k .. P_t+k> (paper section 2.2), as skeleton pictures or,
where the drawing is `fields`, as every pixel's place on every limb of P_t and its motion before and after."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.learning import limb_maps
from stages.learning.crops import Crops
from stages.learning.skeleton_maps import draw
from stages.pose.skeleton import Pose


@dataclass(frozen=True)
class Conditioning:
    """How a pose is told. `size` is S, pixels."""

    size: int
    patch_size: int
    parts: tuple[str, ...]
    pose_maps: str   # lines or fields
    pose_context: int  # k, poses on either side
    device: torch.device

    @property
    def inputs(self) -> int:
        """Channels."""
        lines = 3 * (2 * self.pose_context + 1)
        return lines if self.pose_maps == "skeleton" else limb_maps.channels(self.parts, self.pose_context)

    def around(self, frames: np.ndarray, take: np.ndarray) -> np.ndarray:
        """The frames t-k .. t+k of each t, (B, 2 k + 1); beyond either end of its take, of which `take` (T,) has the
        number for every pose, rising, the last one is repeated."""
        first, last = (np.searchsorted(take, take[frames], side)[:, None] for side in ("left", "right"))
        return np.clip(np.asarray(frames)[:, None] + np.arange(-self.pose_context, self.pose_context + 1), first, last - 1)

    def of(self, poses: Pose, around: np.ndarray, windows: Crops) -> Tensor:
        """What the windows (B) show of the poses in the rows `around` (B, 2 k + 1), (B, inputs, h / stem, w / stem),
        channels last."""
        if self.pose_maps == "limbs":
            return limb_maps.fields(poses, around, windows, self.size, self.patch_size, self.parts, self.device)
        views = np.concatenate([around[..., None], np.broadcast_to(windows.corners[:, None], (*around.shape, 2))], -1)
        views, place = np.unique(views.reshape(-1, 3), axis=0, return_inverse=True)  # each is drawn once
        pictures = self.picture(poses[views[:, 0]], Crops(views[:, 1:], windows.width, windows.height))
        place = torch.from_numpy(place.reshape(around.shape).T.copy()).to(self.device)
        return torch.cat([pictures[rows].permute(0, 2, 3, 1) for rows in place], 3).permute(0, 3, 1, 2)

    def picture(self, poses: Pose, windows: Crops) -> Tensor:
        """The skeletons that the windows show, (B, 3, h / stem, w / stem)."""
        return draw(poses, windows, self.size, self.patch_size, self.parts, self.device)
