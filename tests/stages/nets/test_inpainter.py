import torch
from torch.nn import functional as F

from stages.nets.inpainter import ContextualAttention, GatedConv, Inpainter, PatchDiscriminator


def test_the_gate_closes_opens_and_lets_elu_through():
    layer, x = GatedConv(3, 4), torch.randn(2, 3, 8, 8)
    features = F.conv2d(x, layer.both.weight[:4], padding=1)
    layer.both.weight.data[4:] = 0
    for bias, share in ((-100.0, 0.0), (0.0, 0.5), (100.0, 1.0)):
        layer.both.bias.data[4:] = bias
        assert torch.allclose(layer(x), share * F.elu(features), atol=1e-5)


def test_a_signal_keeps_its_strength_through_many_gates():
    torch.manual_seed(0)
    x = torch.randn(1, 16, 48, 48)
    for _ in range(8):
        x = GatedConv(16, 16)(x)
    assert 0.1 < x.std() < 3


def planted(twin: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The output of attention in a hole, and the features of a second place with equal surroundings. twin: whether that
    place is known; otherwise it is a hole too."""
    features = torch.randn(1, 6, 32, 32, generator=torch.Generator().manual_seed(0))
    features[..., 14:28, 16:30] = features[..., 2:16, 4:18]
    holes = torch.zeros(1, 1, 32, 32)
    holes[..., 18:24, 20:26] = 1
    if not twin:
        holes[..., 6:12, 8:14] = 1
    return ContextualAttention(scale=1000.0)(features, holes)[..., 18:24, 20:26], features[..., 6:12, 8:14]


def test_attention_copies_the_most_similar_patch():
    copied, true = planted(twin=True)
    assert torch.allclose(copied, true, atol=1e-4)


def test_attention_never_copies_from_a_hole():
    copied, true = planted(twin=False)
    assert (copied - true).abs().mean() > 0.3


def test_an_untrained_inpainter_adds_nothing_and_a_trained_one_changes_holes_only():
    network = Inpainter(4)
    pictures, holes = torch.rand(2, 3, 32, 40) * 2 - 1, (torch.rand(2, 1, 32, 40) > 0.7).float()
    assert all(torch.equal(made, pictures) for made in network(pictures, holes))
    for stage in (network.coarse, network.refined):
        torch.nn.init.normal_(stage[-1].weight)
    coarse, refined = network(pictures, holes)
    assert not torch.equal(coarse, refined)
    for made in (coarse, refined):
        changed = (made != pictures).any(1, keepdim=True)
        assert changed[holes > 0].float().mean() > 0.9 and not changed[holes == 0].any()


def test_every_weight_gets_a_gradient():
    network = Inpainter(4)
    for stage in (network.coarse, network.refined):
        torch.nn.init.normal_(stage[-1].weight)
    network(torch.rand(1, 3, 32, 32), (torch.rand(1, 1, 32, 32) > 0.7).float())[1].pow(2).sum().backward()
    assert [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0] == []


def test_the_discriminator_is_spectrally_normalised_and_scores_every_patch():
    discriminator = PatchDiscriminator(8)
    pictures, holes = torch.rand(2, 3, 128, 64), torch.rand(2, 1, 128, 64)
    for _ in range(30):
        scores = discriminator(pictures, holes)
    assert scores.shape == (2, 32, 2, 1)
    for layer in discriminator.layers:
        assert abs(torch.linalg.svdvals(layer.weight.flatten(1))[0].item() - 1) < 0.05  # (out, in * 25)
