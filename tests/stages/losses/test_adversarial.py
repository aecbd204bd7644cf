"""The logistic losses against Eq. 13 written with probabilities."""

import pytest
import torch

from stages.losses.adversarial import discriminator_loss, generator_loss


@pytest.mark.parametrize("real, fake", [(0.0, 0.0), (2.0, -1.0), (-3.0, 4.0)])
def test_losses_are_the_negative_logarithms_of_equation_13(real, fake):
    d_real, d_fake = torch.tensor([real]).sigmoid(), torch.tensor([fake]).sigmoid()
    expected = -(torch.log(d_real) + torch.log(1 - d_fake)) / 2
    assert discriminator_loss(torch.tensor([real]), torch.tensor([fake])).item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator_loss(torch.tensor([fake])).item() == pytest.approx(-torch.log(d_fake).item(), rel=1e-5)
