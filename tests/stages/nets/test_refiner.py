import torch

from stages.nets.refiner import Critic, Refiner, refine


def test_an_untrained_refiner_changes_nothing_and_a_trained_one_keeps_colours_legal():
    refiner = Refiner(8)
    alpha = torch.rand(2, 1, 16, 16)
    crops = torch.cat([torch.rand(2, 3, 16, 16) * alpha, alpha], 1)
    assert torch.allclose(refine(refiner, crops), crops)
    torch.nn.init.normal_(refiner.residual.weight)
    refined = refine(refiner, crops)
    assert not torch.allclose(refined, crops)
    assert (refined >= 0).all() and (refined[:, :3] <= refined[:, 3:]).all() and (refined[:, 3] <= 1).all()


def test_critic_gives_patch_logits():
    assert Critic(8)(torch.rand(2, 4, 48, 48)).shape == (2, 1, 12, 12)
