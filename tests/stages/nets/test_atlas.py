"""The generator with a limb atlas, on charts of known positions."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages.matting.shadows import DARKEST
from stages.nets.atlas import AtlasGenerator, AtlasShape, seen_shares, union
from stages.nets.windows import Windows

CHARTS = torch.tensor([[[20.0, 8, 20, 40, 6, 0, 0], [40, 8, 40, 40, 6, 0, 0]], [[20, 10, 22, 44, 6, 0, 0], [40, 8, 40, 40, 0, 0, 0]]])


def network(**changes) -> AtlasGenerator:
    torch.manual_seed(0)
    return AtlasGenerator(AtlasShape(**{
        "width": 8, "max_channels": 32, "num_downsamples": 2, "patch_size": 4, "dense": True, "inputs": 5, "charts": 2,
        "texture_size": 16, "texture_channels": 4, **changes}))


def sampled(generator: AtlasGenerator, predicted: torch.Tensor, charts: torch.Tensor) -> torch.Tensor:
    """What the textures show, before the convolutions at full resolution: (B, C, h, w)."""
    return generator.sampled(*generator.locate(predicted, charts, generator.shape.patch_size))


@pytest.mark.parametrize("patch_size", [2, 4])
def test_foreground_is_a_premultiplied_picture_of_full_size(patch_size):
    found = network(patch_size=patch_size)(torch.rand(2, 5, 64 // patch_size, 64 // patch_size), CHARTS)
    assert found.shape == (2, 4, 64, 64) and found.isfinite().all()
    assert (found >= 0).all() and (found[:, :3] <= found[:, 3:]).all()


def test_an_untrained_network_shows_the_colours_of_the_frames_it_was_initialised_with():
    painted = torch.zeros(1, 4, 64, 64)
    painted[:, 0, :, :30], painted[:, 1, :, 30:], painted[:, 3] = 0.8, 0.8, 1
    painted[:, 2] = 0.3
    generator = network()
    generator.initialise(CHARTS[:1], painted)
    moved = CHARTS[:1] + torch.tensor([0, 16.0, 0, 16, 0, 0, 0])
    found = sampled(generator, torch.zeros(1, 6, 16, 16), moved)[:, :3].sigmoid()  # (1, 3, 64, 64)
    for x, colour in ((20, (0.8, 0.02, 0.3)), (40, (0.02, 0.8, 0.3))):
        assert found[0, :, 40, x].tolist() == pytest.approx(colour, abs=0.02)


def test_a_chart_with_unknown_ends_is_not_seen():
    generator = network()
    with torch.no_grad():
        generator.scaled_textures[0], generator.scaled_textures[1] = 1, -1
    found = sampled(generator, torch.zeros(2, 6, 16, 16), CHARTS).detach()[:, :3]
    assert float(found[1].max() - found[1].min()) < 1e-3 and found[0].min() < 0 < found[0].max()


@pytest.mark.parametrize("front, top", [(1.0, 0), (-1.0, 1)])
def test_the_limb_in_front_is_seen_up_to_its_edge_and_the_other_one_beyond(front, top):
    """A narrow limb, opaque inside of its edges, before or behind a wide one."""
    charts = torch.tensor([[[32.0, 8, 32, 56, 4, 0.5, front], [32, 4, 32, 60, 16, 0, 0]]])
    generator = network(texture_size=32)
    textures = torch.full((2, 4, 32, 32), 4.0)
    textures[0, 0], textures[1, 1] = -4, -4            # cyan; magenta
    textures[0, 3, :4], textures[0, 3, -4:] = -9, -9  # across: transparent from 0.98 half widths
    with torch.no_grad():
        generator.scaled_textures.copy_(textures.flatten(2) / 5)
    found = sampled(generator, torch.zeros(1, 6, 16, 16), charts).sigmoid()  # (1, 4, 64, 64)
    assert (found[0, 3, 16:48, 20:44] > 0.9).all()
    assert found[0, top, 32, 32] < 0.1 < 0.9 < found[0, 1 - top, 32, 32]
    assert found[0, 1, 32, 22] < 0.1 < 0.9 < found[0, 0, 32, 22] and found[0, 1, 32, 38] < 0.1


def test_two_layers_let_through_what_compositing_one_over_the_other_does():
    alpha, in_front = torch.randn(3, 2, 4, 4), torch.rand(3, 1, 4, 4)
    a, b = alpha.sigmoid().unbind(1)
    first = in_front[:, 0] * a + (1 - in_front[:, 0]) * a * (1 - b)  # of the colour of the first layer
    both = a + b - a * b
    found = seen_shares(torch.cat([in_front, 1 - in_front], 1), alpha)
    assert torch.allclose(found[:, 0], first / both, atol=0.01) and torch.allclose(found.sum(1), torch.ones(3, 4, 4))
    assert torch.allclose(union(alpha)[:, 0].sigmoid(), both, atol=1e-5)


def test_offsets_move_the_texture_only_if_they_are_on():
    predicted = torch.zeros(2, 6, 16, 16)
    predicted[:, 2:] = 1.0
    for on in (True, False):
        generator = network(texture_offsets=on)
        same = torch.equal(sampled(generator, torch.zeros_like(predicted), CHARTS), sampled(generator, predicted, CHARTS))
        assert same != on


def test_gradients_reach_textures_weights_offsets_and_charts():
    generator, charts = network(), CHARTS.clone().requires_grad_()
    found = generator(torch.rand(2, 5, 16, 16), charts)
    F.l1_loss(found, torch.rand_like(found)).backward()
    for grad in (generator.scaled_textures.grad, generator.lookup.weight.grad, charts.grad, generator.coarse[0].weight.grad):
        assert grad.isfinite().all() and grad.abs().sum() > 0
    assert (generator.lookup.bias.grad.view(3, 2).abs().sum(1) > 0).all()


def test_the_maps_show_each_chart_where_it_lies_and_its_offsets():
    colours = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
    generator = network()
    found, offsets = generator.maps(torch.rand(1, 5, 16, 16), CHARTS[:1], colours)  # (1, 3, 64, 64) each
    assert found[0, 0, 24, 20] > 0.9 and found[0, 2, 24, 40] > 0.9 and torch.allclose(offsets, torch.tensor(0.5))
    with torch.no_grad():
        generator.lookup.bias[2] = 9.0  # along, of the first chart
    offsets = generator.maps(torch.rand(1, 5, 16, 16), CHARTS[:1], colours)[1]
    assert offsets[0, 0, 24, 20] > 0.9 and offsets[0, :, 24, 40].tolist() == pytest.approx([0.5] * 3, abs=0.01)


def test_a_limb_does_not_vanish_in_a_pose_that_was_not_filmed():
    """Even if the convolutions say that nothing is there."""
    painted = torch.zeros(1, 4, 64, 64)
    painted[:, :, 8:40, 14:46] = 1
    generator = network()
    generator.initialise(CHARTS[:1], painted)
    with torch.no_grad():
        generator.scaled_textures[:, 3] *= 2
        generator.picture[-1].bias[3] = -1000
    alpha = generator(torch.rand(1, 5, 16, 16), CHARTS[:1])[0, 3]
    assert alpha[24, 20] > 0.9


def test_nothing_is_seen_far_outside_of_the_textures():
    """Even if a texture is opaque up to its edge."""
    generator = network()
    with torch.no_grad():
        generator.scaled_textures[:, 3] = 2.0
        generator.picture[-1].bias[3] = 1000
    alpha = generator(torch.rand(1, 5, 32, 32), CHARTS[:1])[0, 3]
    assert alpha[:, 80:].max() < 0.01 and alpha[24, 20] > 0.9


def test_a_shadow_is_dark_and_vanishes_at_the_border_of_the_crop():
    generator = network(shadows=True)
    with torch.no_grad():
        generator.scaled_textures[:, 3] = -2.0  # no person, a shadow that is as dark as it can be, with some red
        generator.shadow.bias[:] = torch.tensor([-1.0, -20.0, -20.0, 20.0])
    found = generator(torch.rand(1, 5, 16, 16), CHARTS[:1])[0].detach()
    assert found[3, 32, 52] == pytest.approx(DARKEST, abs=0.01) and found[1:3].max() < 0.01
    assert found[0, 32, 52] == pytest.approx(DARKEST * 0.269, abs=0.01)
    assert found[3, 0].max() < 0.1 and found[3, :, -1].max() < 0.1
    assert network(shadows=True)(torch.rand(1, 5, 16, 16), CHARTS[:1])[0, 3, 60, 60] < 0.02  # hardly any before training


def test_textures_are_initialised_without_the_shadow():
    painted = torch.zeros(1, 4, 64, 64)
    painted[:, 3] = 0.4  # a shadow everywhere
    painted[:, :, 8:40, 14:26] = 1
    generator = network(shadows=True)
    generator.initialise(CHARTS[:1], painted)
    alpha = generator.textures[:, 3].sigmoid()
    assert alpha[0, 8, 8] > 0.9 and alpha[1].max() < 0.05


@pytest.mark.parametrize("windows", [None, Windows(np.array([[2, 4], [5, 0]]), 8, 9)])
@pytest.mark.parametrize("patch_size, reduction", [(4, 1), (4, 2), (8, 4)])
def test_windows_and_lower_resolutions_show_the_same_picture(patch_size, reduction, windows):
    """Apart from the border of a window, where the convolutions have no input, and detail."""
    generator = network(patch_size=patch_size, texture_size=4, shadows=True).eval()
    with torch.no_grad():
        torch.nn.init.normal_(generator.lookup.weight, std=0.1)
        generator.scaled_textures.copy_(torch.randn(generator.scaled_textures.shape))
        generator.picture[-1].weight.zero_()
        pose_maps = torch.rand(2, 5, 16, 16)
        charts = torch.cat([CHARTS[..., :5] * (patch_size / 4), CHARTS[..., 5:]], -1)
        whole = generator(pose_maps, charts)
        found = generator(pose_maps, charts, windows, reduction)
    expected = F.avg_pool2d(windows.cut(whole, patch_size) if windows else whole, reduction)
    inner = np.s_[..., patch_size // reduction : -(patch_size // reduction), patch_size // reduction : -(patch_size // reduction)]
    assert found.shape == expected.shape
    assert (found - expected)[inner].abs().mean() < (1e-6 if reduction == 1 else 0.05 * expected[inner].std())


def test_nothing_jumps_where_a_chart_replaces_another():
    """Three opaque charts of different colours at the same place, whose weights cross from left to right: the second and
    the third change places at a border of cells."""
    charts = torch.tensor([[[32.0, 8, 32, 56, 40, 0, 0]] * 3])
    generator = network(charts=3)
    with torch.no_grad():
        generator.scaled_textures[:, :3] = -2.0
        for i in range(3):
            generator.scaled_textures[i, i] = 2.0
        generator.scaled_textures[:, 3] = 0.2  # half transparent, so that the second layer is seen
    predicted = torch.zeros(1, 9, 16, 16)
    predicted[:, 0], predicted[:, 1], predicted[:, 2] = 0.31, torch.linspace(0.3, -0.3, 16), torch.linspace(-0.3, 0.3, 16)
    found = sampled(generator, predicted, charts)[0, :3].sigmoid()  # (3, 64, 64)
    change = found[1] - found[2]  # from the second chart to the third
    assert change[32, :16].min() > 0.05 and change[32, -16:].max() < -0.05
    assert found[1:, 32].diff(dim=-1)[:, 30:33].abs().max() < 0.005


@pytest.mark.parametrize("reach, seen", [((0.1, 0.4), False), ((0.4, 0.4), True), ((), True)])
def test_a_texture_is_not_seen_beyond_its_reach(reach, seen):
    """The chart ends at y = 40 after 32 pixels. y = 48 is 0.25 lengths beyond."""
    generator = network(texture_size=32, reach=reach)
    with torch.no_grad():
        generator.scaled_textures[:, 3] = 1.0
    alpha = sampled(generator, torch.zeros(2, 6, 16, 16), CHARTS)[0, 3].sigmoid()
    assert alpha[38, 20] > 0.9 and (alpha[48, 20] > 0.9) == seen and alpha[48, 40] > 0.9
