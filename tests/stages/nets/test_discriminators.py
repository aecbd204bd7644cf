import numpy as np
import pytest
import torch

from stages.imaging import compositing
from stages.nets.discriminators import QualityDiscriminator, TemporalDiscriminator, background_change


@pytest.mark.parametrize("patch_size", [1, 2])
def test_quality_discriminator_gives_every_layer_and_patch_logits(patch_size):
    discriminator, h, w = QualityDiscriminator(8, patch_size), 64 // patch_size, 96 // patch_size
    layers, = discriminator(torch.rand(2, 3, h, w), torch.rand(2, 3, 64, 96))
    sizes = [(8, h // 2, w // 2), (16, h // 4, w // 4), (32, h // 8, w // 8), (1, h // 8, w // 8)]
    assert [tuple(layer.shape[1:]) for layer in layers] == sizes


@pytest.mark.parametrize("patch_size", [1, 2])
def test_temporal_discriminator_gives_every_layer_and_patch_logits(patch_size):
    discriminator, h, w = TemporalDiscriminator(8, patch_size), 64 // patch_size, 96 // patch_size
    layers, = discriminator(torch.rand(2, 3, 3, h, w), torch.rand(2, 3, 3, 64, 96))
    sizes = [(6, 8, h // 2, w // 2), (6, 16, h // 4, w // 4), (6, 16, h // 8, w // 8)]  # 2 x 3 frames, each alone
    sizes += [(2, 24, h // 8, w // 8), (2, 1, h // 8, w // 8)]
    assert [tuple(layer.shape) for layer in layers] == sizes


def test_background_change_is_the_composite_minus_the_background():
    """Compared with stages/imaging/compositing.py, in bytes."""
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (32, 32), np.uint8)
    foreground = np.dstack([rng.integers(0, alpha[..., None] + 1.0, (32, 32, 3)), alpha])
    background = rng.integers(0, 256, (32, 32, 3), np.uint8)
    expected = compositing.over(foreground.astype(np.float32), background)
    foreground, background = (torch.from_numpy(x).permute(2, 0, 1)[None] / 255 for x in (foreground, background))
    found = 255 * (background + background_change(foreground, background))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() < 0.51


def test_layer_outputs_are_not_changed_by_later_layers():
    """In-place activations must not change what feature matching compares."""
    torch.manual_seed(0)
    discriminator, poses, frames = QualityDiscriminator(8, 1), torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    layers, = discriminator(poses, frames)
    assert torch.equal(discriminator.body[1](layers[0]), layers[1])
    assert torch.equal(discriminator.body[:2](torch.cat([poses, frames], 1)), layers[1])


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_temporal_discriminator_uses_each_of_the_three_frames(frame):
    torch.manual_seed(0)
    discriminator = TemporalDiscriminator(8, 2)
    frames = torch.rand(1, 3, 3, 64, 64, requires_grad=True)
    discriminator(torch.rand(1, 3, 3, 32, 32), frames)[0][-1].sum().backward()
    assert frames.grad[0, frame].abs().max() > 0


def test_temporal_discriminator_depends_on_the_order():
    torch.manual_seed(0)
    discriminator, poses = TemporalDiscriminator(8, 1), torch.zeros(1, 3, 3, 32, 32)
    frames = torch.rand(1, 3, 3, 32, 32)
    forwards, backwards = (discriminator(poses, x)[0][-1] for x in (frames, frames[:, [1, 0, 2]]))
    assert not torch.allclose(forwards, backwards)
