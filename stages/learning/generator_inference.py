"""The trained generator in use: poses in, foregrounds out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.learning import devices, saved_networks
from stages.learning.conditioning import Conditioning
from stages.learning.crops import Crops, pose_boxes, steady_sides
from stages.nets.generators import build
from stages.pose.skeleton import Pose


class GeneratorInference:
    """What `generator/` learned. `size` is S, pixels."""

    def __init__(self, folder: Path, where: torch.device):
        state, about = saved_networks.load(folder)
        self.about, self.size, self.device, self.shape = about, about["size"], where, about["shape"]
        self.grid = self.shape["patch_size"] * 2 ** self.shape["num_downsamples"]
        self.context = Conditioning(
            self.size, self.shape["patch_size"], tuple(about["parts"]), about["pose_maps"], about["pose_context"], where)
        self.generator = build(about["architecture"], self.shape)
        self.generator.load_state_dict(state)
        self.generator.eval().to(where, memory_format=torch.channels_last)

    @torch.no_grad()
    def foregrounds(self, poses: Pose, batch: int, take: np.ndarray | None = None
                    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """(indices, foregrounds (B, 4, S, S): RGB times alpha, and alpha, in [0, 1]) of all poses, in order. A pose of
        which nothing is known has an empty one. take: of each pose (T,), rising; all are of one where it is absent."""
        take = np.zeros(len(poses), int) if take is None else take
        boxes = pose_boxes(poses, self.about["crop_margin"])
        somebody, sides = np.isfinite(boxes).all(1), self.sides(boxes, take)
        for start in range(0, len(poses), batch):
            indices = np.arange(start, min(start + batch, len(poses)))
            whole = torch.zeros(len(indices), 4, self.size, self.size, device=self.device)
            seen = indices[somebody[indices]]
            for of_one in np.unique(sides[seen], axis=0):
                alike = seen[(sides[seen] == of_one).all(1)]
                windows = Crops.around(boxes[alike], self.size, self.shape["patch_size"], of_one)
                told = self.context.of(poses, self.context.around(alike, take), windows)
                with devices.precision(self.device):
                    foreground = self.generator(told)
                for i, picture, (left, top, right, bottom) in zip(alike - start, foreground, windows.boxes()):
                    whole[i, :, top:bottom, left:right] = picture
            yield indices, whole

    def sides(self, boxes: np.ndarray, take: np.ndarray) -> np.ndarray:
        """Of each frame's window, (T, 2)."""
        if not self.about["crop"]:
            return np.full((len(boxes), 2), self.size)
        return steady_sides(boxes, take, self.size, self.grid, self.shape["patch_size"])
