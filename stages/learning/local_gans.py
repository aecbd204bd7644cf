"""The trained local GANs in use: generated foregrounds in, polished foregrounds out (Eqs. 9-11)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.learning import weights
from stages.nets.refiner import PARTS, Refiner, refine
from stages.vision import crops
from stages.vision.face_enhancement import FaceIndex, enhance
from stages.vision.skeleton import Pose


class LocalGans:
    """What `local_gans/` learned; a part without a refiner stays as it was generated."""

    def __init__(self, folder: Path, where: torch.device):
        state, self.about = weights.load(folder)
        self.device, self.refiners = where, {}
        for part in self.about["parts"]:
            refiner = Refiner(self.about["width"])
            refiner.load_state_dict({name.removeprefix(f"{part}."): tensor for name, tensor in state.items()
                                     if name.startswith(f"{part}.")})
            self.refiners[part] = refiner.eval().to(where)

    @torch.no_grad()
    def polish(self, foregrounds: Tensor, poses: Pose, index: FaceIndex) -> Tensor:
        """foregrounds (B, 4, S, S), RGB times alpha and alpha in [0, 1], and their poses; the same, polished.

        What a part's crop gains is added to the picture, so that nothing is resampled but the difference."""
        size, side = foregrounds.shape[-1], self.about["crop"]
        pictures = foregrounds.permute(0, 2, 3, 1).cpu().numpy().copy()  # (B, S, S, 4)
        for i, picture in enumerate(pictures):
            boxes = crops.part_boxes(poses[i], size)
            for part, box in zip(PARTS, boxes):
                if part not in self.refiners or not np.isfinite(box).all():
                    continue
                before = crops.cut(picture, box, side)
                after = before
                if part == "face":
                    after = enhance(before, box, poses.face[i], index, **self.about["enhancement"])
                batch = torch.from_numpy(after).permute(2, 0, 1)[None].to(self.device)  # (1, 4, c, c)
                after = refine(self.refiners[part], batch)[0].permute(1, 2, 0).cpu().numpy()
                pictures[i] = picture = crops.add(picture, after - before, box)
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).clamp(0, 1)
