import copy

import pytest
import torch
from torch import nn

from stages.learning.optimisers import NetworkOptimiser, as_matrix

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def network(layout=torch.contiguous_format) -> nn.Module:
    torch.manual_seed(3)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(1, 8), nn.Conv2d(8, 16, 4), nn.Conv2d(16, 4, 3))
    return layers.to(memory_format=layout)


def train(layers: nn.Module, optimiser: NetworkOptimiser, steps: range) -> list[float]:
    """The losses of a training that brings the output to zero."""
    losses = []
    for step in steps:
        loss = layers(torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(step))).square().mean()
        loss.backward()
        optimiser.step(1.0)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_step_reduces_the_loss_and_clears_the_gradients(kind):
    layers = network()
    losses = train(layers, NetworkOptimiser(layers, kind, 0.003, (0.5, 0.99), 0.02), range(30))
    assert losses[-1] < 0.3 * losses[0]
    assert all(weight.grad is None for weight in layers.parameters())


def test_adam_is_the_one_of_torch():
    one, other = network(), network()
    theirs = torch.optim.Adam(other.parameters(), 0.003, (0.5, 0.99), fused=True)
    train(one, NetworkOptimiser(one, "adam", 0.003, (0.5, 0.99), 0.02), range(5))
    for step in range(5):
        other(torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(step))).square().mean().backward()
        theirs.step()
        theirs.zero_grad()
    for a, b in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_muon_updates_convolutions_nearly_orthogonally(layout):
    """In either memory layout; the last layer and all vectors are updated by Adam."""
    layers = network(layout)
    optimiser = NetworkOptimiser(layers, "muon", 0.0, (0.5, 0.99), 0.1)
    before = [weight.detach().clone() for weight in layers.parameters()]
    train(layers, optimiser, range(1))
    moved = [(weight - old).detach() for weight, old in zip(layers.parameters(), before)]
    for change in (moved[0], moved[4]):
        assert torch.linalg.svdvals(change.reshape(len(change), -1) / 0.1).sub(1).abs().max() < 0.4
    assert all(not change.any() for i, change in enumerate(moved) if i not in (0, 4))


def test_the_memory_layout_has_no_effect():
    a, b = (network(layout) for layout in LAYOUTS)
    for layers in (a, b):
        train(layers, NetworkOptimiser(layers, "muon", 0.003, (0.5, 0.99), 0.02), range(2))
    for one, other in zip(a.parameters(), b.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_as_matrix_shares_the_memory(layout):
    weight = torch.rand(4, 3, 2, 2).to(memory_format=layout)
    assert as_matrix(weight).data_ptr() == weight.data_ptr() and as_matrix(weight).shape == (4, 12)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_saved_state_resumes_exactly(kind):
    a = network()
    first = NetworkOptimiser(a, kind, 0.003, (0.5, 0.99), 0.02)
    train(a, first, range(3))
    b = network()
    b.load_state_dict(a.state_dict())
    second = NetworkOptimiser(b, kind, 0.003, (0.5, 0.99), 0.02)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert train(a, first, range(3, 6)) == train(b, second, range(3, 6))
