"""The entropic Gromov-Wasserstein loss (paper section 2.2, Eqs. 1-7; solver after Peyre et al. 2016).

Two sets of feature vectors are compared by their intra-space distances alone: the plan says which generated point
plays the part of which real one, the value how much their distances to the others differ. Points are the frames of
a batch or the patches of one frame (stages/nets/vgg.py).
"""

import math

import torch
from torch import Tensor

from stages import InputError

TOLERANCE = 1e-9  # of a plan: norm of what its marginals miss, and of what the last step changed
_ABSORB = 10      # Sinkhorn iterations between two in the log domain
_NEWTON = 40      # steps before a kernel is approached from a blunter one


def intra_space_distances(features: Tensor) -> Tensor:
    """Mean absolute difference between all feature vectors, (..., n, d) -> (..., n, n): the L1 norms of Eq. 3
    divided by d, so that epsilon means the same for every network."""
    return torch.cdist(features, features, p=1) / features.shape[-1]


def gromov_wasserstein(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int,
                       tolerance: float = TOLERANCE) -> tuple[Tensor, Tensor]:
    """Value of Eq. 3 at the plan of Eqs. 4-7, and that plan.

    dx, dy     symmetric intra-space costs, (b, n, n) and (b, m, m); float, of the order of 1
    epsilon    regularisation, in units of dx^2
    outer      projected gradient steps at most: Eq. 4's C, contracted with the plan; fewer where that stands still
    inner      Sinkhorn iterations a step (Eq. 6); Newton's method goes on until the marginals are met

    Returns (b,) in the type of dx, and (b, n, m) float64; costs that are not finite give values that are not. Solved in
    float64 on detached costs. The gradient is that of the value with the plan held fixed: by the envelope theorem,
    where the plan stands still, the gradient of what the plan minimises, value - epsilon * entropy.
    """
    with torch.no_grad(), torch.autocast(dx.device.type, enabled=False):
        plan = _plan(dx.detach().double(), dy.detach().double(), epsilon, outer, inner, tolerance)
    return _objective(dx.double(), dy.double(), plan).to(dx.dtype), plan


def gromov_wasserstein_loss(generated: Tensor, real: Tensor, epsilon: float, outer: int, inner: int,
                            debiased: bool = False) -> Tensor:
    """GW between feature vectors (n, d), or the mean over b pairs of sets (b, n, d); a scalar. Both cost matrices are
    divided by the real one's maximum, so that epsilon is relative to the spread of the real points. Vectors may have
    been gathered over micro-batches and ranks, with a graph on those rows alone whose gradient is wanted.

    debiased   2 GW(x, y) - GW(x, x) - GW(y, y), Bunne et al. 2019: zero for equal sets, which epsilon blurs
    """
    n, real = real.shape[-2], real.double()
    dx, dy = (intra_space_distances(x.double()).reshape(-1, n, n) for x in (generated, real))
    least = 1e-3 * real.abs().mean().clamp_min(1e-9)  # where all real points are one
    spread = dy.amax((1, 2), keepdim=True).clamp_min(least).detach()
    dx, dy = dx / spread, dy / spread
    if not debiased:
        return gromov_wasserstein(dx, dy, epsilon, outer, inner)[0].mean().float()
    pairs = torch.cat([dx, dx, dy]), torch.cat([dy, dx, dy])  # (3 b, n, n)
    both, own, others = gromov_wasserstein(*pairs, epsilon, outer, inner)[0].chunk(3)
    return (2 * both - own - others).mean().float()


def _objective(dx: Tensor, dy: Tensor, plan: Tensor) -> Tensor:
    """sum |dx_ik - dy_jl|^2 plan_ij plan_kl for each of the batch, in the closed form of the square loss."""
    p, q = plan.sum(2), plan.sum(1)  # marginals (b, n), (b, m)
    squares = torch.einsum("bik,bi,bk->b", dx**2, p, p) + torch.einsum("bjl,bj,bl->b", dy**2, q, q)
    return squares - 2 * (dx * (plan @ dy @ plan.mT)).sum((1, 2))


def _plan(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int, tolerance: float) -> Tensor:
    """Each step meets the marginals to a hundredth of what the last one moved, the plan returned to the tolerance."""
    b, n, m = dx.shape[0], dx.shape[1], dy.shape[1]
    plan = dx.new_full((b, n, m), 1 / (n * m))
    squares = (dx**2).mean(2).unsqueeze(2) + (dy**2).mean(2).unsqueeze(1)  # (b, n, m)
    f, moved = dx.new_zeros(b, n, 1), dx.new_ones(b, 1, 1)  # log a of Eq. 6, kept between the steps
    for _ in range(outer):
        log_kernel = (squares - 2 * dx @ plan @ dy) * (-2 / epsilon)  # Eq. 5; 2 C is the objective's gradient
        before = plan
        enough = (moved / 100).clamp_min(tolerance)
        f, plan = _sinkhorn(log_kernel, f, inner, enough)
        f, plan = _met(log_kernel, f, plan, enough)
        moved = _norm(plan - before)
        if (moved <= tolerance).all():
            break
    return _met(log_kernel, f, plan, moved.new_tensor(tolerance))[1]


def _sinkhorn(log_kernel: Tensor, f: Tensor, iterations: int, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 6 from log a = f, and Eq. 7's plan, its columns' marginals met. Every tenth iteration runs in the log domain,
    the others on the plan found there: an iteration changes a and b at most n-fold, so nothing over- or underflows.
    Ends where the rows' marginals are met too."""
    n, m = log_kernel.shape[1:]
    for start in range(0, iterations, _ABSORB):
        log_plan = torch.log_softmax(log_kernel + f, 1) - math.log(m)
        f = f - math.log(n) - torch.logsumexp(log_plan, 2, keepdim=True)
        plan = _plan_of(log_kernel, f)
        transposed, a, b = plan.mT.contiguous(), torch.ones_like(f), plan.new_ones(len(plan), m, 1)
        for _ in range(min(_ABSORB, iterations - start) - 1):
            a = (1 / n) / (plan @ b)        # (b, n, 1)
            b = (1 / m) / (transposed @ a)  # (b, m, 1)
        f, plan = f + a.log(), plan * a * b.mT
        if (_miss(plan)[1] <= tolerance).all():
            break
    return f, plan


def _met(log_kernel: Tensor, f: Tensor, plan: Tensor, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """The plan with its rows' marginals met as well, to the tolerance or as near as rounding lets the exponentials of
    this kernel come. A kernel too sharp to start from f is approached from one half as sharp."""
    reachable = tolerance.clamp_min(4 * torch.finfo(f.dtype).eps * log_kernel.abs().max())
    met_f, plan, off = _newton(log_kernel, f, plan, reachable)
    if (off > reachable).any():
        blunt_f, _ = _met(log_kernel / 2, f / 2, _plan_of(log_kernel / 2, f / 2), tolerance)
        met_f, plan, off = _newton(log_kernel, 2 * blunt_f, _plan_of(log_kernel, 2 * blunt_f), reachable)
    if (off > reachable).any():
        raise InputError(f"Gromov-Wasserstein: a plan's marginals stay off by {off.max().item():.1e}; use a larger "
                         f"gw_epsilon")
    return met_f, plan


def _newton(log_kernel: Tensor, f: Tensor, plan: Tensor, tolerance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Goes on where Sinkhorn, ever slower as epsilon falls, left off: Newton's method on the rows' marginals as
    functions of f, the columns' kept (Brauer et al. 2017), damped. Where a step does not help, Sinkhorn takes it.
    Returns f, the plan, and the norm of what its rows' marginals miss."""
    n, m = log_kernel.shape[1:]
    miss, off = _miss(plan)
    damping = torch.full_like(off, 1e-4)
    for _ in range(_NEWTON):
        todo = off > tolerance
        if not todo.any():
            break
        # d rows / d f = diag(rows) - m plan plan^T, singular along the constants, to which the plan is indifferent
        slope = torch.baddbmm(torch.diag_embed((1 / n - miss + damping * off)[..., 0]), plan, plan.mT, alpha=-m) + n**-2
        trial_f = f + torch.linalg.solve_ex(slope, miss)[0]
        trial = _plan_of(log_kernel, trial_f)
        better = _miss(trial)[1] < off
        damping = torch.where(better, damping / 10, damping.clamp(1e-8, 1) * 10)
        if not better.all():
            slow_f, slow = _sinkhorn(log_kernel, f, _ABSORB, tolerance)
            trial_f, trial = torch.where(better, trial_f, slow_f), torch.where(better, trial, slow)
        f, plan = torch.where(todo, trial_f, f), torch.where(todo, trial, plan)
        miss, off = _miss(plan)
    return f, plan, off


def _miss(plan: Tensor) -> tuple[Tensor, Tensor]:
    """What the rows' marginals lack (b, n, 1), and the norm of it."""
    miss = 1 / plan.shape[1] - plan.sum(2, keepdim=True)
    return miss, _norm(miss)


def _plan_of(log_kernel: Tensor, f: Tensor) -> Tensor:
    """Eq. 7 for log a = f and the b that meets the columns' marginals."""
    return torch.softmax(log_kernel + f, 1) / log_kernel.shape[2]


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
