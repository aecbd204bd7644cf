"""The adversarial losses compared with Eq. 13 in probabilities, and with pix2pixHD's by hand."""

import pytest
import torch

from stages.losses.adversarial import chance_level, discriminator_loss, feature_matching, generator_loss


def outputs(*logits: float) -> list[list[torch.Tensor]]:
    """Discriminator outputs with one scale for each logit, and a random layer before it."""
    return [[torch.rand(1, 2, 4, 4), torch.full((1, 1, 2, 2), logit)] for logit in logits]


@pytest.mark.parametrize("real, fake", [(0.0, 0.0), (2.0, -1.0), (-3.0, 4.0)])
def test_losses_are_the_negative_logarithms_of_equation_13(real, fake):
    d_real, d_fake = torch.tensor(real).sigmoid(), torch.tensor(fake).sigmoid()
    expected = -(torch.log(d_real) + torch.log(1 - d_fake)) / 2
    assert discriminator_loss(outputs(real), outputs(fake)).item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator_loss(outputs(fake), "logistic").item() == pytest.approx(-torch.log(d_fake).item(), rel=1e-5)


@pytest.mark.parametrize("real, fake", [(0.0, 0.0), (1.0, 0.0), (-3.0, 4.0)])
def test_least_squares_are_distances_to_one_and_zero(real, fake):
    expected = ((real - 1) ** 2 + fake**2) / 2
    assert discriminator_loss(outputs(real), outputs(fake), "least_squares").item() == pytest.approx(expected)
    assert generator_loss(outputs(fake), "least_squares").item() == pytest.approx((fake - 1) ** 2)


@pytest.mark.parametrize("kind", ["logistic", "least_squares"])
def test_scales_are_summed(kind):
    apart = sum(discriminator_loss(outputs(r), outputs(f), kind) for r, f in ((1.0, 2.0), (-1.0, 0.5)))
    assert torch.allclose(discriminator_loss(outputs(1.0, -1.0), outputs(2.0, 0.5), kind), apart)
    assert torch.allclose(generator_loss(outputs(1.0, 1.0), kind), 2 * generator_loss(outputs(1.0), kind))


@pytest.mark.parametrize("kind, undecided", [("logistic", 0.0), ("least_squares", 0.5)])
def test_chance_is_the_loss_of_a_discriminator_that_cannot_decide(kind, undecided):
    logits = outputs(undecided, undecided)
    assert discriminator_loss(logits, logits, kind).item() == pytest.approx(chance_level(kind, scales=2))


def test_an_unknown_kind_is_rejected():
    with pytest.raises(ValueError, match="hinge"):
        generator_loss(outputs(0.0), "hinge")


def test_feature_matching_is_the_mean_l1_of_all_layers_but_the_logits():
    real = [[torch.zeros(2, 3, 4, 4), torch.zeros(2, 6, 2, 2), torch.zeros(2, 1, 2, 2)],
            [torch.zeros(2, 3, 2, 2), torch.zeros(2, 6, 1, 1), torch.zeros(2, 1, 1, 1)]]
    fake = [[torch.full_like(layer, 10 * scale + i) for i, layer in enumerate(layers, 1)]
            for scale, layers in enumerate(real)]
    assert feature_matching(real, fake).item() == pytest.approx((1 + 2 + 11 + 12) / 4)


def test_feature_matching_has_a_gradient_for_the_fake_side_only():
    x, y = (torch.rand(1, 2, 4, 4, requires_grad=True) for _ in range(2))
    feature_matching([[2 * x, x.mean()]], [[3 * y, y.mean()]]).backward()
    assert x.grad is None and y.grad.abs().sum() > 0
