"""The adversarial terms (paper section 2.4, Eqs. 13-15), on the looks of a judge (stages/nets/discriminators.py).

`logistic`: the discriminator maximises log D(real) + log(1 - D(fake)); the generator minimises -log D(fake), the
non-saturating form. `least_squares` (Mao et al. 2017; pix2pixHD): the logits are drawn to 1 where real, to 0 where
fake. Means over the patches, summed over the scales.
"""

from torch import Tensor
from torch.nn import functional as F

from stages.nets.discriminators import DiscriminatorOutputs


def discriminator_loss(real: DiscriminatorOutputs, fake: DiscriminatorOutputs, kind: str = "logistic") -> Tensor:
    """Halved: an undecided discriminator scores log 2 a scale (logistic) or 1/4 (least squares)."""
    return (_miss(real, kind, wanted=True) + _miss(fake, kind, wanted=False)) / 2


def generator_loss(fake: DiscriminatorOutputs, kind: str = "logistic") -> Tensor:
    """How far the generated patches are from being taken for real."""
    return _miss(fake, kind, wanted=True)


def feature_matching(real: DiscriminatorOutputs, fake: DiscriminatorOutputs) -> Tensor:
    """Mean L1 between the layers below the logits (pix2pixHD), every layer of every scale weighing alike."""
    pairs = [pair for scales in zip(real, fake, strict=True) for pair in list(zip(*scales, strict=True))[:-1]]
    return sum((x.detach().float() - y.float()).abs().mean() for x, y in pairs) / len(pairs)


def _miss(looks: DiscriminatorOutputs, kind: str, wanted: bool) -> Tensor:
    logits = [look[-1].float() for look in looks]
    if kind == "logistic":
        return sum(F.softplus(-x if wanted else x).mean() for x in logits)
    if kind == "least_squares":
        return sum((x - float(wanted)).square().mean() for x in logits)
    raise ValueError(f"adversarial loss of kind {kind!r}")
