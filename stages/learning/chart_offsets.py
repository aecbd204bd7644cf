"""Corrections of the charts of the training frames, learned together with the generator (bundle adjustment, not in the
paper). Errors of the pose estimator would otherwise blur the textures. Inference does not use them."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from stages.learning.batches import Batch

RATE = 0.1     # share of the limit, about the largest change in a step that uses the frame
WEIGHT = 0.02  # of the penalty, per squared pixel


class ChartOffsets(nn.Module):
    """Offsets of both ends of K charts in each of `count` training frames, at most `limit` pixels in x and in y."""

    def __init__(self, count: int, charts: int, limit: float):
        super().__init__()
        self.limit = limit
        self.table = nn.Parameter(torch.zeros(count, charts * 4))
        # only the rows of the step's frames are updated, and their momentum
        self.optimiser = torch.optim.SparseAdam([self.table], RATE * limit, (0.5, 0.9))

    def corrected(self, batch: "Batch") -> Tensor:
        """The charts of the batch with their offsets added, (B, K, 7)."""
        offsets = self.offsets(batch.frames).unflatten(1, (-1, 2)) @ batch.linear  # (B, 2 K, 2)
        return batch.charts + nn.functional.pad(offsets.view(len(offsets), -1, 4), (0, batch.charts.shape[-1] - 4))

    def penalty(self, batch: "Batch") -> Tensor:
        """Penalises large offsets."""
        return WEIGHT * self.offsets(batch.frames).square().mean()

    def offsets(self, frames: Tensor) -> Tensor:
        """The offsets of these frames (B,) in pixels, (B, 4 K): x and y of each chart's start, then of its end."""
        return self.limit * torch.tanh(self.table[frames] / self.limit)

    def step(self, factor: float) -> None:
        """One step with the gradient of the table, which is then cleared. factor: multiplies the learning rate."""
        self.table.grad = self.table.grad.to_sparse(1)
        self.optimiser.param_groups[0]["lr"] = RATE * self.limit * factor
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def state(self) -> dict:
        return {"weights": self.state_dict(), "optimiser": self.optimiser.state_dict()}

    def restore(self, state: dict) -> None:
        self.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
