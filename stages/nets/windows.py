"""Windows of the crops of a batch: a training step generates only these at full resolution, to save time."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """B rectangles of one size, one in each crop, in cells of patch_size x patch_size pixels."""

    corners: np.ndarray  # (B, 2) x and y of the top left cell
    width: int
    height: int

    def cut(self, maps: Tensor, scale: int = 1) -> Tensor:
        """The windows of maps (B, C, h * scale, w * scale): (B, C, height * scale, width * scale)."""
        width, height = self.width * scale, self.height * scale
        return torch.stack([one[:, y : y + height, x : x + width]
                            for one, (x, y) in zip(maps, (self.corners * scale).tolist())])

    def charts(self, charts: Tensor, patch_size: int) -> Tensor:
        """Charts (B, K, 7) in pixels of the crops -> in pixels of the windows."""
        move = torch.zeros_like(charts)
        move[..., :4] = torch.from_numpy(self.corners * patch_size).to(charts).tile(2)[:, None]
        return charts - move
