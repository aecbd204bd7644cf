"""Poisson image editing: computes a picture from its gradients by weighted least squares.

The picture x minimises  sum w (x_b - x_a - g)^2 + sum a (x - x_0)^2: the first sum is over all neighbours a, b with the
target gradient g and its weight w, the second over all pixels with the weight a of the value x_0 (Perez et al. 2003,
whose boundary corresponds to a large a). Solved by conjugate gradients with a multigrid preconditioner that aggregates
2 x 2 pixels (Braess 1995), so that any weight may be zero. Time and memory are linear in the number of pixels.
"""

from dataclasses import dataclass

import numpy as np

_SWEEPS, _DAMPING = 2, 0.8  # iterations and damping of Jacobi's method, before and after each coarser level
_COARSEST = 16              # pixels, longer side of the coarsest level, which is solved directly
_MOST = 200                 # largest number of conjugate gradient steps


def integrate(start: np.ndarray, across: np.ndarray, down: np.ndarray, weight_across: np.ndarray,
              weight_down: np.ndarray, anchor: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """The picture (H, W, C) float32 with these gradients, with an error of about `tolerance`.

    start         (H, W, C) the values x_0, also the initial solution
    across, down  (H, W - 1, C) and (H - 1, W, C) target differences to the right and to the lower neighbour
    weight_*      (H, W - 1) and (H - 1, W) their weights
    anchor        (H, W) weights of `start`
    A pixel without any weight keeps its value."""
    start = start.astype(np.float32)
    levels = _levels(*(weight.astype(np.float32)[..., None] for weight in (anchor, weight_across, weight_down)))
    system = levels[0]
    missing = system.divergence(across - np.diff(start, axis=1), down - np.diff(start, axis=0))
    change, step, before = np.zeros_like(start), np.zeros_like(start), 1.0
    for _ in range(_MOST):
        error = _cycle(levels, missing)  # approximately the remaining error
        if np.abs(error).max() < tolerance:
            break
        along = (missing * error).sum((0, 1))
        step = error + along / before * step
        moved = system.apply(step)
        length = along / np.maximum((step * moved).sum((0, 1)), 1e-20)
        change += length * step
        missing -= length * moved
        before = np.maximum(along, 1e-20)
    return start + change


@dataclass(frozen=True)
class _System:
    """The normal equations A x = b of one level."""

    anchor: np.ndarray   # (h, w, 1)
    across: np.ndarray   # (h, w - 1, 1)
    down: np.ndarray     # (h - 1, w, 1)
    inverse: np.ndarray  # (h, w, 1) reciprocal of the diagonal of A; 0 where the diagonal is 0

    @classmethod
    def of(cls, anchor: np.ndarray, across: np.ndarray, down: np.ndarray) -> "_System":
        diagonal = anchor.copy()
        for first, second, weight in ((np.s_[:, :-1], np.s_[:, 1:], across), (np.s_[:-1], np.s_[1:], down)):
            diagonal[first] += weight
            diagonal[second] += weight
        return cls(anchor, across, down, np.where(diagonal > 0, 1 / np.maximum(diagonal, 1e-20), 0).astype(np.float32))

    def divergence(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Adjoint of the gradient, applied to weighted differences (h, w - 1, C) and (h - 1, w, C) -> (h, w, C)."""
        across, down = self.across * across, self.down * down
        total = np.zeros((*self.anchor.shape[:2], across.shape[-1]), np.float32)
        total[:, 1:] += across
        total[:, :-1] -= across
        total[1:] += down
        total[:-1] -= down
        return total

    def apply(self, x: np.ndarray) -> np.ndarray:
        return self.anchor * x + self.divergence(np.diff(x, axis=1), np.diff(x, axis=0))

    def smoothed(self, x: np.ndarray, b: np.ndarray) -> np.ndarray:
        for _ in range(_SWEEPS):
            x = x + _DAMPING * self.inverse * (b - self.apply(x))
        return x

    def solved(self, b: np.ndarray) -> np.ndarray:
        """Direct solution, for few pixels."""
        height, width, channels = b.shape
        unit = np.eye(height * width, dtype=np.float32).reshape(height, width, -1)
        matrix = self.apply(unit).reshape(height * width, -1) + np.diag((self.inverse == 0).ravel())
        return np.linalg.solve(matrix.astype(float), b.reshape(-1, channels)).reshape(b.shape).astype(np.float32)


def _levels(anchor: np.ndarray, across: np.ndarray, down: np.ndarray) -> list[_System]:
    """The levels of the multigrid, finest first. A link between two aggregates is twice as long as the links that it
    replaces, and has half of their total weight."""
    levels = [_System.of(anchor, across, down)]
    while max(anchor.shape) > _COARSEST:
        anchor, across, down = _sums(anchor), _sums(across[:, 1::2], 0) / 2, _sums(down[1::2], 1) / 2
        levels.append(_System.of(anchor, across, down))
    return levels


def _sums(values: np.ndarray, *axes: int) -> np.ndarray:
    """Sums of every two neighbours along the axes, by default both. If their number is odd, the last value is not
    changed."""
    for axis in axes or (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], 2), axis=axis)
    return values


def _cycle(levels: list[_System], b: np.ndarray) -> np.ndarray:
    """One V-cycle for A x = b from x = 0: symmetric, as conjugate gradients require."""
    system, *coarser = levels
    if not coarser:
        return system.solved(b)
    x = system.smoothed(_DAMPING * system.inverse * b, b)
    rest = _cycle(coarser, _sums(b - system.apply(x)))
    return system.smoothed(x + rest.repeat(2, 0).repeat(2, 1)[: len(x), : x.shape[1]], b)
