"""Positions in charts of known geometry, and lookups compared with plain interpolation of everything."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages.nets import chart_lookup
from stages.nets.chart_lookup import (
    chart_coordinates, sample_textures, texel_positions, texture_position, upsample_chosen,
)


def chart(start, end, half_width) -> torch.Tensor:
    return torch.tensor([[[*start, *end, half_width, 0]]], dtype=torch.float32)


@pytest.mark.parametrize("turn", [0.0, 0.7, math.pi / 2, 3.0])
def test_start_end_and_edge_of_a_limb(turn):
    axis, normal = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    start = np.array([60.5, 60.5])
    along, across = chart_coordinates(chart(start, start + 40 * axis, 10), 128, 128)
    for point, wanted in ((start, (0, 0)), (start + 40 * axis, (1, 0)), (start + 20 * axis + 10 * normal, (0.5, 1))):
        x, y = np.rint(point - 0.5).astype(int)
        offset = np.array([x, y]) + 0.5 - point  # of the pixel's centre
        expected = wanted + np.array([offset @ axis / 40, offset @ normal / 10])
        assert (float(along[0, 0, y, x]), float(across[0, 0, y, x])) == pytest.approx(tuple(expected), abs=1e-4)


def test_a_limb_that_points_to_the_camera_is_as_long_as_half_its_width():
    along, _ = chart_coordinates(chart((16, 16), (16, 16.01), 8), 32, 32)
    assert float(along.abs().max()) <= 2.1


def test_cells_are_sampled_at_their_centres():
    segment = chart((3, 5), (20, 9), 4)
    fine, coarse = chart_coordinates(segment, 32, 32), chart_coordinates(segment, 8, 8, 4)
    for a, b in zip(fine, coarse):
        assert F.avg_pool2d(a, 4).numpy() == pytest.approx(b.numpy(), abs=1e-4)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_upsampling_of_chosen_charts_equals_upsampling_all(factor):
    torch.manual_seed(0)
    fields, chosen = torch.rand(2, 3, 5, 6, 7), torch.rand(2, 5, 6, 7).topk(2, 1).indices
    whole = F.interpolate(fields.flatten(0, 1), scale_factor=factor, mode="bilinear").unflatten(0, (2, 3))
    index = F.interpolate(chosen.float(), scale_factor=factor).long()
    wanted = torch.stack([whole[:, i].gather(1, index) for i in range(3)], 1)
    assert upsample_chosen(fields, chosen, factor).numpy() == pytest.approx(wanted.numpy(), abs=1e-5)


def test_textures_are_sampled_at_texel_centres_and_between():
    torch.manual_seed(0)
    textures, size = torch.rand(3, 2, 8, 8), 8
    u = (torch.arange(size) / (size - 1) * 2 - 1).expand(1, 1, size, size)
    v = u.mT
    for k in range(3):
        found = sample_textures(textures, torch.full((1, 1, size, size), k), u, v)[0, :, 0]
        assert found.numpy() == pytest.approx(textures[k].numpy(), abs=1e-5)
    between = sample_textures(textures, torch.ones(1, 1, 1, 1).long(), torch.zeros(1, 1, 1, 1), -torch.ones(1, 1, 1, 1))
    assert between.flatten().numpy() == pytest.approx(textures[1, :, 0, 3:5].mean(-1).numpy(), abs=1e-5)


def test_no_texture_bleeds_into_its_neighbour():
    textures = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8), torch.zeros(1, 8, 8)])
    v = torch.linspace(-1, 1, 32).view(1, 1, 32, 1).expand(1, 1, 32, 32)
    found = sample_textures(textures, torch.ones(1, 1, 32, 32).long(), v.mT, v)
    assert found.min() > 1 - 1e-5


def test_texture_ranges_are_those_of_the_module():
    u, v = chart_lookup.texture_position(torch.tensor(chart_lookup.ALONG), torch.tensor([-1.0, 1.0]) * chart_lookup.ACROSS)
    assert u.tolist() == pytest.approx([-1, 1]) and v.tolist() == pytest.approx([-1, 1])


def test_of_two_charts_at_one_distance_the_one_with_priority_is_nearer():
    charts = torch.cat([chart((16, 4), (16, 28), 6)] * 3, 1)
    charts[0, 1, 5], charts[0, 2, 4] = 0.3, 0
    near = chart_lookup.chart_distance(charts, *chart_coordinates(charts, 32, 32))
    assert (near[0, 0] - near[0, 1]).numpy() == pytest.approx(0.3, abs=1e-5) and near[0, 2].isinf().all()


def test_texels_lie_where_their_coordinates_are_those_of_the_texture():
    """A slanted limb; a texel's position is found again by `chart_coordinates`, which is read between pixels."""
    limb = chart((30, 20), (60, 70), 9)
    positions = texel_positions(limb[0], 9)[0]  # (9, 9, 2)
    u, v = texture_position(*chart_coordinates(limb, 100, 100))
    grid = positions[None] / 50 - 1
    line = torch.linspace(-1, 1, 9)
    inside = ((positions > 1) & (positions < 99)).all(-1)
    for found, expected in ((u, line[None, :].expand(9, 9)), (v, line[:, None].expand(9, 9))):
        read = F.grid_sample(found, grid, align_corners=False)[0, 0]
        assert torch.allclose(read[inside], expected[inside], atol=1e-4) and inside.sum() > 60
