"""The entropic Gromov-Wasserstein loss (paper section 2.2, Eqs. 1-7; solver after Peyre et al. 2016).

Two sets of feature vectors (`points`) are compared only by the distances within each set. The transport plan assigns
generated points to real points. The value measures how much the distances between assigned points differ. Points are
the frames of a batch or the patches of one frame (stages/nets/vgg.py).

The solver: projected gradient steps (Eq. 4), accelerated by Anderson's method. Each step needs a plan with uniform
marginals for a new kernel, which Sinkhorn's algorithm (Eq. 6) and then Newton's method compute. `g` is log b of Eq. 6;
a follows from it. Leading axis b: independent pairs of sets.
"""

import math

import torch
from torch import Tensor

from stages import InputError

TOLERANCE = 1e-9        # of a plan: norm of the error of its marginals, and of its change in the last step
_LOG_INTERVAL = 10      # one of this many Sinkhorn iterations is computed in the log domain
_MAX_JACOBIANS = 40     # Jacobians for one kernel, before it is solved from a smoother kernel
_MAX_CHORD_STEPS = 10   # Newton steps with one Jacobian
_OVER_RELAXATION = 0.1  # share by which each outer step is longer than that of Eq. 4
Jacobian = tuple[Tensor, Tensor]  # LU-decomposed, for torch.linalg.lu_solve


class NoPlan(InputError):
    """The solver found no plan that meets the marginals."""


def intra_space_distances(features: Tensor) -> Tensor:
    """Mean absolute difference between all pairs of feature vectors, (..., n, d) -> (..., n, n): the L1 norms of Eq. 3
    divided by d, so that epsilon does not depend on the network's number of features."""
    return torch.cdist(features, features, p=1) / features.shape[-1]


def gromov_wasserstein(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int,
                       tolerance: float = TOLERANCE) -> tuple[Tensor, Tensor]:
    """Value of Eq. 3 for the plan of Eqs. 4-7, and this plan.

    dx, dy     symmetric intra-space distances, (b, n, n) and (b, m, m); float, of the order of 1
    epsilon    weight of the entropy, in units of dx^2
    outer      maximum number of projected gradient steps (Eq. 4); fewer if they converge
    inner      Sinkhorn iterations (Eq. 6) before the first Newton step, and whenever a Newton step does not reduce the
               error; Newton steps are repeated until the marginals are met
    tolerance  see TOLERANCE

    Returns the value (b,) in the type of dx, and the plan (b, n, m) float64. Distances that are not finite give values
    that are not finite. The plan is computed in float64 without gradient. The gradient of the value is that for a
    constant plan. By the envelope theorem, at a converged plan this is the gradient of the minimised function, value -
    epsilon * entropy. Raises NoPlan if no plan meets the marginals.
    """
    with torch.no_grad(), torch.autocast(dx.device.type, enabled=False):
        plan = _plan(dx.detach().double(), dy.detach().double(), epsilon, outer, inner, tolerance)
    return _objective(dx.double(), dy.double(), plan).to(dx.dtype), plan


def gromov_wasserstein_loss(generated: Tensor, real: Tensor, epsilon: float, outer: int, inner: int,
                            debiased: bool = False) -> Tensor:
    """The Gromov-Wasserstein loss of two sets of feature vectors (n, d), or its mean over b pairs of sets (b, n, d); a
    scalar. Both distance matrices are divided by the maximum of the real one, so epsilon is relative to the spread of
    the real points. For the other arguments see `gromov_wasserstein`.

    debiased   2 GW(x, y) - GW(x, x) - GW(y, y) (Bunne et al. 2019), which is zero for equal sets with any epsilon
    """
    n, real = real.shape[-2], real.double()
    dx, dy = (intra_space_distances(x.double()).reshape(-1, n, n) for x in (generated, real))
    least = 1e-3 * real.abs().mean().clamp_min(1e-9)  # avoids a division by 0 if all real points are equal
    spread = dy.amax((1, 2), keepdim=True).clamp_min(least).detach()
    dx, dy = dx / spread, dy / spread
    if not debiased:
        return gromov_wasserstein(dx, dy, epsilon, outer, inner)[0].mean().float()
    pairs = torch.cat([dx, dx, dy]), torch.cat([dy, dx, dy])  # (3 b, n, n)
    cross, own, others = gromov_wasserstein(*pairs, epsilon, outer, inner)[0].chunk(3)
    return (2 * cross - own - others).mean().float()


def _objective(dx: Tensor, dy: Tensor, plan: Tensor) -> Tensor:
    """The value of Eq. 3: sum over i, j, k, l of |dx_ik - dy_jl|^2 plan_ij plan_kl, (b,), in closed form."""
    p, q = plan.sum(2, keepdim=True), plan.sum(1, keepdim=True).mT  # marginals (b, n, 1), (b, m, 1)
    squares = (p.mT @ dx**2 @ p + q.mT @ dy**2 @ q).flatten()       # (b,)
    return squares - 2 * (dx * (plan @ dy @ plan.mT)).sum((1, 2))


def _plan(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int, tolerance: float) -> Tensor:
    """The plan (b, n, m). In each step the error of the marginals is at most 1/1000 of the plan's change in the
    previous step; for the returned plan it is at most the tolerance."""
    b, n, m = dx.shape[0], dx.shape[1], dy.shape[1]
    squares = (-2 / epsilon) * ((dx**2).mean(2).unsqueeze(2) + (dy**2).mean(2).unsqueeze(1))  # (b, n, m)
    log_kernel = squares + (4 / epsilon) * dx.mean(2).unsqueeze(2) * dy.mean(2).unsqueeze(1)  # for the uniform plan
    start, history = dx.new_full((b, n, m), 1 / (n * m)), []
    g, moved, jacobian = dx.new_zeros(b, m, 1), dx.new_ones(b, 1, 1), None  # g: log b of Eq. 6, kept between the steps
    for _ in range(outer):
        g, plan, jacobian = _meet_marginals(log_kernel, g, jacobian, inner, (moved / 1000).clamp_min(tolerance))
        step = plan - start
        before, moved = moved, _norm(step)
        if (moved <= tolerance).all():
            break
        history = _extended(history, (torch.add(plan, step, alpha=_OVER_RELAXATION), step), moved < 0.9 * before)
        start = _anderson(*zip(*history))
        # Eq. 5, with C of Eq. 4 in closed form; 2 C is the gradient of the objective
        log_kernel = torch.baddbmm(squares, torch.bmm(dx, start), dy, alpha=4 / epsilon)
    return _meet_marginals(log_kernel, g, jacobian, inner, moved.new_tensor(tolerance))[1]


def _extended(history: list[tuple[Tensor, Tensor]], latest: tuple[Tensor, Tensor], shrinking: Tensor
              ) -> list[tuple[Tensor, Tensor]]:
    """The last three pairs of a step's end point and the step. For sets whose steps do not shrink, the latest pair
    replaces the earlier ones."""
    if not shrinking.all():
        history = [tuple(torch.where(shrinking, x, y) for x, y in zip(old, latest)) for old in history]
    return [*history[-2:], latest]


def _anderson(ends: tuple[Tensor, ...], steps: tuple[Tensor, ...]) -> Tensor:
    """Anderson acceleration (Anderson 1965): the weighted mean of the end points of the last steps, with the weights
    that minimise the norm of the weighted mean of the steps."""
    steps = torch.stack(steps, 1).flatten(2)  # (b, k, n m)
    products = torch.bmm(steps, steps.mT)     # (b, k, k)
    ridge = 1e-13 * products.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-100)
    products.diagonal(dim1=1, dim2=2).add_(ridge.unsqueeze(1))
    weights = torch.linalg.solve_ex(products, torch.ones_like(products[:, :, :1]))[0]
    weights = (weights / weights.sum(1, keepdim=True)).unsqueeze(3)  # (b, k, 1, 1)
    return sum(weights[:, i] * end for i, end in enumerate(ends))


def _sinkhorn(log_kernel: Tensor, g: Tensor, iterations: int, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Sinkhorn iterations (Eq. 6) from log b = g. Returns g and the plan of Eq. 7, which meets the marginals of the
    rows. Every tenth iteration is computed in the log domain, the others as factors of the plan found there. An
    iteration changes a and b by a factor of at most n, so the factors do not overflow or underflow. Stops when the
    marginals of the columns are met too."""
    n, m = log_kernel.shape[1:]
    for start in range(0, iterations, _LOG_INTERVAL):
        log_plan = torch.log_softmax(log_kernel + g.mT, 2) - math.log(n)
        g = g - math.log(m) - torch.logsumexp(log_plan, 1).unsqueeze(2)
        plan = _plan_of(log_kernel, g)
        a, b = plan.new_ones(len(plan), n, 1), torch.ones_like(g)
        for _ in range(min(_LOG_INTERVAL, iterations - start) - 1):
            b = (1 / m) / torch.bmm(plan.mT, a)  # (b, m, 1)
            a = (1 / n) / torch.bmm(plan, b)     # (b, n, 1)
        g, plan = g + b.log(), plan * a * b.mT
        if (_marginal_error(plan)[1] <= tolerance).all():
            break
    return g, plan


def _meet_marginals(log_kernel: Tensor, g: Tensor, jacobian: Jacobian | None, inner: int, tolerance: Tensor
                    ) -> tuple[Tensor, Tensor, Jacobian | None]:
    """Computes the plan that meets the marginals of rows and columns, with an error of at most the tolerance or the
    rounding error for this kernel. Returns g, the plan and the Jacobian. If Newton's method does not converge from g,
    it starts from the solution for a smoother kernel (half the exponent). Raises NoPlan if it still does not
    converge."""
    reachable = tolerance.clamp_min(-4 * torch.finfo(g.dtype).eps * log_kernel.amin())
    new_g, plan, error_norm, jacobian = _newton(log_kernel, g, jacobian, inner, reachable)
    if (error_norm > reachable).any():
        smooth_g, _, jacobian = _meet_marginals(log_kernel / 2, g / 2, jacobian, inner, tolerance)
        new_g, plan, error_norm, jacobian = _newton(log_kernel, 2 * smooth_g, jacobian, inner, reachable)
    if (error_norm > reachable).any():
        raise NoPlan("Gromov-Wasserstein: the marginals of a plan cannot be met, the error is "
                         f"{error_norm.max().item():.1e}; use a larger gw_epsilon")
    return new_g, plan, jacobian


def _newton(log_kernel: Tensor, g: Tensor, jacobian: Jacobian | None, inner: int, tolerance: Tensor
            ) -> tuple[Tensor, Tensor, Tensor, Jacobian | None]:
    """Damped Newton's method for the marginals of the columns as functions of g, where a meets those of the rows
    (Brauer et al. 2017). For small epsilon it converges much faster than Sinkhorn. The Jacobian is expensive, so it is
    reused as long as it reduces the error, also for the next kernels. Sinkhorn iterations are made before the first
    Jacobian, and whenever a new one does not reduce the error. Returns g, the plan, the norm of the error of the
    columns' marginals, and the Jacobian."""
    n, m = log_kernel.shape[1:]
    g, plan, error, error_norm = _chord_steps(log_kernel, g, jacobian, tolerance)
    damping, stuck = torch.full_like(error_norm, 1e-4), torch.full_like(error_norm, jacobian is None, dtype=torch.bool)
    for _ in range(_MAX_JACOBIANS):
        if not (error_norm > tolerance).any():
            break
        stuck &= error_norm > tolerance
        if stuck.any():
            sinkhorn_g, sinkhorn_plan = _sinkhorn(log_kernel, g, inner, tolerance)
            g, plan = torch.where(stuck, sinkhorn_g, g), torch.where(stuck, sinkhorn_plan, plan)
            error, error_norm = _marginal_error(plan)
            if not (error_norm > tolerance).any():
                break
        # d columns / d g = diag(columns) - n plan^T plan, singular for constant g, which does not change the plan
        diagonal = torch.diag_embed((1 / m - error + damping * error_norm)[..., 0]) + m**-2
        jacobian = torch.linalg.lu_factor_ex(torch.baddbmm(diagonal, plan.mT, plan, alpha=-n))[:2]
        before = error_norm
        g, plan, error, error_norm = _chord_steps(log_kernel, g, jacobian, tolerance)
        stuck = error_norm >= before
        damping = torch.where(stuck, damping.clamp(1e-8, 1) * 10, damping / 10)
    return g, plan, error_norm, jacobian


def _chord_steps(log_kernel: Tensor, g: Tensor, jacobian: Jacobian | None, tolerance: Tensor
                 ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Newton steps with one Jacobian, repeated as long as each halves the error of the columns' marginals. They
    multiply the rows and columns of the plan at g. No entry changes by more than a factor of e^200, so entries that
    underflowed at g are negligible. Returns g, the plan, the error of the columns' marginals and its norm."""
    n, m = log_kernel.shape[1:]
    plan, log_b = _plan_of(log_kernel, g), torch.zeros_like(g)
    error, error_norm = _marginal_error(plan)
    for _ in range(_MAX_CHORD_STEPS if jacobian else 0):
        trial = (log_b + torch.linalg.lu_solve(*jacobian, error)).clamp(-99, 99)
        b = trial.exp()
        trial_error = 1 / m - b * torch.bmm(plan.mT, (1 / n) / torch.bmm(plan, b))
        trial_norm = _norm(trial_error)
        better, halved = trial_norm < error_norm, trial_norm < error_norm / 2
        log_b, error = torch.where(better, trial, log_b), torch.where(better, trial_error, error)
        error_norm = torch.where(better, trial_norm, error_norm)
        if not (halved & (error_norm > tolerance)).any():
            break
    b = log_b.exp()
    return g + log_b, plan * ((1 / n) / torch.bmm(plan, b)) * b.mT, error, error_norm


def _marginal_error(plan: Tensor) -> tuple[Tensor, Tensor]:
    """The error of the columns' marginals (b, m, 1), and its norm (b, 1, 1)."""
    error = 1 / plan.shape[2] - plan.sum(1).unsqueeze(2)
    return error, _norm(error)


def _plan_of(log_kernel: Tensor, g: Tensor) -> Tensor:
    """The plan of Eq. 7 (b, n, m) for log b = g, with the a that meets the marginals of the rows."""
    return torch.softmax(log_kernel + g.mT, 2) / log_kernel.shape[1]


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
