"""Gromov-Wasserstein compared with POT, the conditions of a stationary plan and finite differences, and its
invariances."""

import math

import ot
import pytest
import torch

from stages import InputError
from stages.losses.gromov_wasserstein import (
    _anderson, _meet_marginals, gromov_wasserstein, gromov_wasserstein_loss, intra_space_distances,
)


def points(n: int, seed: int = 0, d: int = 6) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=draw, dtype=torch.float64) + 3 * (torch.arange(n) % 3)[:, None]


def costs(n: int, scale: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two intra-space cost matrices (n, n) of clustered points, the second's maximum being `scale`."""
    dx, dy = intra_space_distances(points(n, 2 * seed)), intra_space_distances(points(n, 2 * seed + 1))
    return scale * dx / dy.max(), scale * dy / dy.max()


def contracted(dx: torch.Tensor, dy: torch.Tensor, plan: torch.Tensor) -> torch.Tensor:
    """Eq. 4's C with its four indices, contracted with the plan."""
    return torch.einsum("ijkl,kl->ij", (dx[:, None, :, None] - dy[None, :, None, :]) ** 2, plan)


def regularised(dx: torch.Tensor, dy: torch.Tensor, epsilon: float) -> float:
    """What the plan minimises, solved anew: value - epsilon * entropy."""
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, 200, 10, 1e-11)
    return (value[0] + epsilon * torch.xlogy(plan, plan).sum()).item()


@pytest.mark.parametrize("n, epsilon, scale", [
    (6, 0.1, 1.0), (10, 0.1, 1.0), (40, 0.1, 1.0), (16, 10.0, 10.0), (12, 0.005, 0.25)])
def test_value_and_plan_agree_with_pot(n, epsilon, scale):
    dx, dy = costs(n, scale)
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, 500, 10)
    expected, log = ot.gromov.entropic_gromov_wasserstein2(
        dx, dy, loss_fun="square_loss", epsilon=epsilon, max_iter=500, tol=1e-9, log=True)
    assert torch.allclose(plan[0], log["T"], atol=1e-6 / n)
    assert value[0].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("n, epsilon, scale", [
    (5, 0.05, 1.0), (5, 0.005, 1.0), (12, 0.005, 1.0), (12, 0.001, 0.5), (12, 0.5, 10.0), (30, 0.01, 1.0)])
def test_the_plan_is_stationary_also_where_float32_underflows(n, epsilon, scale):
    """log plan + 2 C(plan) / epsilon = log a + log b with uniform marginals, which is all of Eqs. 4-7."""
    dx, dy = costs(n, scale, seed=3)
    value, plan = gromov_wasserstein(dx[None], dy[None], epsilon, 500, 10)
    cost = contracted(dx, dy, plan[0])
    rest = plan[0].log() + 2 * cost / epsilon
    rest = rest - rest.mean(0) - (rest - rest.mean(0)).mean(1, keepdim=True)
    assert rest.abs().max() < 1e-4
    assert (plan.sum(1) - 1 / n).abs().max() < 1e-9 and (plan.sum(2) - 1 / n).abs().max() < 1e-9
    assert value[0].item() == pytest.approx((cost * plan[0]).sum().item(), rel=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("n, epsilon", [(5, 0.05), (8, 0.02)])
def test_gradient_agrees_with_finite_differences_of_what_the_plan_minimises(n, epsilon, debiased):
    """The envelope theorem gives the jacobian of value - epsilon * entropy, each time solved anew."""
    x, y = points(n, 4), points(n, 5)
    way = points(n, 6)
    own = intra_space_distances(y) / intra_space_distances(y).max()

    def objective(step):
        dx = intra_space_distances(x + step * way) / intra_space_distances(y).max()
        cross = regularised(dx, own, epsilon)
        return 2 * cross - regularised(dx, dx, epsilon) - regularised(own, own, epsilon) if debiased else cross

    moving = x.clone().requires_grad_()
    gradient, = torch.autograd.grad(gromov_wasserstein_loss(moving, y, epsilon, 200, 10, debiased), moving)
    jacobian = (objective(1e-5) - objective(-1e-5)) / 2e-5
    assert (gradient * way).sum().item() == pytest.approx(jacobian, rel=1e-3)


def test_gradient_agrees_with_pot_differentiated_through_all_its_iterations():
    dx, dy = costs(6)
    epsilon, dx = 0.2, dx.requires_grad_()
    ours, = torch.autograd.grad(gromov_wasserstein(dx[None], dy[None], epsilon, 500, 10)[0].sum(), dx)
    plan, log = ot.gromov.entropic_gromov_wasserstein(
        dx, dy, loss_fun="square_loss", epsilon=epsilon, max_iter=30, tol=0, log=True, numItermax=60)
    theirs, = torch.autograd.grad(log["gw_dist"] + epsilon * torch.xlogy(plan, plan).sum(), dx)
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("epsilon", [0.5, 0.005, 0.0001])
@pytest.mark.parametrize("wide", [1e-3, 1.0, 10.0])
def test_marginals_are_met_however_sharp_the_kernel(epsilon, wide):
    dx, dy = costs(12, seed=3)
    dy[:, :6], dy[:6] = dy[:, 6:], dy[6:]  # twins: half the points stand where the others do
    dy.fill_diagonal_(0)
    value, plan = gromov_wasserstein(wide * dx[None], dy[None], epsilon, 3, 10)
    assert torch.isfinite(value).all() and (plan >= 0).all()
    assert (plan.sum(1) - 1 / 12).abs().max() < 1e-8 and (plan.sum(2) - 1 / 12).abs().max() < 1e-8


@pytest.mark.parametrize("inner", [1, 50])
def test_the_number_of_sinkhorn_iterations_changes_the_way_and_not_the_plan(inner):
    pair = [d[None] for d in costs(10, seed=1)]
    plans = [gromov_wasserstein(*pair, 0.02, 500, count)[1] for count in (inner, 10)]
    assert torch.allclose(*plans, atol=1e-7)


def test_a_plan_that_misses_its_marginals_is_an_error(monkeypatch):
    monkeypatch.setattr("stages.losses.gromov_wasserstein._MAX_JACOBIANS", 0)
    with pytest.raises(InputError, match="marginals.*larger gw_epsilon"):
        gromov_wasserstein(*(d[None] for d in costs(10)), 0.005, 10, 10)


def test_costs_that_are_not_finite_give_a_value_that_is_not():
    dx, dy = costs(4)
    dx[1, 2] = math.nan
    assert torch.isnan(gromov_wasserstein(dx[None], dy[None], 0.01, 5, 10)[0]).all()


ISOMETRIES = {
    "permuted": lambda x: x[torch.randperm(len(x), generator=torch.Generator().manual_seed(1))],
    "shifted": lambda x: x + 7,
    "mirrored": lambda x: x * torch.tensor([1, -1, 1, 1, -1, 1]),
    "axes swapped": lambda x: x.roll(2, 1),
}


@pytest.mark.parametrize("moved", ISOMETRIES.values(), ids=ISOMETRIES)
@pytest.mark.parametrize("debiased", [False, True])
def test_isometries_of_either_side_change_nothing(moved, debiased):
    x, y = points(6, 1), points(6, 2)
    settings = (0.05, 40, 10, debiased)
    value = gromov_wasserstein_loss(x, y, *settings).item()
    assert gromov_wasserstein_loss(moved(x), y, *settings).item() == pytest.approx(value, rel=1e-4)
    assert gromov_wasserstein_loss(x, moved(y), *settings).item() == pytest.approx(value, rel=1e-4)


def test_a_moved_batch_is_at_distance_zero_and_another_is_not():
    real, settings = points(8, 1) * torch.arange(1, 9)[:, None], (0.001, 50, 10)
    moved = real.flip(0).roll(3, 0) + 7
    assert gromov_wasserstein_loss(moved, real, *settings).item() < 2e-3
    assert abs(gromov_wasserstein_loss(moved, real, *settings, debiased=True).item()) < 1e-6
    for debiased in (False, True):
        assert gromov_wasserstein_loss(points(8, 2), real, *settings, debiased=debiased).item() > 0.02


def test_debiased_takes_away_the_distances_to_oneself():
    x, y = points(8, 1), points(8, 2)
    spread, settings = intra_space_distances(y).max(), (0.1, 30, 10)
    dx, dy = (intra_space_distances(p)[None] / spread for p in (x, y))
    both, own, others = (gromov_wasserstein(*pair, *settings)[0].item() for pair in ((dx, dy), (dx, dx), (dy, dy)))
    value = gromov_wasserstein_loss(x, y, *settings, debiased=True).item()
    assert value == pytest.approx(2 * both - own - others, rel=1e-5)


def test_sets_of_a_batch_are_solved_alone_and_their_mean_is_the_loss():
    x, y = (torch.stack([scale * points(7, seed + s) for s, scale in ((0, 1.0), (2, 3.0))]) for seed in (0, 1))
    together = gromov_wasserstein_loss(x, y, 0.05, 30, 10).item()
    alone = [gromov_wasserstein_loss(*pair, 0.05, 30, 10).item() for pair in zip(x, y)]
    assert together == pytest.approx(sum(alone) / 2, rel=1e-6)


def test_plans_of_a_batch_of_unequal_difficulty_are_those_found_alone():
    pairs = [costs(12, scale, seed) for scale, seed in ((0.01, 0), (1.0, 3), (4.0, 1))]
    together = gromov_wasserstein(*(torch.stack(d) for d in zip(*pairs)), 0.02, 500, 10)[1]
    alone = torch.cat([gromov_wasserstein(dx[None], dy[None], 0.02, 500, 10)[1] for dx, dy in pairs])
    assert torch.allclose(together, alone, atol=1e-7)


def test_a_jacobian_is_reused_for_a_similar_kernel(monkeypatch):
    kernel, tolerance = -costs(30)[0][None] / 0.02, torch.tensor(1e-10).double()
    g, _, jacobian = _meet_marginals(kernel, kernel.new_zeros(1, 30, 1), None, 1, tolerance)
    monkeypatch.setattr(torch.linalg, "lu_factor_ex", lambda _: pytest.fail("decomposed anew"))
    plan = _meet_marginals(1.001 * kernel, g, jacobian, 1, tolerance)[1]
    assert jacobian and (plan.sum(1) - 1 / 30).norm() < 1e-9 and (plan.sum(2) - 1 / 30).norm() < 1e-9


def test_anderson_solves_a_linear_map_of_the_plane_in_three_steps():
    jacobian, fixed = torch.tensor([[0.5, 0.2], [-0.1, 0.8]]).double(), torch.tensor([3.0, -1.0]).double()
    starts = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]).double()
    ends = [(fixed + jacobian @ (start - fixed)).view(1, 1, 2) for start in starts]
    steps = [end - start for end, start in zip(ends, starts)]
    assert torch.allclose(_anderson(ends, steps)[0, 0], fixed, atol=1e-6)


def test_equal_points_give_a_finite_gradient():
    generated = (points(6) / 100).requires_grad_()
    value = gromov_wasserstein_loss(generated, torch.ones(6, 6), 0.01, 10, 10)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(generated.grad).all()


@pytest.mark.parametrize("split", [(8,), (4, 4), (5, 2, 1), (1,) * 8])
@pytest.mark.parametrize("debiased", [False, True])
def test_the_gradient_does_not_depend_on_how_the_batch_is_split(split, debiased):
    """Vectors are gathered over micro-batches without their graphs, and each backpropagates its own rows."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 5))
    inputs, real, settings = torch.randn(8, 6), torch.randn(8, 5), (0.05, 10, 10, debiased)
    whole = torch.autograd.grad(gromov_wasserstein_loss(network(inputs), real, *settings), network.parameters())

    with torch.no_grad():
        vectors = [network(part) for part in inputs.split(split)]
    for i, part in enumerate(inputs.split(split)):
        own = network(part)
        gathered = torch.cat([*vectors[:i], own, *vectors[i + 1 :]])
        gromov_wasserstein_loss(gathered, real, *settings).backward()
    for expected, weight in zip(whole, network.parameters()):
        assert torch.allclose(weight.grad, expected, rtol=1e-4, atol=1e-8)


def test_distances_are_mean_absolute_differences():
    features = torch.tensor([[0.0, 0.0], [1.0, 3.0]], requires_grad=True)
    distances = intra_space_distances(features)
    assert torch.equal(distances, torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    assert torch.equal(torch.autograd.grad(distances[0, 1], features)[0], torch.tensor([[-0.5, -0.5], [0.5, 0.5]]))
