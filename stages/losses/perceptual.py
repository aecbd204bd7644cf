"""The perceptual loss, which compares each frame with its own truth; Gromov-Wasserstein alone does not notice permuted
frames (docs/facts.md)."""

from torch import Tensor

from stages.nets.vgg import Features

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)  # of pix2pixHD, for relu1_1 .. relu5_1


def perceptual_loss(generated: Features, real: Features) -> Tensor:
    """Weighted mean L1 distance between VGG features, divided by the mean of the frame's real features, so that
    pre-trained and random networks give losses of the same size. N blocks have the weights of pix2pixHD's last N."""
    weights = WEIGHTS[len(WEIGHTS) - len(real):]
    axes = (1, 2, 3)
    return sum(weight * ((x - y).abs().mean(axes) / y.abs().mean(axes).clamp_min(1e-6)).mean()
               for weight, x, y in zip(weights, generated, real, strict=True))
