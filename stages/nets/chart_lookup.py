"""Looks up the textures of charts (stages/learning/charts.py): from a pixel to a position in a texture, to a colour."""

import torch
from torch import Tensor
from torch.nn import functional as F

ALONG = -0.4, 1.4  # range of a texture along its limb, in lengths of the limb
ACROSS = 1.3       # and across it, to both sides, in half widths


def chart_coordinates(charts: Tensor, h: int, w: int, cell: int = 1) -> tuple[Tensor, Tensor]:
    """The coordinates along and across each chart, (B, K, h, w) each, at the centres of h x w cells of cell x cell pixels.
    Along is 0 at the chart's start and 1 at its end; across is -1 and 1 at the limb's edges.

    charts (B, K, 7): see stages/learning/charts.py. A chart is never shorter than its half width, so that a limb that
    points to the camera is not stretched without limit."""
    start, unit, length, half_width = _axes(charts)
    x, y = ((torch.arange(count, device=charts.device) + 0.5) * cell for count in (w, h))
    x, y = (x - start[..., :1])[:, :, None], (y - start[..., 1:])[..., None]  # (B, K, 1, w), (B, K, h, 1)
    cosine, sine = unit[..., None, None, 0], unit[..., None, None, 1]
    return (x * cosine + y * sine) / length[..., None, None], (y * cosine - x * sine) / half_width[..., None, None]


def chart_distance(charts: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """How far pixels with these coordinates are from the charts' segments, (B, K, h, w): half widths across, and lengths
    times 1.5 beyond the ends, minus the priority; infinite if the chart is unknown."""
    distance = 1.5 * F.softshrink(along - 0.5, 0.5).abs() + across.abs() - charts[..., 5, None, None]
    return distance.masked_fill((charts[..., 4] == 0)[..., None, None], torch.inf)


def texture_position(along: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Chart coordinates -> positions along and across in the texture, from -1 to 1."""
    return (along - sum(ALONG) / 2) * (2 / (ALONG[1] - ALONG[0])), across / ACROSS


def texel_positions(charts: Tensor, size: int) -> Tensor:
    """The positions x, y of all texels of the charts (K, 7) in pixels, (K, size, size, 2): the inverse of
    `chart_coordinates` and `texture_position` for one frame."""
    start, unit, length, half_width = _axes(charts[:, None, None])  # each (K, 1, 1, 2) or (K, 1, 1)
    side = torch.stack([-unit[..., 1], unit[..., 0]], -1)
    line = torch.linspace(-1, 1, size, device=charts.device)
    along = line[None, :, None] * (ALONG[1] - ALONG[0]) / 2 + sum(ALONG) / 2  # of the columns
    across = line[:, None, None] * ACROSS                                     # of the rows
    return start + along * length[..., None] * unit + across * half_width[..., None] * side


def _axes(charts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Start (..., 2), unit vector from start to end (..., 2), length and half width (...) of charts (..., 7), in pixels."""
    start, axis, half_width = charts[..., :2], charts[..., 2:4] - charts[..., :2], charts[..., 4].clamp_min(1.0)
    length = axis.square().sum(-1).clamp_min(1e-6).sqrt()
    return start, axis / length[..., None], torch.maximum(length, half_width), half_width


def upsample_chosen(fields: Tensor, chosen: Tensor, factor: int) -> Tensor:
    """Fields of K charts (B, F, K, h, w), linearly interpolated to `factor` times the resolution, of the L charts chosen
    in each cell (B, L, h, w) only: (B, F, L, h * factor, w * factor). A cell's neighbours contribute their values for the
    charts of the cell, so nothing is interpolated between charts."""
    b, f, _, h, w = fields.shape
    index = chosen[:, None].expand(b, f, -1, h, w)
    padded = F.pad(fields.flatten(0, 1), (1, 1, 1, 1), mode="replicate").unflatten(0, (b, f))
    near = torch.stack([padded[..., y : y + h, x : x + w].gather(2, index) for y in range(3) for x in range(3)], -1)
    found = near @ _interpolation_weights(factor).to(near).mT  # (B, F, L, h, w, factor^2)
    return F.pixel_shuffle(found.flatten(1, 2).permute(0, 1, 4, 2, 3).flatten(1, 2), factor).unflatten(1, (f, -1))


def _interpolation_weights(factor: int) -> Tensor:
    """Weights of a cell and its eight neighbours in each of factor x factor pixels of the cell, (factor^2, 9)."""
    position = (torch.arange(factor) + 0.5) / factor - 0.5  # from the cell's centre
    line = torch.stack([(-position).clamp_min(0), 1 - position.abs(), position.clamp_min(0)], -1)  # (factor, 3)
    return torch.einsum("ai,bj->abij", line, line).reshape(factor**2, 9)


def sample_textures(textures: Tensor, chosen: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The textures (K, C, T, T) at positions u along and v across, linearly interpolated, (B, C, L, h, w).

    chosen (B, L, h, w): the chart of each pixel; u, v (B, L, h, w) in [-1, 1]. A texture's rows
    are positions across the limb, its columns positions along it."""
    k, c, t, _ = textures.shape
    b, layers, h, w = u.shape
    tall = textures.transpose(0, 1).reshape(1, c, k * t, t)  # one below the other
    x = u * ((t - 1) / t)
    y = (chosen + ((v + 1) * ((t - 1) / 2) + 0.5) / t) * (2 / k) - 1
    grid = torch.stack([x, y], -1).view(b, layers * h, w, 2)
    return F.grid_sample(tall.expand(b, -1, -1, -1), grid, align_corners=False).view(b, c, layers, h, w)
