"""Optical flow by torchvision's RAFT (Teed and Deng 2020), with pre-trained weights from a file.

Implements the protocol of imaging/optical_flow.py. Forward and backward flow are computed in one batch.
"""

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.models.optical_flow import raft_large

from stages import pretrained

GRID = 8        # pixels: sides must be multiples, because the network works at 1/8 of the resolution
MIN_SIDE = 128  # pixels: smallest side, because its correlation pyramid has four levels


class Raft:
    """RAFT as a FlowModel. Raises MissingWeights if its weights are not in the folder of pre-trained weights."""

    name = "RAFT large (torchvision, C+T+S+K+H)"

    def __init__(self, device: torch.device):
        try:
            state = pretrained.load(pretrained.find(pretrained.RAFT))
        except pretrained.MissingWeights as error:
            raise pretrained.MissingWeights(f"flow: raft: {error}; or set metrics.flow to `dis`") from None
        self._network = raft_large(weights=None)
        self._network.load_state_dict(state)
        self._network.requires_grad_(False).eval().to(device)
        self._device = device

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return self._flow([first], [second])[0]

    def both(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        forward, backward = self._flow([first, second], [second, first])
        return forward, backward

    @torch.inference_mode()
    def _flow(self, first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
        """The flow (B, h, w, 2) from each first to each second image, (h, w, 3) uint8, all of one size."""
        height, width = first[0].shape[:2]
        flow = self._network(self._tensor(first), self._tensor(second))[-1]  # the result of the last iteration
        return flow[..., :height, :width].permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (B, 2, H, W) -> (B, h, w, 2)

    def _tensor(self, images: list[np.ndarray]) -> torch.Tensor:
        """Images as a batch (B, 3, H, W) in [-1, 1], padded on the right and below to sides that the network
        accepts."""
        batch = torch.from_numpy(np.stack(images)).to(self._device).permute(0, 3, 1, 2) / 127.5 - 1
        below, right = (max(MIN_SIDE, -side // GRID * -GRID) - side for side in batch.shape[2:])
        return F.pad(batch, (0, right, 0, below), mode="replicate")
