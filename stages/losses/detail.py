"""The detail loss (not in the paper): compares the amount of detail in each neighbourhood with that in the real frame,
wherever in the neighbourhood the detail is. If detail is misplaced by a pixel, L1 prefers blur; this term does not."""

import torch
from torch import Tensor
from torch.nn import functional as F

CELL, STEP = 8, 4  # pixels: side of a neighbourhood, and distance between two


def detail_loss(generated: Tensor, real: Tensor) -> Tensor:
    """Mean difference of the neighbourhoods' mean gradients, a scalar. Pictures (B, 3, h, w), at least 9 x 9 pixels."""
    return (mean_gradients(generated) - mean_gradients(real)).abs().mean()


def mean_gradients(pictures: Tensor) -> Tensor:
    """The mean absolute difference of horizontal and of vertical neighbours in cells of CELL x CELL pixels,
    (B, 2 C, h', w')."""
    x, y = pictures.diff(dim=-1)[..., :-1, :], pictures.diff(dim=-2)[..., :-1]
    return F.avg_pool2d(torch.cat([x, y], 1).abs(), CELL, STEP)
