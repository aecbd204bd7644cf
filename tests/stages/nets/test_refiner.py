import pytest
import torch

from stages.nets.refiner import PartDiscriminator, Refiner, RefinerShape, refine

SHAPES = [RefinerShape(4, 8, 1, 3, 1), RefinerShape(7, 8, 1, 1, 2), RefinerShape(4, 8, 3, 5, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_untrained_refiner_changes_nothing_and_a_trained_one_keeps_colours_valid(shape):
    refiner = Refiner(shape)
    alpha = torch.rand(2, 1, 16, 16)
    crops, conditioning = torch.cat([torch.rand(2, 3, 16, 16) * alpha, alpha], 1), torch.rand(2, shape.inputs - 4, 16, 16)
    assert torch.allclose(refine(refiner, crops, conditioning), crops)
    torch.nn.init.normal_(refiner.residual.weight)
    refined = refine(refiner, crops, conditioning)
    assert not torch.allclose(refined, crops)
    assert (refined >= 0).all() and (refined[:, :3] <= refined[:, 3:]).all() and (refined[:, 3] <= 1).all()
    assert torch.allclose(refine(refiner, crops, conditioning, strength=0.0), crops)


def test_the_shape_says_how_deep_and_how_wide():
    refiner = Refiner(RefinerShape(4, 8, 3, 5, 1))
    widths = [encoder.convolution.out_channels for encoder in refiner.encoders]
    assert widths == [8, 16, 32, 64] and len(refiner.body) == 5


def test_discriminator_gives_patch_logits():
    assert PartDiscriminator(8)(torch.rand(2, 3, 48, 48))[0][-1].shape == (2, 1, 12, 12)
