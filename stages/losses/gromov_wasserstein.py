"""The entropic Gromov-Wasserstein loss (paper section 2.2, Eqs. 1-7; solver after Peyre et al. 2016).

Two batches of feature vectors are compared by their intra-space distances alone: the plan says which
generated frame plays the part of which real one, the value how much their distances to the others differ.
"""

import math

import torch
from torch import Tensor

_ABSORB = 10  # Sinkhorn iterations between two in the log domain


def intra_space_distances(features: Tensor) -> Tensor:
    """Mean absolute difference between all feature vectors, (..., n, d) -> (..., n, n): the L1 norms of Eq. 3
    divided by d, so that epsilon means the same for every network."""
    return (features.unsqueeze(-2) - features.unsqueeze(-3)).abs().mean(-1)


def gromov_wasserstein(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int) -> tuple[Tensor, Tensor]:
    """Value of Eq. 3 at the plan of Eqs. 4-7, and that plan.

    dx, dy   symmetric intra-space costs, (b, n, n) and (b, m, m); float, of the order of 1
    epsilon  regularisation, in units of dx^2
    outer    projected gradient steps: Eq. 4's C, contracted with the current plan
    inner    Sinkhorn iterations a step (Eq. 6), in the log domain

    Returns (b,) in the type of dx, and (b, n, m) float64. Solved in float64 on detached costs; the gradient
    is that of the objective with the plan held fixed (envelope theorem).
    """
    with torch.no_grad(), torch.autocast(dx.device.type, enabled=False):
        plan = _plan(dx.detach().double(), dy.detach().double(), epsilon, outer, inner)
    return _objective(dx.double(), dy.double(), plan).to(dx.dtype), plan


def gromov_wasserstein_loss(generated: Tensor, real: Tensor, epsilon: float, outer: int, inner: int) -> Tensor:
    """GW between two batches of feature vectors (n, d), a scalar; both cost matrices are divided by the real
    one's maximum, so that epsilon is relative to the spread of the real batch."""
    dx, dy = intra_space_distances(generated.double()), intra_space_distances(real.double())
    spread = dy.max().detach().clamp_min(1e-12)
    value, _ = gromov_wasserstein(dx[None] / spread, dy[None] / spread, epsilon, outer, inner)
    return value[0].float()


def _objective(dx: Tensor, dy: Tensor, plan: Tensor) -> Tensor:
    """sum |dx_ik - dy_jl|^2 plan_ij plan_kl for each of the batch, in the closed form of the square loss."""
    p, q = plan.sum(2), plan.sum(1)  # marginals (b, n), (b, m)
    squares = torch.einsum("bik,bi,bk->b", dx**2, p, p) + torch.einsum("bjl,bj,bl->b", dy**2, q, q)
    return squares - 2 * ((dx @ plan @ dy) * plan).sum((1, 2))


def _plan(dx: Tensor, dy: Tensor, epsilon: float, outer: int, inner: int) -> Tensor:
    b, n, m = dx.shape[0], dx.shape[1], dy.shape[1]
    plan = dx.new_full((b, n, m), 1 / (n * m))
    squares = (dx**2).mean(2).unsqueeze(2) + (dy**2).mean(2).unsqueeze(1)  # (b, n, m)
    f, g = dx.new_zeros(b, n, 1), dx.new_zeros(b, 1, m)  # log a, log b of Eq. 6, kept between the steps
    for _ in range(outer):
        log_kernel = (squares - 2 * dx @ plan @ dy) * (-2 / epsilon)  # Eq. 5; 2 C is the objective's gradient
        f, g = _sinkhorn(log_kernel, f, g, inner)
        plan = torch.exp(log_kernel + f + g)  # Eq. 7
    return plan


def _sinkhorn(log_kernel: Tensor, f: Tensor, g: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Eq. 6 with log a = f and log b = g. The first of every ten iterations runs in the log domain, the others
    on the kernel that absorbed it: an iteration changes a and b at most n-fold, so nothing over- or underflows."""
    n, m = log_kernel.shape[1:]
    for start in range(0, iterations, _ABSORB):
        f = -math.log(n) - torch.logsumexp(log_kernel + g, 2, keepdim=True)
        g = -math.log(m) - torch.logsumexp(log_kernel + f, 1, keepdim=True)
        kernel = torch.exp(log_kernel + f + g)
        transposed = kernel.mT.contiguous()
        a, b = torch.ones_like(f), torch.ones_like(g.mT)  # (b, n, 1), (b, m, 1)
        for _ in range(min(_ABSORB, iterations - start) - 1):
            a = (1 / n) / (kernel @ b)
            b = (1 / m) / (transposed @ a)
        f, g = f + a.log(), g + b.mT.log()
    return f, g
