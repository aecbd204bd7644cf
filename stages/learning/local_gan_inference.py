"""The trained local GANs in use: generated foregrounds in, polished foregrounds out (Eqs. 9-11)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.face.face_enhancement import FaceIndex
from stages.learning import part_crops, saved_networks
from stages.learning.face_enhancer import Faces
from stages.nets.refiner import REFINED_PARTS, Refiner, RefinerShape, clamp_premultiplied, refine
from stages.pose import part_boxes
from stages.pose.skeleton import Pose


class LocalGans:
    """What `local_gans/` learned; a part without a refiner stays as it was generated (a face: as it was enhanced)."""

    def __init__(self, folder: Path, where: torch.device):
        state, self.about = saved_networks.load(folder)
        self.device, self.refiners, self.faces = where, {}, None
        for part, learned in self.about["parts"].items():
            refiner = Refiner(RefinerShape(**learned["shape"]))
            refiner.load_state_dict({name.removeprefix(f"{part}."): tensor for name, tensor in state.items()
                                     if name.startswith(f"{part}.")})
            self.refiners[part] = refiner.eval().to(where, memory_format=torch.channels_last)

    @torch.no_grad()
    def polish(self, foregrounds: Tensor, poses: Pose, index: FaceIndex) -> Tensor:
        """foregrounds (B, 4, S, S), RGB times alpha and alpha in [0, 1], and their poses; the same, polished.

        What a part's crop gains is added to the picture; a part is refined in all frames at once."""
        pictures, size = foregrounds.to(self.device, copy=True), foregrounds.shape[-1]
        if self.faces is None or self.faces.index is not index:
            self.faces = Faces(index, self.about["enhancement"])
        boxes = np.stack([part_boxes.part_boxes(poses[i], size) for i in range(len(poses))])  # (B, 5, 4)
        for part, of_part in zip(REFINED_PARTS, boxes.swapaxes(0, 1)):
            rows = np.flatnonzero(np.isfinite(of_part).all(1))
            if len(rows) and (part == "face" or part in self.refiners):
                seen = [pictures[i] for i in rows]
                self._polish(seen, poses[rows], part, part_crops.corners(of_part[rows], self.about["crop_size"]))
        return clamp_premultiplied(pictures)

    def _polish(self, pictures: list[Tensor], poses: Pose, part: str, corners: np.ndarray) -> None:
        """One part, in the pictures (4, S, S) themselves."""
        side = self.about["crop_size"]
        before = after = part_crops.cut(pictures, corners, side)
        if part == "face":
            after = enhanced(self.faces, before, poses, corners)
        if part in self.refiners:
            told = part_crops.beside(poses, part, corners, side, self.about["limb_maps"], self.device)
            after = refine(self.refiners[part], after, told, self.about["parts"][part]["strength"])
        part_crops.add(pictures, after - before, corners)


def enhanced(faces: Faces, windows: Tensor, poses: Pose, corners: np.ndarray, rows: list | None = None) -> Tensor:
    """Eq. 9 on windows (B, 4, c, c) with faces; `rows`: what of the index each may use."""
    if faces.params["faces"] == "none":
        return windows
    pictures = windows.permute(0, 2, 3, 1).cpu().numpy()  # (B, c, c, 4)
    pictures = [faces.enhance(picture, corner, points, allowed) for picture, corner, points, allowed in
                zip(pictures, corners, poses.face, rows or [None] * len(pictures))]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(windows)
