"""Inference with the local GANs: refines face, hands and feet of generated foregrounds (Eqs. 9-11)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.face.face_index import FaceIndex
from stages.learning import saved_networks
from stages.learning.face_enhancer import FaceEnhancer
from stages.learning.part_crops import add_changes, crop_corners, crop_parts, part_conditioning
from stages.nets.refiner import REFINED_PARTS, Refiner, RefinerShape, clamp_premultiplied, refine
from stages.pose.part_boxes import part_boxes
from stages.pose.skeleton import Pose


class LocalGans:
    """The trained local GANs from the folder `local_gans/`. A part without a refiner is not changed, except that a face
    is still enhanced by Eq. 9."""

    def __init__(self, folder: Path, device: torch.device):
        state, self.about = saved_networks.load(folder)
        self.device, self.refiners, self.face_enhancer = device, {}, None
        for part, about in self.about["parts"].items():
            refiner = Refiner(RefinerShape(**about["shape"]))
            refiner.load_state_dict({name.removeprefix(f"{part}."): tensor for name, tensor in state.items()
                                     if name.startswith(f"{part}.")})
            self.refiners[part] = refiner.eval().to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def refine_parts(self, foregrounds: Tensor, poses: Pose, index: FaceIndex) -> Tensor:
        """Refines all parts of B foregrounds (B, 4, S, S), RGB times alpha, and alpha, in [0, 1], with their B poses.
        Returns new foregrounds of the same shape.

        One part after the other is refined in all frames at once. The change of each part is added to the frame."""
        images, size = foregrounds.to(self.device, copy=True), foregrounds.shape[-1]
        if self.face_enhancer is None or self.face_enhancer.index is not index:
            self.face_enhancer = FaceEnhancer(index, self.about["enhancement"])
        boxes = np.stack([part_boxes(poses[i], size) for i in range(len(poses))])  # (B, 5, 4)
        for part, boxes_of_part in zip(REFINED_PARTS, boxes.swapaxes(0, 1)):
            rows = np.flatnonzero(np.isfinite(boxes_of_part).all(1))
            if len(rows) and (part == "face" or part in self.refiners):
                corners = crop_corners(boxes_of_part[rows], self.about["crop_size"])
                self._refine_part([images[i] for i in rows], poses[rows], part, corners)
        return clamp_premultiplied(images)

    def _refine_part(self, images: list[Tensor], poses: Pose, part: str, corners: np.ndarray) -> None:
        """Refines one part of the images (4, S, S), in place."""
        side = self.about["crop_size"]
        before = after = crop_parts(images, corners, side)
        if part == "face":
            after = enhance_faces(self.face_enhancer, before, poses, corners)
        if part in self.refiners:
            conditioning = part_conditioning(poses, part, corners, side, self.about["limb_maps"], self.device)
            after = refine(self.refiners[part], after, conditioning, self.about["parts"][part]["strength"])
        add_changes(images, after - before, corners)


def enhance_faces(enhancer: FaceEnhancer, crops: Tensor, poses: Pose, corners: np.ndarray, rows: list | None = None
                  ) -> Tensor:
    """Applies Eq. 9 to crops (B, 4, c, c) of faces. corners (B, 2): x and y of their top left pixels. rows: for each
    crop, the rows of the face index that may be used, by default all."""
    if enhancer.params["faces"] == "none":
        return crops
    images = crops.permute(0, 2, 3, 1).cpu().numpy()  # (B, c, c, 4)
    images = [enhancer.enhance(image, corner, points, allowed) for image, corner, points, allowed in
              zip(images, corners, poses.face, rows or [None] * len(images))]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(crops)
