"""The paired feature term beside Gromov-Wasserstein (docs/facts.md: GW alone is blind to permutations)."""

from torch import Tensor

from stages.nets.vgg import Features

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # pix2pixHD's, of relu1_1 .. relu5_1


def perceptual_loss(generated: Features, real: Features) -> Tensor:
    """L1 distance of VGG features, relative to the mean of the same frame's real ones, so that pre-trained and random
    networks weigh alike, and a batch is the mean of its frames. Of N blocks the deepest weighs as much as the deepest
    of pix2pixHD's five, and so on up."""
    weights = WEIGHTS[len(WEIGHTS) - len(real):]
    each = (1, 2, 3)
    return sum(weight * ((x - y).abs().mean(each) / y.abs().mean(each).clamp_min(1e-6)).mean()
               for weight, x, y in zip(weights, generated, real, strict=True))
