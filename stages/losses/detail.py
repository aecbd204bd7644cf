"""The detail loss (not in the paper): whether each neighbourhood contains as much detail as in the real frame, wherever in the
neighbourhood it lies. L1 alone prefers blur where detail is misplaced by a pixel; this term does not."""

import torch
from torch import Tensor
from torch.nn import functional as F

CELL, STEP = 8, 4  # pixels: side of a neighbourhood, and distance between two


def detail_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Mean difference of the neighbourhoods' mean gradients, a scalar; pictures (B, 3, h, w) of at least 9 x 9 pixels."""
    return (mean_gradients(generated) - mean_gradients(real)).abs().mean()


def mean_gradients(pictures: Tensor) -> Tensor:
    """The mean absolute difference of horizontal and of vertical neighbours in cells of CELL x CELL pixels,
    (B, 2 C, h', w')."""
    x, y = pictures.diff(dim=-1)[..., :-1, :], pictures.diff(dim=-2)[..., :-1]
    return F.avg_pool2d(torch.cat([x, y], 1).abs(), CELL, STEP)
