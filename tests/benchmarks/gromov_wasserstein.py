"""Gromov-Wasserstein against POT: rows of tests.benchmarks.ground_truth."""

import time
from pathlib import Path

import ot
import torch

from stages import params
from stages.losses.gromov_wasserstein import gromov_wasserstein, intra_space_distances
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]


def gw(_: Path) -> list[Figure]:
    """Against POT: agreement where both converge, and speed, forward and backward."""
    def costs(n):
        points = (torch.randn(n, 6, dtype=torch.float64) + 3 * (torch.arange(n) % 3)[:, None] for _ in range(2))
        dx, dy = map(intra_space_distances, points)
        return (dx / dy.max()).requires_grad_(), dy / dy.max()

    def timed(work, repeats):
        """Seconds of the best repeat: others may be using the machine."""
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            result = work()
            times.append(time.perf_counter() - start)
        return min(times), result

    def ours(dx, dy):
        value = gromov_wasserstein(dx[None], dy[None], epsilon, steps, inner)[0][0]
        return value.item(), torch.autograd.grad(value, dx)

    def pots(dx, dy):
        value = ot.gromov.entropic_gromov_wasserstein2(
            dx, dy, loss_fun="square_loss", epsilon=epsilon, max_iter=steps, tol=0)
        return value.item(), torch.autograd.grad(value, dx)

    torch.manual_seed(0)
    dx, dy = costs(16)
    value, plan = gromov_wasserstein(dx[None], dy[None], 0.1, 300, 200)
    theirs, log = ot.gromov.entropic_gromov_wasserstein2(
        dx.detach(), dy, loss_fun="square_loss", epsilon=0.1, max_iter=300, tol=1e-12, log=True)
    gradient = torch.autograd.grad(value.sum(), dx)[0]
    constant, hx, hy = ot.gromov.init_matrix(dx, dy, log["T"].sum(1), log["T"].sum(0), "square_loss")
    expected = torch.autograd.grad(ot.gromov.gwloss(constant, hx, hy, log["T"].detach()), dx)[0]
    slope = (gradient - expected).norm() / expected.norm()

    # Speed: the same projected gradient steps; POT runs each Sinkhorn to its own tolerance, ours as often as it takes
    # for the same value.
    demo = params.load(ROOT / "params.yaml").presets["demo"].generator_training
    epsilon, inner, steps, pair = demo.gw_epsilon, 200, 50, costs(64)
    (taken, mine), (pot_taken, pots_own) = timed(lambda: ours(*pair), 5), timed(lambda: pots(*pair), 1)
    remark = f"{1e3 * taken:.0f} against {1e3 * pot_taken:.0f} ms; values {mine[0]:.6f} and {pots_own[0]:.6f}"
    return [
        Figure("Gromov-Wasserstein: value, relative to POT", abs(value.item() / theirs.item() - 1), 1e-4, "", True),
        Figure("Gromov-Wasserstein: gradient at the plan, relative to POT", slope.item(), 1e-4, "", True),
        Figure("Gromov-Wasserstein: times as fast as POT, n = 64", pot_taken / taken, 20, remark=remark),
    ]
