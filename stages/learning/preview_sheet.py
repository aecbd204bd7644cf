"""Preview pictures of a training: chooses evenly spaced frames, and joins rows of images into one picture."""

import numpy as np
import torch
from torch import Tensor


def evenly_spaced(count: int, wanted: int) -> np.ndarray:
    """`wanted` evenly spaced indices from 0 to count - 1. If count < wanted, some indices repeat."""
    return np.linspace(0, count - 1, wanted).round().astype(int)


def preview_sheet(rows: list[Tensor]) -> np.ndarray:
    """Rows of images, each (n, 3, h, w) in [0, 1], as one picture (rows * h, n * w, 3) RGB uint8."""
    sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    return (sheet.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
