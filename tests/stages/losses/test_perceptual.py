import pytest
import torch

from stages.losses.perceptual import perceptual_loss
from stages.nets.vgg import Vgg, frame_vectors


def test_equal_pictures_cost_nothing_and_scale_does_not_matter():
    x, y = [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)], [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)]
    assert perceptual_loss(x, x).item() == 0
    ten = [[10 * f for f in features] for features in (x, y)]
    assert torch.allclose(perceptual_loss(x, y), perceptual_loss(*ten))


@pytest.mark.parametrize("depth, weights", [
    (1, [1]), (2, [1 / 4, 1]), (4, [1 / 16, 1 / 8, 1 / 4, 1]), (5, [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1])])
def test_layers_weigh_as_pix2pixhd_has_them(depth, weights):
    real = [torch.full((1, 2, 3, 3), 10.0**i) for i in range(depth)]
    for i, weight in enumerate(weights):
        generated = [y.clone() for y in real]
        generated[i] += 0.3 * 10**i
        assert perceptual_loss(generated, real).item() == pytest.approx(0.3 * weight, rel=1e-4)


def test_random_features_are_the_same_every_time_and_give_one_vector_a_frame():
    pictures = torch.rand(3, 3, 32, 32)
    first, second = Vgg("random", 2)(pictures), Vgg("random", 2)(pictures)
    assert [f.shape[1:] for f in first] == [(64, 32, 32), (128, 16, 16)]
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert frame_vectors(first).shape == (3, 128 * 16)
