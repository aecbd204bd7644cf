"""The perceptual loss between each generated frame and its real frame (not in the paper). It is needed because the
Gromov-Wasserstein loss does not change if the frames of a batch are permuted (docs/facts.md)."""

from torch import Tensor

from stages.nets.vgg import Features

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # for relu1_1 .. relu5_1, as in pix2pixHD


def perceptual_loss(generated: Features, real: Features) -> Tensor:
    """Weighted sum over the VGG blocks of the mean L1 distance between features, a scalar. Each distance is divided by
    the mean of the frame's real features, so that pre-trained and random networks give losses of similar size. N blocks
    have the last N WEIGHTS."""
    weights = WEIGHTS[len(WEIGHTS) - len(real):]
    axes = (1, 2, 3)
    return sum(weight * ((x - y).abs().mean(axes) / y.abs().mean(axes).clamp_min(1e-6)).mean()
               for weight, x, y in zip(weights, generated, real, strict=True))
