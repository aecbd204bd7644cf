"""The trained generator in use: poses in, foregrounds out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.learning import device, footage, weights
from stages.nets.generator import Generator, GeneratorShape
from stages.vision.skeleton import Pose


class Appearance:
    """What `generator/` learned. `size` is S, pixels."""

    def __init__(self, folder: Path, where: torch.device):
        state, self.about = weights.load(folder)
        self.size, self.device = self.about["size"], where
        self.generator = Generator(GeneratorShape(**self.about["shape"]))
        self.generator.load_state_dict(state)
        self.generator.eval().to(where, memory_format=torch.channels_last)

    @torch.no_grad()
    def foregrounds(self, poses: Pose, batch: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        """(indices, foregrounds (B, 4, S, S): RGB times alpha, and alpha, in [0, 1]) of all poses, in order."""
        size = self.size // self.generator.shape.stem
        for start in range(0, len(poses), batch):
            indices = np.arange(start, min(start + batch, len(poses)))
            window = footage.windows(
                poses, indices, size, self.size, self.about["parts"], self.about["drawing"], self.device)
            with device.precision(self.device):
                foreground = self.generator(window)
            yield indices, foreground.float()
