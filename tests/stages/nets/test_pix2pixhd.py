"""The baseline compared with its publication: sizes of all layers, number of weights, initial weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stages.nets.pix2pixhd import GlobalGenerator, GlobalResidual, GlobalShape, MultiscaleDiscriminator


@pytest.fixture(scope="module")
def small() -> GlobalGenerator:
    torch.manual_seed(0)
    return GlobalGenerator(GlobalShape(width=8, num_downsamples=3, blocks=2, inputs=9))


def test_the_full_generator_has_182_million_weights_and_one_bottleneck_of_nine_blocks():
    with torch.device("meta"):
        network = GlobalGenerator(GlobalShape(width=64, num_downsamples=4, blocks=9, inputs=9))
        deepest = []
        for layer in network.body:
            if isinstance(layer, GlobalResidual):
                layer.register_forward_hook(lambda *call: deepest.append(call[2].shape))
        assert network(torch.empty(1, 9, 512, 256)).shape == (1, 4, 512, 256)
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6) == 182
    assert deepest == [(1, 1024, 32, 16)] * 9


def test_weights_start_as_drawn_from_a_narrow_normal_distribution(small):
    weights = [m.weight.flatten() for m in small.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert len(weights) == 1 + 3 + 2 * 2 + 3 + 1
    every = torch.cat(weights)
    assert every.mean().abs() < 1e-3 and abs(every.std() - 0.02) < 1e-3


def test_foreground_is_a_premultiplied_picture_of_any_shape(small):
    foreground = small(torch.rand(2, 9, 32, 48))
    assert foreground.shape == (2, 4, 32, 48)
    assert (foreground >= 0).all() and (foreground <= 1).all() and (foreground[:, :3] <= foreground[:, 3:]).all()


@pytest.mark.parametrize("part", [slice(0, 3), slice(13, 14)])
def test_the_border_is_mirrored(small, part):
    """A flat picture is 0 after normalisation, up to its edge. Padding with zeros would be visible there."""
    layers, width = small.body[part], 9 if part.start == 0 else 64
    flat = torch.full((1, width, 12, 12), 0.9)
    assert layers(flat).sub(flat[:, :1] if isinstance(layers[0], GlobalResidual) else 0).abs().max() < 1e-3


@pytest.mark.parametrize("scales", [1, 3])
def test_every_scale_sees_both_frames_and_poses_at_half_the_size_of_the_one_before(scales):
    torch.manual_seed(0)
    discriminator = MultiscaleDiscriminator(8, scales)
    poses, frames = (torch.rand(2, 2, 3, 32, 48, requires_grad=True) for _ in range(2))
    outputs = discriminator(poses, frames)
    assert len(outputs) == scales
    for scale, layers in enumerate(outputs):
        size, expected = torch.tensor([32, 48]) // 2**scale, []
        for channels, halved in ((8, True), (16, True), (32, True), (64, False), (1, False)):
            size = size // 2 + 1 if halved else size + 1  # a kernel of 4 padded by 2 on either side
            expected.append((2, channels, *size.tolist()))
        assert [tuple(layer.shape) for layer in layers] == expected
        gradients = torch.autograd.grad(layers[-1].sum(), (poses, frames), retain_graph=True)
        assert all(seen.abs().amax((0, 2, 3, 4)).min() > 0 for seen in gradients)


def test_scales_have_their_own_weights_and_see_averaged_pictures():
    torch.manual_seed(0)
    discriminator = MultiscaleDiscriminator(4, 2)
    poses, frames = torch.rand(1, 2, 3, 32, 32), torch.rand(1, 2, 3, 32, 32)
    fine, coarse = discriminator(poses, frames)
    whole = torch.cat([poses, frames], 2).flatten(1, 2)  # (1, 12, 32, 32)
    halved = F.avg_pool2d(whole, 3, 2, 1, count_include_pad=False)
    assert torch.allclose(discriminator.scales[1](halved), coarse[-1])
    assert not torch.allclose(discriminator.scales[0](halved), coarse[-1])
    assert torch.allclose(discriminator.scales[0](whole), fine[-1])
