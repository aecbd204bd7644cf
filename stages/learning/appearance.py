"""The trained generator in use: poses in, foregrounds out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.learning import device, weights
from stages.learning.context import Context
from stages.learning.windows import Windows, pose_boxes
from stages.nets.generators import build
from stages.vision.skeleton import Pose


class Appearance:
    """What `generator/` learned. `size` is S, pixels."""

    def __init__(self, folder: Path, where: torch.device):
        state, about = weights.load(folder)
        self.about, self.size, self.device, self.shape = about, about["size"], where, about["shape"]
        self.context = Context(
            self.size, self.shape["stem"], tuple(about["parts"]), about["drawing"], about["temporal"], where)
        self.generator = build(about["architecture"], self.shape)
        self.generator.load_state_dict(state)
        self.generator.eval().to(where, memory_format=torch.channels_last)

    @torch.no_grad()
    def foregrounds(self, poses: Pose, batch: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """(indices, foregrounds (B, 4, S, S): RGB times alpha, and alpha, in [0, 1]) of all poses, in order. A pose of
        which nothing is known has an empty one."""
        boxes = pose_boxes(poses, self.about["window_margin"])
        somebody = np.isfinite(boxes).all(1)
        windows = self.windows(boxes)  # of one size, as the network's normalisation depends on it
        for start in range(0, len(poses), batch):
            indices = np.arange(start, min(start + batch, len(poses)))
            whole = torch.zeros(len(indices), 4, self.size, self.size, device=self.device)
            seen = indices[somebody[indices]]
            if len(seen):
                told = self.context.of(poses, self.context.around(seen, len(poses)), windows[seen])
                with device.precision(self.device):
                    foreground = self.generator(told)
                for i, picture, (left, top, right, bottom) in zip(seen - start, foreground, windows[seen].boxes()):
                    whole[i, :, top:bottom, left:right] = picture
            yield indices, whole

    def windows(self, boxes: np.ndarray) -> Windows:
        if not self.about["window"]:
            return Windows.whole(len(boxes), self.size)
        stem = self.shape["stem"]
        return Windows.around(boxes, self.size, stem * 2 ** self.shape["levels"], stem)
