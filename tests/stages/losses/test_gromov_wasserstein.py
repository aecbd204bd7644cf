"""Gromov-Wasserstein against POT, finite differences and what the distance must not see."""

import ot
import pytest
import torch

from stages.losses.gromov_wasserstein import gromov_wasserstein, gromov_wasserstein_loss, intra_space_distances


def costs(n: int, scale: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two intra-space cost matrices (n, n) of clustered points, divided by the second's maximum."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=draw, dtype=torch.float64) + 3 * (torch.arange(n) % 3)[:, None]
    y = torch.randn(n, 6, generator=draw, dtype=torch.float64) + 3 * (torch.arange(n) % 3)[:, None]
    dx, dy = intra_space_distances(x), intra_space_distances(y)
    return scale * dx / dy.max(), scale * dy / dy.max()


@pytest.mark.parametrize("n, epsilon, scale", [(6, 0.1, 1.0), (10, 0.1, 1.0), (16, 0.2, 1.0), (16, 10.0, 10.0)])
def test_value_and_plan_agree_with_pot(n, epsilon, scale):
    dx, dy = costs(n, scale)
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, outer=200, inner=200)
    expected, log = ot.gromov.entropic_gromov_wasserstein2(
        dx, dy, loss_fun="square_loss", epsilon=epsilon, max_iter=200, tol=1e-10, log=True)
    assert torch.allclose(plan[0], log["T"], atol=1e-3 / n)
    assert value[0].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("n, epsilon", [(6, 0.05), (12, 0.1)])
def test_gradient_agrees_with_pot_with_the_plan_held_fixed(n, epsilon):
    dx, dy = costs(n)
    dx.requires_grad_()
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, outer=300, inner=200)
    value[0].backward()

    fixed = dx.detach().clone().requires_grad_()
    constant, hx, hy = ot.gromov.init_matrix(fixed, dy, plan[0].sum(1), plan[0].sum(0), "square_loss")
    ot.gromov.gwloss(constant, hx, hy, plan[0]).backward()
    assert torch.allclose(dx.grad, fixed.grad, rtol=1e-4, atol=1e-10)


def test_gradient_agrees_with_finite_differences_of_the_objective_at_the_plan():
    dx, dy = costs(5)
    dx.requires_grad_()
    value, plan = gromov_wasserstein(dx[None], dy[None], 0.05, 50, 50)
    value[0].backward()

    def objective(d):  # Eq. 3, written out
        difference = d[:, None, :, None] - dy[None, :, None, :]
        return torch.einsum("ijkl,ij,kl->", difference**2, plan[0], plan[0])

    step = torch.zeros_like(dy)
    step[1, 3] = 1e-6
    slope = (objective(dx.detach() + step) - objective(dx.detach() - step)) / 2e-6
    assert value[0].item() == pytest.approx(objective(dx.detach()).item(), rel=1e-9)
    assert dx.grad[1, 3].item() == pytest.approx(slope.item(), rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.005, 0.001])
def test_marginals_are_uniform_also_where_exponentials_underflow(epsilon):
    dx, dy = costs(12, scale=1.0, seed=3)
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, outer=20, inner=400)
    assert torch.isfinite(value).all()
    assert torch.allclose(plan.sum(1), torch.full((1, 12), 1 / 12, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(plan.sum(2), torch.full((1, 12), 1 / 12, dtype=torch.float64), atol=1e-3)


def test_a_permuted_and_shifted_batch_is_at_distance_zero():
    draw = torch.Generator().manual_seed(1)
    real = torch.randn(8, 5, generator=draw, dtype=torch.float64) * torch.arange(1, 9)[:, None]
    generated = real[torch.randperm(8, generator=draw)] + 7
    other = torch.randn(8, 5, generator=draw, dtype=torch.float64)
    same = gromov_wasserstein_loss(generated, real, 0.001, 50, 200).item()
    assert same < 2e-3
    assert gromov_wasserstein_loss(other, real, 0.001, 50, 200).item() > 10 * same


def test_batches_are_solved_independently():
    pairs = [costs(7, seed=s) for s in (0, 1)]
    together, _ = gromov_wasserstein(*(torch.stack(c) for c in zip(*pairs)), 0.05, 30, 30)
    alone = [gromov_wasserstein(dx[None], dy[None], 0.05, 30, 30)[0] for dx, dy in pairs]
    assert torch.allclose(together, torch.cat(alone))


def test_distances_are_mean_absolute_differences():
    features = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    assert torch.equal(intra_space_distances(features), torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
