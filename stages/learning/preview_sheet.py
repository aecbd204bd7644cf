"""Preview pictures of a training: rows of images joined into one picture."""

import numpy as np
import torch
from torch import Tensor


def preview_sheet(rows: list[Tensor]) -> np.ndarray:
    """Rows of images, each (n, 3, h, w) in [0, 1], as one picture (rows * h, n * w, 3) RGB uint8."""
    sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    return (sheet.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
