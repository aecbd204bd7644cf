"""A picture from its gradients: weighted least squares, solved by conjugate gradients with a multigrid preconditioner.

Minimised over the picture x is  sum w (x_b - x_a - g)^2 + sum a (x - x_0)^2, the first over all neighbours a, b with
the wanted gradient g and its weight w, the second over all pixels with the weight a of the value x_0 (Perez et al.
2003, whose boundary is a large a). Multigrid by aggregation of 2 x 2 pixels (Braess 1995), so that weights may be zero
anywhere. Cost and memory grow with the number of pixels only.
"""

from dataclasses import dataclass

import numpy as np

_SWEEPS, _DAMPING = 2, 0.8  # of Jacobi's method, before and after each coarser level
_COARSEST = 16              # pixels, longer side, solved directly
_MOST = 200                 # steps


def integrate(start: np.ndarray, across: np.ndarray, down: np.ndarray, weight_across: np.ndarray,
              weight_down: np.ndarray, anchor: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """start (H, W, C): the values that are anchored, and what the search begins at. across (H, W - 1, C) and down
    (H - 1, W, C): wanted differences to the right and lower neighbour, with weights (H, W - 1) and (H - 1, W). anchor
    (H, W): weights of the start. Gives float32 (H, W, C), right to about `tolerance`; a pixel without any weight stays
    as it is."""
    start = start.astype(np.float32)
    levels = _levels(*(weight.astype(np.float32)[..., None] for weight in (anchor, weight_across, weight_down)))
    system = levels[0]
    missing = system.divergence(across - np.diff(start, axis=1), down - np.diff(start, axis=0))
    change, step, before = np.zeros_like(start), np.zeros_like(start), 1.0
    for _ in range(_MOST):
        error = _cycle(levels, missing)  # what is left to change, nearly
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
    inverse: np.ndarray  # (h, w, 1) of the diagonal, 0 where that is

    @classmethod
    def of(cls, anchor: np.ndarray, across: np.ndarray, down: np.ndarray) -> "_System":
        diagonal = anchor.copy()
        for first, second, weight in ((np.s_[:, :-1], np.s_[:, 1:], across), (np.s_[:-1], np.s_[1:], down)):
            diagonal[first] += weight
            diagonal[second] += weight
        return cls(anchor, across, down, np.where(diagonal > 0, 1 / np.maximum(diagonal, 1e-20), 0).astype(np.float32))

    def divergence(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """The gradient's adjoint of the weighted differences (h, w - 1, C) and (h - 1, w, C), (h, w, C)."""
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
        """Exactly, for few pixels."""
        height, width, channels = b.shape
        unit = np.eye(height * width, dtype=np.float32).reshape(height, width, -1)
        matrix = self.apply(unit).reshape(height * width, -1) + np.diag((self.inverse == 0).ravel())
        return np.linalg.solve(matrix.astype(float), b.reshape(-1, channels)).reshape(b.shape).astype(np.float32)


def _levels(anchor: np.ndarray, across: np.ndarray, down: np.ndarray) -> list[_System]:
    """The finest first. A link of two aggregates has half the weights of the links that it stands for, as it is twice
    as long."""
    levels = [_System.of(anchor, across, down)]
    while max(anchor.shape) > _COARSEST:
        anchor, across, down = _sums(anchor), _sums(across[:, 1::2], 0) / 2, _sums(down[1::2], 1) / 2
        levels.append(_System.of(anchor, across, down))
    return levels


def _sums(values: np.ndarray, *axes: int) -> np.ndarray:
    """Of every two neighbours along the axes, both if none is named; the last one alone where their number is odd."""
    for axis in axes or (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], 2), axis=axis)
    return values


def _cycle(levels: list[_System], b: np.ndarray) -> np.ndarray:
    """One V-cycle for A x = b from x = 0: symmetric, as conjugate gradients need it."""
    system, *coarser = levels
    if not coarser:
        return system.solved(b)
    x = system.smoothed(_DAMPING * system.inverse * b, b)
    rest = _cycle(coarser, _sums(b - system.apply(x)))
    return system.smoothed(x + rest.repeat(2, 0).repeat(2, 1)[: len(x), : x.shape[1]], b)
