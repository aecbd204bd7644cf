import pytest
import torch

from stages.nets.discriminators import QualityDiscriminator, TemporalDiscriminator


@pytest.mark.parametrize("stem", [1, 2])
def test_quality_discriminator_gives_patch_logits(stem):
    logits = QualityDiscriminator(8, stem)(torch.rand(2, 3, 64 // stem, 64 // stem), torch.rand(2, 4, 64, 64))
    assert logits.shape == (2, 1, 8 // stem, 8 // stem)


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_temporal_discriminator_sees_each_of_the_three_frames(frame):
    torch.manual_seed(0)
    judge = TemporalDiscriminator(8, 2)
    foregrounds = torch.rand(1, 3, 4, 64, 64, requires_grad=True)
    judge(torch.rand(1, 3, 3, 32, 32), foregrounds).sum().backward()
    assert foregrounds.grad[0, frame].abs().max() > 0


def test_temporal_discriminator_tells_order():
    torch.manual_seed(0)
    judge, poses = TemporalDiscriminator(8, 1), torch.zeros(1, 3, 3, 32, 32)
    frames = torch.rand(1, 3, 4, 32, 32)
    assert not torch.allclose(judge(poses, frames), judge(poses, frames[:, [1, 0, 2]]))
