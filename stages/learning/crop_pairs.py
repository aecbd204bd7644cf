"""The training data of the local GANs (paper section 2.3): pairs of a generated and a real crop of every body part."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stages.learning.face_enhancer import FaceEnhancer
from stages.learning.frame_store import FrameStore
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan_inference import enhance_faces
from stages.learning.part_crops import crop_corners, crop_parts, crop_side, part_conditioning
from stages.media import files
from stages.nets.refiner import REFINED_PARTS
from stages.pose.part_boxes import part_boxes
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import LocalGanTraining


class CropPairs:
    """Generated and real crops of every part in every training frame, with random access. Generated faces are enhanced
    by Eq. 9. The crops are stored in a memory-mapped file.

    training_frames, validation_frames: for each part, the frames in which it is known. The last `validation_share` of
    them are for validation. fps: frames per second of the video."""

    def __init__(self, data: FrameStore, generator: GeneratorInference, face_enhancer: FaceEnhancer, fps: float,
                 params: "LocalGanTraining"):
        self.params, self.poses, self.background = params, data.poses, data.background
        boxes = np.stack([part_boxes(data.poses[i], data.size) for i in range(data.count)])  # (T, 5, 4)
        known = np.isfinite(boxes).all(2)
        self.crop_size = crop_side(params.crop_share * data.size, params.patch_size * 2**params.num_downsamples)
        self.corners = crop_corners(np.where(known[..., None], boxes, 0), self.crop_size)  # (T, 5, 2)
        self.file = files.scratch_file()
        shape = (len(REFINED_PARTS), data.count, 2, 4, self.crop_size, self.crop_size)
        self.pixels = np.memmap(self.file, np.uint8, "w+", shape=shape)
        wanted = [REFINED_PARTS.index(part) for part in params.parts]
        generated = generator.foregrounds(data.poses, params.batch, data.take)
        for indices, foregrounds in Progress(generated, desc="crops", unit="batch"):
            real = data.foregrounds(indices)
            for j in wanted:
                rows = np.flatnonzero(known[indices, j])
                if len(rows):
                    frames, corners = indices[rows], self.corners[indices[rows], j]
                    pair = [crop_parts([image[i] for i in rows], corners, self.crop_size) for image in
                            (foregrounds.cpu(), real.cpu())]
                    if REFINED_PARTS[j] == "face":  # without faces from neighbouring frames, which are too similar
                        allowed = [face_enhancer.index.candidates(i, round(fps / 2)) for i in frames]
                        pair[0] = enhance_faces(face_enhancer, pair[0], data.poses[frames], corners, allowed)
                    self.pixels[j, frames] = (torch.stack(pair, 1) * 255).round().byte().numpy()
        frames = {part: np.flatnonzero(known[:, j]) for j, part in enumerate(REFINED_PARTS)}
        split = {part: len(known) - round(len(known) * params.validation_share) for part, known in frames.items()}
        self.training_frames = {part: known[: split[part]] for part, known in frames.items()}
        self.validation_frames = {part: known[split[part] :] for part, known in frames.items()}

    def batch(self, part: str, size: int, seed: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A random batch of `size` training frames: the three tensors of `crops`, and the background in the same crops
        (B, 3, c, c)."""
        frames = np.random.default_rng(seed).choice(self.training_frames[part], size)
        corners = self.corners[frames, REFINED_PARTS.index(part)]
        return *self.crops(part, frames), crop_parts([self.background] * size, corners, self.crop_size)

    def crops(self, part: str, frames: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Generated crops (B, 4, c, c), their conditioning (B, channels, c, c) and real crops (B, 4, c, c). Crops are
        RGB times alpha, and alpha, in [0, 1]."""
        j, p = REFINED_PARTS.index(part), self.params
        generated, real = (torch.from_numpy(self.pixels[j, frames]).float() / 255).unbind(1)
        conditioning = part_conditioning(
            self.poses[frames], part, self.corners[frames, j], self.crop_size, p.limb_maps, generated.device)
        return generated, conditioning, real
