"""The frames of the final video, mapped back to the target's square (S x S), where all scores are computed. A video
with larger frames is compared at the size of the square.

They differ from the generated frames by the watermark, by H.264 and by resizing. The visible label is not scored: its
pixels are replaced by the generated ones. The video is fusion's `unsigned`, whose frames signing does not change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stages.media import footage, video_file
from stages.media.timeline import read_timeline
from stages.media.view import View, read_view, stabilised_crop
from stages.provenance.label import Label

if TYPE_CHECKING:
    from stages.params import Transfer

LABEL_MARGIN = 8  # pixels around the label that H.264 may encode together with its edge


@dataclass(frozen=True)
class DeliveredFrame:
    """One frame of the final video."""

    picture: np.ndarray            # (S, S, 3) uint8
    label_mask: np.ndarray | None  # (S, S) bool, pixels of the label; None without a label

    def without_label(self, generated: np.ndarray) -> np.ndarray:
        """The picture, with the pixels of the label taken from the generated frame (S, S, 3)."""
        if self.label_mask is None:
            return self.picture
        return np.where(self.label_mask[..., None], generated, self.picture)


def delivered_frames(unsigned: Path, rows: np.ndarray, target_timeline: Path, target_view: Path, entry: "Transfer"
                     ) -> Iterator[DeliveredFrame]:
    """The frames of the video `unsigned`, in order. rows: (T,) the source's frame of each."""
    about, view = read_timeline(target_timeline).about, read_view(target_view)
    square = SquareCrop(about["crop"], about["size"], view)
    label, last_row, mask = None, None, None
    for t, picture in enumerate(video_file.frames(unsigned)):
        if entry.label and label is None:
            label = label_area(tuple(view.about["frame_size"]))[: picture.shape[0], : picture.shape[1]]
        row = rows[min(t, len(rows) - 1)] if entry.reconstruction else view.about["reference"]
        if entry.label and (mask is None or (view.about["moving"] and row != last_row)):
            mask, last_row = square.crop_frame(label, row) > 0, row
        yield DeliveredFrame(square.crop_frame(picture, row), mask)


@dataclass(frozen=True)
class SquareCrop:
    """Crops full frames of the target to its square."""

    crop: list[float]  # left, top, side, pixels of the full frame
    size: int          # S
    view: View

    def crop_frame(self, picture: np.ndarray, row: int) -> np.ndarray:
        """The square of a picture taken with the camera of the target's frame `row`, (S, S, ...)."""
        if self.view.about["moving"]:
            return stabilised_crop(picture, self.view.camera[row], self.crop, self.size)
        return footage.crop_square(picture, self.crop, self.size)


def label_area(size: tuple[int, int]) -> np.ndarray:
    """The label's pixels with LABEL_MARGIN around them, in frames of a size (width, height): (height, width), 255 or
    0."""
    return cv2.dilate(Label(size).area, np.ones((2 * LABEL_MARGIN + 1,) * 2, np.uint8))
