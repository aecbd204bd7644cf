"""The adversarial losses (paper section 2.4, Eqs. 13-15), computed from the outputs of a discriminator
(stages/nets/discriminators.py).

`logistic`: the discriminator maximises log D(real) + log(1 - D(fake)); the generator minimises -log D(fake), the
non-saturating form. `least_squares` (Mao et al. 2017; pix2pixHD): squared difference between the logits and 1 for real
patches, 0 for fake patches. Losses are means over patches and sums over scales.
"""

import math

from torch import Tensor
from torch.nn import functional as F

from stages.nets.discriminators import DiscriminatorOutputs


def discriminator_loss(real: DiscriminatorOutputs, fake: DiscriminatorOutputs, kind: str = "logistic") -> Tensor:
    """The loss of the discriminator: the mean of its losses on real and on fake patches; see `chance_level`. Raises
    ValueError if `kind` is unknown."""
    return (_logit_loss(real, kind, is_real=True) + _logit_loss(fake, kind, is_real=False)) / 2


def chance_level(kind: str, scales: int = 1) -> float:
    """The loss of a discriminator of this many scales that cannot tell real from fake patches."""
    return scales * {"logistic": math.log(2), "least_squares": 0.25}[kind]


def generator_loss(fake: DiscriminatorOutputs, kind: str = "logistic") -> Tensor:
    """The loss of the generator: small if the discriminator classifies the generated patches as real."""
    return _logit_loss(fake, kind, is_real=True)


def feature_matching(real: DiscriminatorOutputs, fake: DiscriminatorOutputs) -> Tensor:
    """The feature matching loss (pix2pixHD): mean L1 distance between the outputs of all layers before the logits. All
    layers of all scales have the same weight."""
    pairs = [pair for scales in zip(real, fake, strict=True) for pair in list(zip(*scales, strict=True))[:-1]]
    return sum((x.detach().float() - y.float()).abs().mean() for x, y in pairs) / len(pairs)


def _logit_loss(outputs: DiscriminatorOutputs, kind: str, is_real: bool) -> Tensor:
    logits = [layers[-1].float() for layers in outputs]
    if kind == "logistic":
        return sum(F.softplus(-x if is_real else x).mean() for x in logits)
    if kind == "least_squares":
        return sum((x - float(is_real)).square().mean() for x in logits)
    raise ValueError(f"unknown adversarial loss {kind!r}; use logistic or least_squares")
