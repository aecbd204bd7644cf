"""Pictures of a limb atlas: its textures, and which of them each pixel shows."""

import colorsys

import numpy as np
import torch
from torch import Tensor

from stages.learning.charts import CHARTS
from stages.learning.preview_sheet import preview_sheet

UPWARDS = ("trunk", "head", "face")  # charts whose start is their lower end


def atlas_sheet(textures: Tensor) -> np.ndarray:
    """The textures (K, 3, T, T) as they lie on the body, RGB uint8: trunk, head and face above; then the right limbs and
    the left limbs from the shoulder to the hand and from the hip to the foot."""
    upright = textures.mT  # rows: positions along the limb
    upright = [texture.flip(1) if chart.name in UPWARDS else texture for chart, texture in zip(CHARTS, upright)]
    rows = [[texture for chart, texture in zip(CHARTS, upright) if chart.name.split("_")[0] == side]
            for side in ("right", "left")]
    middle = [texture for chart, texture in zip(CHARTS, upright) if chart.name in UPWARDS]
    middle += [torch.ones_like(textures[0])] * (len(rows[0]) - len(middle))
    return preview_sheet([torch.stack(row) for row in (middle, *rows)])


def chart_colours(device: torch.device) -> Tensor:
    """A colour for each chart, (K, 3) RGB in [0, 1]."""
    return torch.tensor([colorsys.hsv_to_rgb(7 * k % len(CHARTS) / len(CHARTS), 0.7, 1.0) for k in range(len(CHARTS))],
                        device=device)
