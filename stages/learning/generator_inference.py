"""Inference with the trained generator: poses -> foregrounds."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.learning import devices, saved_networks
from stages.learning.conditioning import Conditioning
from stages.learning.crops import Crops, pose_boxes, steady_crop_sizes
from stages.nets.generators import build_generator
from stages.pose.skeleton import Pose


class GeneratorInference:
    """The trained generator from the folder `generator/`. size: S, the side of the frames in pixels."""

    def __init__(self, folder: Path, device: torch.device):
        state, about = saved_networks.load(folder)
        self.about, self.size, self.device, self.shape = about, about["size"], device, about["shape"]
        self.grid = self.shape["patch_size"] * 2 ** self.shape["num_downsamples"]
        self.conditioning = Conditioning(self.size, self.shape["patch_size"], tuple(about["parts"]), about["pose_maps"],
                                         about["pose_context"], device)
        self.generator = build_generator(about["architecture"], self.shape)
        self.generator.load_state_dict(state)
        self.generator.eval().to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def foregrounds(self, poses: Pose, batch: int, take: np.ndarray | None = None
                    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Generates the foregrounds of T poses in order, in batches of at most `batch`. Yields pairs of indices (B,)
        and foregrounds (B, 4, S, S): RGB times alpha, and alpha, in [0, 1]. The foreground of a pose without any known
        point is empty.

        take (T,): the number of each pose's take, ascending; by default one take for all."""
        take = np.zeros(len(poses), int) if take is None else take
        boxes = pose_boxes(poses, self.about["crop_margin"])
        known, crop_sizes = np.isfinite(boxes).all(1), self.crop_sizes(boxes, take)
        for start in range(0, len(poses), batch):
            indices = np.arange(start, min(start + batch, len(poses)))
            frames = torch.zeros(len(indices), 4, self.size, self.size, device=self.device)
            shown = indices[known[indices]]
            for crop_size in np.unique(crop_sizes[shown], axis=0):
                same_size = shown[(crop_sizes[shown] == crop_size).all(1)]
                crops = Crops.centred_on(boxes[same_size], self.size, self.shape["patch_size"], crop_size)
                context = self.conditioning.context_frames(same_size, take)
                pose_maps = self.conditioning.pose_maps(poses, context, crops)
                charts = self.conditioning.charts(poses[same_size], crops)
                with devices.autocast(self.device):
                    foregrounds = self.generator(pose_maps, charts)
                for i, foreground, (left, top, right, bottom) in zip(same_size - start, foregrounds, crops.boxes()):
                    frames[i, :, top:bottom, left:right] = foreground
            yield indices, frames

    def crop_sizes(self, boxes: np.ndarray, take: np.ndarray) -> np.ndarray:
        """Width and height of each frame's crop, (T, 2)."""
        if not self.about["crop"]:
            return np.full((len(boxes), 2), self.size)
        return steady_crop_sizes(boxes, take, self.size, self.grid, self.shape["patch_size"])
