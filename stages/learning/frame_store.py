"""The training frames with random access: returns the foreground of any frame, or a crop of it.

Pixels at the person's edge are mixtures of foreground and background. The background is known, so its share is
subtracted (Eq. 12 solved for the foreground). Pixels are stored as bytes: on the GPU if they need at most half of its
free memory, else in a memory-mapped file on the project's disk, so that memory does not grow with the length of the
video.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages import InputError
from stages.imaging import compositing
from stages.learning.crops import crop_images
from stages.matting.shadows import shadow
from stages.media import files, png, video_file
from stages.pose.skeleton import Pose

MAX_GPU_SHARE = 0.5  # of the GPU's free memory

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class FrameStore:
    """The first `count` frames of a video, with their masks and poses.

    background (3, S, S): RGB in [0, 1], on the device. boxes (count, 4): bounding boxes of the masks, NaN if a mask is
    empty; with `shadows` those of the masks and the shadows, which then are part of the foregrounds. take (count,): the
    number of each frame's take, by default one take for all. Raises InputError if the background has another size than
    the frames, or if there are fewer frames than `count`."""

    def __init__(self, frames: Path, masks: Path, background: Path, poses: Pose, count: int,
                 device: torch.device = torch.device("cpu"), take: np.ndarray | None = None, shadows: bool = False):
        self.poses, self.count, self.device = poses, count, device
        self.take = np.zeros(count, int) if take is None else take
        self.boxes = np.full((count, 4), np.nan)
        self._file, self._pixels, index, plate = files.scratch_file(), None, -1, png.read(background)
        for index, (frame, mask) in enumerate(zip(video_file.frames(frames), video_file.frames(masks, "gray"))):
            if self._pixels is None:
                if plate.shape != frame.shape:
                    raise InputError(f"{background}: {plate.shape[1]} x {plate.shape[0]} pixels, but {frames} has "
                                     f"{frame.shape[1]} x {frame.shape[0]}; run background_inpainting again")
                self._pixels = self._allocate((count, 4, *mask.shape))
            if index == count:
                break
            extract = foreground_with_shadow if shadows else compositing.extract_foreground
            foreground = extract(frame, mask, plate)
            self._pixels[index] = torch.from_numpy(foreground).permute(2, 0, 1)
            self.boxes[index] = mask_box(foreground[..., 3])
        if index + 1 < count:
            raise InputError(f"{frames}, {masks}: fewer frames than the timeline's {count}; run their stages again")
        self.size = self._pixels.shape[-1]
        self.background = torch.from_numpy(plate).permute(2, 0, 1).to(device).float().div_(255)

    def _allocate(self, shape: tuple[int, ...]) -> Tensor:
        """Allocates uint8 memory for all frames, on the GPU or in the scratch file."""
        if self.device.type == "cuda" and np.prod(shape) <= MAX_GPU_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return torch.empty(shape, dtype=torch.uint8, device=self.device)
        return torch.from_numpy(np.memmap(self._file, np.uint8, "w+", shape=shape))

    def foregrounds(self, indices: np.ndarray, boxes: np.ndarray | Box | None = None) -> Tensor:
        """The foregrounds F of frames: RGB times alpha, and alpha, (B, 4, h, w) in [0, 1], on the device.

        boxes: crops to one box, or to one box for each frame (B, 4), all of one size; 0 outside the frame."""
        boxes = np.broadcast_to((0, 0, self.size, self.size) if boxes is None else boxes, (len(indices), 4))
        pixels = [self._pixels[i] for i in np.asarray(indices).tolist()]
        return crop_images(pixels, boxes).to(self.device).float().div_(255)


def foreground_with_shadow(picture: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The person of a picture and their shadow, composited: RGB times alpha, and alpha, (H, W, 4) uint8. Where alpha is
    between 0 and 1, the background behind the person is in the shadow too. The inputs are those of `shadow`."""
    layer = 255 * shadow(picture, alpha, background)
    person = compositing.extract_foreground(picture, alpha, compositing.over(layer, background))
    return np.rint(person + layer * (1 - alpha[..., None] / np.float32(255))).astype(np.uint8)


def mask_box(mask: np.ndarray) -> np.ndarray:
    """The bounding box (4,) of the nonzero pixels of a mask (h, w); NaN if there are none."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
