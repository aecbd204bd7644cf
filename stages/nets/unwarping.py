"""The initial textures of a limb atlas: the colours of some frames, unwarped to the coordinates of the charts."""

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.nets.chart_lookup import chart_coordinates, chart_distance, texture_position

OPAQUE = 0.9  # alpha from which a pixel counts
UNKNOWN = 0.5  # colour of a texture of which nothing was seen


@torch.no_grad()
def unwarped_textures(charts: Tensor, foregrounds: Tensor, size: int) -> Tensor:
    """Textures (K, 4, size, size), RGB and alpha in [0, 1], of K charts (B, K, 6) seen in foregrounds (B, 4, h, w).

    A pixel belongs to the nearest chart. The colours are those of the frame which shows most of the chart, because a mean
    over frames would be blurred. What this frame does not show is the mean over all frames, or else a mean over the
    surroundings. Alpha is the mean over all frames, and 0 where no pixel ever was."""
    k = charts.shape[1]
    best, best_seen = charts.new_zeros(k, 4, size, size), charts.new_zeros(k) - 1
    total, coverage = torch.zeros_like(best), charts.new_zeros(k, 2, size, size)
    for chart, foreground in zip(charts, foregrounds):
        found, covered = _unwarped(chart, foreground, size).split([4, 2], 1)
        coverage += covered
        seen = (found[:, 3] > 0).sum((1, 2)).float()
        better = seen > best_seen
        best, best_seen = torch.where(better[:, None, None, None], found, best), torch.where(better, seen, best_seen)
        total += found
    textures = torch.full_like(best[:, :3], UNKNOWN)
    cells = [2**n for n in range(size.bit_length() - 1, 0, -1)]  # texels: 64, 32, .. 2 for a size of 64
    means = (F.interpolate(F.avg_pool2d(total, cell, ceil_mode=True), (size, size), mode="bilinear") for cell in cells)
    for colours in (*means, total, best):
        textures = torch.where(colours[:, 3:] > 0, colours[:, :3] / colours[:, 3:].clamp_min(1e-9), textures)
    return torch.cat([textures, coverage[:, :1] / coverage[:, 1:].clamp_min(1)], 1)


def _unwarped(charts: Tensor, foreground: Tensor, size: int) -> Tensor:
    """Sums over the pixels that one foreground (4, h, w) has in each texel of the charts (K, 6), (K, 6, size, size): colours
    of opaque pixels and their number, alpha and the number of all pixels."""
    along, across = chart_coordinates(charts[None], *foreground.shape[-2:])  # (1, K, h, w)
    distance, along, across = chart_distance(charts[None], along, across)[0], along[0], across[0]
    least, nearest = distance.min(0, keepdim=True)  # (1, h, w)
    u, v = ((position.gather(0, nearest) + 1) / 2 * size for position in texture_position(along, across))
    u, v = u.floor().long(), v.floor().long()
    seen = least.isfinite() & (u >= 0) & (u < size) & (v >= 0) & (v < size)
    colour, alpha = foreground.split([3, 1])
    opaque = (alpha > OPAQUE).float()
    values = torch.cat([opaque * colour / alpha.clamp_min(OPAQUE), opaque, alpha, torch.ones_like(alpha)])  # (6, h, w)
    sums = foreground.new_zeros(len(charts) * size * size, 6)
    sums.index_add_(0, ((nearest * size + v) * size + u)[seen], values[:, seen[0]].T)
    return sums.view(len(charts), size, size, 6).permute(0, 3, 1, 2)
