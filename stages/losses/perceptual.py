"""The paired feature term beside Gromov-Wasserstein (docs/facts.md: GW alone is blind to permutations)."""

from torch import Tensor

from stages.nets.vgg import Features


def perceptual_loss(generated: Features, real: Features) -> Tensor:
    """L1 distance of VGG features, deeper layers weighing more, each relative to the real features' mean so
    that pre-trained and random networks weigh alike."""
    total = 0.0
    for depth, (x, y) in enumerate(zip(reversed(generated), reversed(real))):
        total = total + (x - y).abs().mean() / y.abs().mean().clamp_min(1e-6) / 2**depth
    return total
