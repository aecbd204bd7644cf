"""The initial textures of a limb atlas: the colours of some frames, unwarped to the coordinates of the charts."""

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.nets.chart_lookup import chart_coordinates, chart_distance, texel_positions

OPAQUE = 0.9  # alpha from which a pixel counts
CLEAR = 1.3   # distance, half widths, from which a chart of another group is not near
NEAR = 8      # texels, size of the cells from which alpha is continued
UNKNOWN = 0.5  # colour of a texture of which nothing was seen


@torch.no_grad()
def unwarped_textures(charts: Tensor, foregrounds: Tensor, size: int, groups: Tensor | None = None) -> Tensor:
    """Textures (K, 4, size, size), RGB and alpha in [0, 1], of K charts (B, K, 7) seen in foregrounds (B, 4, h, w).

    A pixel belongs to the nearest chart, and is clear if no chart of another group is near; groups (K,): by default each chart
    is a group of its own. The colours are those of the frame which shows the chart in most clear pixels, because a mean over
    frames would be blurred. What this frame does not show is the mean over all frames, or else a mean over the surroundings. Alpha is the mean
    over all frames, and 0 far from what any frame shows. Both means are over clear pixels where there are any."""
    k = charts.shape[1]
    groups = torch.arange(k, device=charts.device) if groups is None else groups
    best, most = charts.new_zeros(k, 4, size, size), charts.new_zeros(k) - 1
    totals, coverages = charts.new_zeros(2, k, 4, size, size), charts.new_zeros(2, k, 2, size, size)  # all, clear
    for chart, foreground in zip(charts, foregrounds):
        found, covered, clear, area = _unwarped(chart, foreground, size, groups)
        pixels = (found[:, 3:] * clear).mean((1, 2, 3)) * area
        better = pixels > most
        best, most = torch.where(better[:, None, None, None], found * clear, best), torch.where(better, pixels, most)
        totals += torch.stack([found, found * clear])
        coverages += torch.stack([covered, covered * clear])
    total, coverage = (torch.where(of_clear[:, -1:] > 0, of_clear, of_all) for of_all, of_clear in (totals, coverages))
    colours = torch.full_like(best[:, :3], UNKNOWN)
    cells = [2**n for n in range(size.bit_length() - 1, 0, -1)]  # texels: 64, 32, .. 2 for a size of 64
    for seen in (*(_means(total, cell) for cell in cells), total, best):
        colours = torch.where(seen[:, 3:] > 0, seen[:, :3] / seen[:, 3:].clamp_min(1e-9), colours)
    alpha = torch.zeros_like(colours[:, :1])
    for seen in (*(_means(coverage, cell) for cell in cells if cell <= NEAR), coverage):
        alpha = torch.where(seen[:, 1:] > 0, seen[:, :1] / seen[:, 1:].clamp_min(1e-9), alpha)
    return torch.cat([colours, alpha], 1)


def _means(sums: Tensor, cell: int) -> Tensor:
    """The means of sums (K, C, size, size) over cells of cell x cell texels, interpolated."""
    return F.interpolate(F.avg_pool2d(sums, cell, ceil_mode=True), sums.shape[-2:], mode="bilinear")


def _unwarped(charts: Tensor, foreground: Tensor, size: int, groups: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What one foreground (4, h, w) shows of the charts (K, 7): the colours of opaque texels times 1, and 1, (K, 4, size,
    size); alpha and 1 of all texels in view, (K, 2, size, size); which texels are clear, (K, 1, size, size); and the charts'
    areas in pixels, (K,)."""
    h, w = foreground.shape[-2:]
    distance = chart_distance(charts[None], *chart_coordinates(charts[None], h, w))[0]  # (K, h, w)
    least, nearest = distance.min(0)
    positions = texel_positions(charts, size)  # (K, size, size, 2), pixels
    x, y = positions.floor().long().unbind(-1)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    x, y = x.clamp(0, w - 1), y.clamp(0, h - 1)
    own = inside & (nearest[y, x] == torch.arange(len(charts), device=x.device)[:, None, None]) & least[y, x].isfinite()
    others = torch.stack([distance.masked_fill((groups == group)[:, None, None], torch.inf).amin(0)
                          for group in range(int(groups.max()) + 1)])  # (groups, h, w)
    clear = (others[groups[:, None, None], y, x] > CLEAR)[:, None]
    grid = positions * (2 / positions.new_tensor([w, h])) - 1
    values = F.grid_sample(foreground.expand(len(charts), -1, -1, -1), grid, align_corners=False)  # (K, 4, size, size)
    colour, alpha = values.split([3, 1], 1)
    opaque = (own[:, None] & (alpha > OPAQUE)).float()
    found = torch.cat([opaque * colour / alpha.clamp_min(OPAQUE), opaque], 1)
    area = (charts[:, :2] - charts[:, 2:4]).norm(dim=1) * charts[:, 4]
    return found, own[:, None] * torch.cat([alpha, torch.ones_like(alpha)], 1), clear.float(), area
