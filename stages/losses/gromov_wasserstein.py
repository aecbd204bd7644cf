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
_NEWTON = 40      # slopes before a kernel is approached from a blunter one
_CHORDS = 10      # steps along one slope
_BEYOND = 0.1     # each outer step goes so much farther than Eq. 4's
Slope = tuple[Tensor, Tensor]  # decomposed, what torch.linalg.lu_solve takes


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
    inner      Sinkhorn iterations (Eq. 6) before the first of Newton's steps, and where one does not help; those go on
               until the marginals are met

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
    p, q = plan.sum(2, keepdim=True), plan.sum(1, keepdim=True).mT  # marginals (b, n, 1), (b, m, 1)
    squares = (p.mT @ dx**2 @ p + q.mT @ dy**2 @ q).flatten()       # (b,)
    return squares - 2 * (dx * (plan @ dy @ plan.mT)).sum((1, 2))


def _plan(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int, tolerance: float) -> Tensor:
    """Each step meets the marginals to a thousandth of what the last one moved, the plan returned to the tolerance."""
    b, n, m = dx.shape[0], dx.shape[1], dy.shape[1]
    squares = (-2 / epsilon) * ((dx**2).mean(2).unsqueeze(2) + (dy**2).mean(2).unsqueeze(1))  # (b, n, m)
    log_kernel = squares + (4 / epsilon) * dx.mean(2).unsqueeze(2) * dy.mean(2).unsqueeze(1)  # where the plan is even
    start, tries = dx.new_full((b, n, m), 1 / (n * m)), []
    g, moved, slope = dx.new_zeros(b, m, 1), dx.new_ones(b, 1, 1), None  # log b of Eq. 6, kept between the steps
    for _ in range(outer):
        g, plan, slope = _met(log_kernel, g, slope, inner, (moved / 1000).clamp_min(tolerance))
        step = plan - start
        before, moved = moved, _norm(step)
        if (moved <= tolerance).all():
            break
        tries = _remembered(tries, (torch.add(plan, step, alpha=_BEYOND), step), moved < 0.9 * before)
        start = _extrapolated(*zip(*tries))
        # Eq. 5 of Eq. 4's C in closed form; 2 C is the objective's gradient
        log_kernel = torch.baddbmm(squares, torch.bmm(dx, start), dy, alpha=4 / epsilon)
    return _met(log_kernel, g, slope, inner, moved.new_tensor(tolerance))[1]


def _remembered(tries: list[tuple[Tensor, Tensor]], latest: tuple[Tensor, Tensor], shrinking: Tensor
                ) -> list[tuple[Tensor, Tensor]]:
    """The last three tries. Where steps do not shrink, the earlier ones are forgotten: the latest takes their place."""
    if not shrinking.all():
        tries = [tuple(torch.where(shrinking, x, y) for x, y in zip(old, latest)) for old in tries]
    return [*tries[-2:], latest]


def _extrapolated(ends: tuple[Tensor, ...], steps: tuple[Tensor, ...]) -> Tensor:
    """The mixture of the ends of the last steps for which the same mixture of the steps is shortest (Anderson 1965)."""
    steps = torch.stack(steps, 1).flatten(2)  # (b, k, n m)
    products = torch.bmm(steps, steps.mT)     # (b, k, k)
    ridge = 1e-13 * products.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-100)
    products.diagonal(dim1=1, dim2=2).add_(ridge.unsqueeze(1))
    weights = torch.linalg.solve_ex(products, torch.ones_like(products[:, :, :1]))[0]
    weights = (weights / weights.sum(1, keepdim=True)).unsqueeze(3)  # (b, k, 1, 1)
    return sum(weights[:, i] * end for i, end in enumerate(ends))


def _sinkhorn(log_kernel: Tensor, g: Tensor, iterations: int, tolerance: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 6 from log b = g, and Eq. 7's plan, its rows' marginals met. Every tenth iteration runs in the log domain,
    the others on the plan found there: an iteration changes a and b at most n-fold, so nothing over- or underflows.
    Ends where the columns' marginals are met too."""
    n, m = log_kernel.shape[1:]
    for start in range(0, iterations, _ABSORB):
        log_plan = torch.log_softmax(log_kernel + g.mT, 2) - math.log(n)
        g = g - math.log(m) - torch.logsumexp(log_plan, 1).unsqueeze(2)
        plan = _plan_of(log_kernel, g)
        a, b = plan.new_ones(len(plan), n, 1), torch.ones_like(g)
        for _ in range(min(_ABSORB, iterations - start) - 1):
            b = (1 / m) / torch.bmm(plan.mT, a)  # (b, m, 1)
            a = (1 / n) / torch.bmm(plan, b)     # (b, n, 1)
        g, plan = g + b.log(), plan * a * b.mT
        if (_miss(plan)[1] <= tolerance).all():
            break
    return g, plan


def _met(log_kernel: Tensor, g: Tensor, slope: Slope | None, inner: int, tolerance: Tensor
         ) -> tuple[Tensor, Tensor, Slope | None]:
    """log b and the plan with its columns' marginals met as well, to the tolerance or as near as rounding lets the
    exponentials of this kernel come. A kernel too sharp to start from g is approached from one half as sharp."""
    reachable = tolerance.clamp_min(-4 * torch.finfo(g.dtype).eps * log_kernel.amin())
    met_g, plan, off, slope = _newton(log_kernel, g, slope, inner, reachable)
    if (off > reachable).any():
        blunt_g, _, slope = _met(log_kernel / 2, g / 2, slope, inner, tolerance)
        met_g, plan, off, slope = _newton(log_kernel, 2 * blunt_g, slope, inner, reachable)
    if (off > reachable).any():
        raise InputError(f"Gromov-Wasserstein: a plan's marginals stay off by {off.max().item():.1e}; use a larger "
                         f"gw_epsilon")
    return met_g, plan, slope


def _newton(log_kernel: Tensor, g: Tensor, slope: Slope | None, inner: int, tolerance: Tensor
            ) -> tuple[Tensor, Tensor, Tensor, Slope | None]:
    """Newton's method on the columns' marginals as functions of g, the rows' kept (Brauer et al. 2017), damped: fast
    where Sinkhorn, ever slower as epsilon falls, is not. The slope, the dear part, is kept while it leads on, from
    kernel to kernel too; Sinkhorn goes before the first one, and wherever a new one does not help.
    Returns g, the plan, the norm of what its columns' marginals miss, and the slope."""
    n, m = log_kernel.shape[1:]
    g, plan, miss, off = _chords(log_kernel, g, slope, tolerance)
    damping, stuck = torch.full_like(off, 1e-4), torch.full_like(off, slope is None, dtype=torch.bool)
    for _ in range(_NEWTON):
        if not (off > tolerance).any():
            break
        stuck &= off > tolerance
        if stuck.any():
            slow_g, slow = _sinkhorn(log_kernel, g, inner, tolerance)
            g, plan = torch.where(stuck, slow_g, g), torch.where(stuck, slow, plan)
            miss, off = _miss(plan)
            if not (off > tolerance).any():
                break
        # d columns / d g = diag(columns) - n plan^T plan, singular along the constants, which leave the plan as it is
        diagonal = torch.diag_embed((1 / m - miss + damping * off)[..., 0]) + m**-2
        slope = torch.linalg.lu_factor_ex(torch.baddbmm(diagonal, plan.mT, plan, alpha=-n))[:2]
        before = off
        g, plan, miss, off = _chords(log_kernel, g, slope, tolerance)
        stuck = off >= before
        damping = torch.where(stuck, damping.clamp(1e-8, 1) * 10, damping / 10)
    return g, plan, off, slope


def _chords(log_kernel: Tensor, g: Tensor, slope: Slope | None, tolerance: Tensor
            ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps of Newton's method with one slope while each halves what the columns' marginals miss. They scale the plan
    found at g: where no entry grows or shrinks beyond e^200, those that underflowed there do not matter.
    Returns g, the plan, what its columns' marginals lack and the norm of that."""
    n, m = log_kernel.shape[1:]
    plan, log_b = _plan_of(log_kernel, g), torch.zeros_like(g)
    miss, off = _miss(plan)
    for _ in range(_CHORDS if slope else 0):
        trial = (log_b + torch.linalg.lu_solve(*slope, miss)).clamp(-99, 99)
        b = trial.exp()
        trial_miss = 1 / m - b * torch.bmm(plan.mT, (1 / n) / torch.bmm(plan, b))
        trial_off = _norm(trial_miss)
        better, leading = trial_off < off, trial_off < off / 2
        log_b, miss = torch.where(better, trial, log_b), torch.where(better, trial_miss, miss)
        off = torch.where(better, trial_off, off)
        if not (leading & (off > tolerance)).any():
            break
    b = log_b.exp()
    return g + log_b, plan * ((1 / n) / torch.bmm(plan, b)) * b.mT, miss, off


def _miss(plan: Tensor) -> tuple[Tensor, Tensor]:
    """What the columns' marginals lack (b, m, 1), and the norm of it."""
    miss = 1 / plan.shape[2] - plan.sum(1).unsqueeze(2)
    return miss, _norm(miss)


def _plan_of(log_kernel: Tensor, g: Tensor) -> Tensor:
    """Eq. 7 for log b = g and the a that meets the rows' marginals."""
    return torch.softmax(log_kernel + g.mT, 2) / log_kernel.shape[1]


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
