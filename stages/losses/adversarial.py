"""The adversarial terms (paper section 2.4, Eqs. 13-15), as logistic losses on patch logits.

The discriminator maximises log D(real) + log(1 - D(fake)); the generator minimises -log D(fake), the
non-saturating form.
"""

from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the patches, halved so that an undecided discriminator scores log 2."""
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def generator_loss(fake: Tensor) -> Tensor:
    """Mean of -log D(fake) over the patches."""
    return F.softplus(-fake).mean()
