"""Agreement and speed of the Gromov-Wasserstein loss, compared with the library POT. Rows of
tests.benchmarks.ground_truth."""

import time
import warnings
from pathlib import Path

import ot
import torch
from torch import Tensor

from stages import params
from stages.losses.gromov_wasserstein import gromov_wasserstein, intra_space_distances
from tests.benchmarks.figures import Figure

ROOT = Path(__file__).parents[2]
GOALS = {10: 20, 64: 50, 256: 100}  # number of points -> speed relative to POT
STEPS = 50  # maximum number of outer steps; both stop if the plan changes by less than 1e-9
REPEATS = 3  # measured in turns; the best of each counts


def gw(_: Path) -> list[Figure]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # from POT: its Sinkhorn iterations did not converge
            return [*agreement(), *(speed(n, goal) for n, goal in GOALS.items())]
    finally:
        torch.set_num_threads(threads)


def agreement() -> list[Figure]:
    """Compares value and gradient with POT, for an epsilon at which POT's Sinkhorn iterations also converge. The
    gradient is that of the minimised quantity, value - epsilon * entropy: ours by the envelope theorem, POT's by
    backpropagation through all iterations."""
    epsilon, (dx, dy) = 0.2, costs(16)
    value, _ = gromov_wasserstein(dx[None], dy[None], epsilon, 200, 10)
    gradient, = torch.autograd.grad(value.sum(), dx)
    plan, log = ot.gromov.entropic_gromov_wasserstein(
        dx, dy, loss_fun="square_loss", epsilon=epsilon, max_iter=200, tol=1e-12, log=True)
    expected, = torch.autograd.grad(log["gw_dist"] + epsilon * torch.xlogy(plan, plan).sum(), dx)
    slope = (gradient - expected).norm() / expected.norm()
    return [
        Figure("Gromov-Wasserstein: value, relative to POT", abs(value / log["gw_dist"] - 1).item(), 1e-4, "", True),
        Figure("Gromov-Wasserstein: gradient, relative to POT", slope.item(), 1e-4, "", True),
    ]


def speed(n: int, goal: float) -> Figure:
    """The time of a forward and backward pass at the demo's epsilon. It is measured as CPU time of one thread, which
    other programs affect least. Our plan has the required marginals up to 1e-9. POT, with its defaults, stops at 1e-9
    or after 1,000 Sinkhorn iterations per step."""
    demo = params.load(ROOT / "params.yaml").presets["demo"].generator_training
    dx, dy = costs(n)

    def ours():
        value, plan = gromov_wasserstein(dx[None], dy[None], demo.gw_epsilon, STEPS, demo.gw_inner)
        torch.autograd.grad(value.sum(), dx)
        return value.item(), plan[0]

    def pots():
        value, log = ot.gromov.entropic_gromov_wasserstein2(
            dx, dy, loss_fun="square_loss", epsilon=demo.gw_epsilon, max_iter=STEPS, log=True)
        torch.autograd.grad(value, dx)
        return value.item(), log["T"].detach()

    taken, found = {ours: [], pots: []}, {}
    for _ in range(REPEATS):
        for solver, times in taken.items():
            start = time.process_time()
            found[solver] = solver()
            times.append(time.process_time() - start)
    remarks = [f"{1e3 * min(taken[solver]):.0f} ms, value {value:.6f}, marginals off by {missed(plan):.0e}"
            for solver, (value, plan) in found.items()]
    return Figure(f"Gromov-Wasserstein: times as fast as POT, n = {n}", min(taken[pots]) / min(taken[ours]), goal,
                  remark=f"{remarks[0]}; POT {remarks[1]}")


def costs(n: int) -> tuple[Tensor, Tensor]:
    """Two cost matrices of n consecutive frames: from features that follow a random walk, with small errors as a
    generator would make, and without."""
    draw = torch.Generator().manual_seed(n)
    real = torch.randn(n, 64, generator=draw, dtype=torch.float64).cumsum(0)
    generated = real + 0.1 * real.std() * torch.randn(n, 64, generator=draw, dtype=torch.float64)
    dx, dy = intra_space_distances(generated), intra_space_distances(real)
    return (dx / dy.max()).requires_grad_(), dy / dy.max()


def missed(plan: Tensor) -> float:
    """The norm of the error of the marginals."""
    return max((plan.sum(i) - 1 / plan.shape[1 - i]).norm().item() for i in (0, 1))
