"""Fusion (paper section 2.3, Eqs. 9-12): generates the target's foreground for each driving pose, refines it, and
composites it over the target's background.

Reads the driving poses, the generator, local GANs, face index and background of the target, and the source's frames
(for frame rate and sound). Writes `foreground.mkv` (RGBA, S x S) and `unsigned.mp4` (H.264, the target's resolution).
The video has a visible label, an invisible watermark, and metadata with target, source and FakeMotion's version. The
stage `signing` adds the Content Credentials. If the target's camera moves, the background is a mosaic of all its views:
a reconstruction shows each frame in the view of that frame's camera, an imitation shows all frames in the view of the
reference frame.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from stages import __version__, threads
from stages.face.face_index import FaceIndex
from stages.imaging import compositing
from stages.learning import devices
from stages.learning.generator_inference import GeneratorInference
from stages.learning.local_gan_inference import LocalGans
from stages.media import files, footage, png, video_file
from stages.media.pose_table import read_poses
from stages.media.prefetch import ordered_map, prefetched
from stages.media.timeline import read_timeline
from stages.media.view import View, read_view
from stages.progress import Progress
from stages.provenance import watermark
from stages.provenance.label import Label

if TYPE_CHECKING:
    from stages.params import Fusion, Transfer

CUBIC_REACH = 2  # pixels on each side that cubic interpolation reads


def run(*, driving: Path, generator: Path, local_gans: Path, faces: Path, full_background: Path,
        target_timeline: Path, target_view: Path, source_frames: Path, source_timeline: Path, foreground: Path,
        unsigned: Path, params: "Fusion", entry: "Transfer") -> None:
    """Writes one frame of both videos for every driving pose."""
    device = devices.choose(params.device)
    poses, columns, _ = read_poses(driving)
    inference, gans = GeneratorInference(generator, device), LocalGans(local_gans, device)
    index = FaceIndex.read(faces)
    stage_threads = threads.Threads(spare=1, fixed=device.type != "cpu")  # leaves one processor for the other steps
    times = read_timeline(source_timeline)
    static = Placement.from_crop(
        read_timeline(target_timeline).about["crop"], inference.size, png.read(full_background))
    placement = placements(static, read_view(target_view), columns["frame"] if entry.reconstruction else None)

    def generated() -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        yield from stage_threads.each(inference.foregrounds(poses, params.batch, times.take[columns["frame"]]))

    def refined(batch: tuple[np.ndarray, torch.Tensor]) -> list[np.ndarray]:
        torch.set_num_threads(1)
        indices, foregrounds = batch
        images = gans.refine_parts(foregrounds, poses[indices], index).permute(0, 2, 3, 1).cpu().numpy()  # (B, S, S, 4)
        return [compositing.straight(image) for image in images]

    def composited(numbered: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        frame, straight = numbered
        picture = placement(frame).composite(straight)
        return straight, mark.apply(label.apply(picture) if label else picture, frame)

    def write_foregrounds(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        for straight, picture in pairs:
            write_foreground(straight)
            yield picture

    size = placement(0).background.shape[1::-1]
    number = watermark_number(generator, driving)
    fps = times.about["fps"]
    mark, label = watermark.Watermark(number, size, fps), Label(size) if entry.label else None
    audio = None if entry.reconstruction else source_frames  # no sound for a held-out part: it would not be in sync
    with (
        video_file.lossless(foreground, fps, "rgba") as write_foreground,
        video_file.h264(unsigned, fps, params.crf, metadata(entry, number), audio) as write_video,
    ):
        straight = chain.from_iterable(ordered_map(refined, prefetched(generated())))
        pictures = prefetched(write_foregrounds(ordered_map(composited, enumerate(straight))))
        for picture in Progress(pictures, "fusion", len(poses), unit="frame"):
            write_video(picture)
    print(f"{entry.target} doing what {entry.source} did: {len(poses)} frames, "
          f"{picture.shape[1]} x {picture.shape[0]} at {fps:g} frames/s, {unsigned}, "
          f"with the watermark {watermark.format_number(number)}; {stage_threads}"
          + ("" if entry.label else f"; no label: {entry.label_reason}"))


def placements(static: "Placement", view: View, rows: np.ndarray | None) -> Callable[[int], "Placement"]:
    """A function from the number i of a frame of the result to its placement: the view of the target's camera in frame
    rows[i] of the target's video or, without rows, in the reference frame."""
    if not view.about["moving"]:
        return lambda frame: static
    size = tuple(view.about["frame_size"])
    if rows is not None:
        return lambda frame: static.in_camera(view.camera[rows[frame]], size)
    reference = static.in_camera(view.camera[view.about["reference"]], size)
    return lambda frame: reference


@dataclass(frozen=True)
class Placement:
    """A background, and the position of the S x S frame in it."""

    matrix: np.ndarray      # (3, 3) pixels of the square -> pixels of the background
    background: np.ndarray  # (H, W, 3)

    @classmethod
    def from_crop(cls, crop: list[float], size: int, background: np.ndarray) -> "Placement":
        """The placement in the target's full frame. crop: left, top and side of the square there, in pixels. size: S,
        pixels."""
        return cls(np.vstack([footage.crop_to_frame(crop, size), [0, 0, 1]]), background)

    def in_camera(self, camera: np.ndarray, size: tuple[int, int]) -> "Placement":
        """The placement in a frame of a moving camera. camera (3, 3): homography from pixels of this frame to pixels of
        the full frame. size: width and height of this frame, pixels."""
        to_frame = np.linalg.inv(camera)
        background = cv2.warpPerspective(
            self.background, to_frame, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return Placement(to_frame @ self.matrix, background)

    def affected_box(self, alpha: np.ndarray) -> np.ndarray:
        """The bounding box (4,) of the background's pixels that a foreground with this alpha (S, S) can change; may be
        empty."""
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(alpha))
        if width == 0:
            return np.zeros(4, int)
        low, high = np.array([x, y]) - CUBIC_REACH, np.array([x + width, y + height]) - 1 + CUBIC_REACH
        corners = np.array([[low, [high[0], low[1]], [low[0], high[1]], high]], float)
        placed = cv2.perspectiveTransform(corners, self.matrix)[0]
        first, last = np.floor(placed.min(0)), np.ceil(placed.max(0) + 1)
        return np.stack([first, last]).clip(0, self.background.shape[1::-1]).astype(int).ravel()

    def composite(self, foreground: np.ndarray) -> np.ndarray:
        """The composite (H, W, 3) uint8 of a foreground (S, S, 4) uint8 with straight alpha over the background (Eq.
        12). Only the `affected_box` is computed."""
        picture = self.background.copy()
        left, top, right, bottom = self.affected_box(foreground[..., 3])
        if left >= right or top >= bottom:
            return picture
        matrix = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ self.matrix  # to that part of the background
        premultiplied, size = compositing.premultiplied(foreground), (right - left, bottom - top)
        if np.array_equal(self.matrix[2], [0, 0, 1]):
            placed = cv2.warpAffine(premultiplied, matrix[:2], size, flags=cv2.INTER_CUBIC)
        else:
            placed = cv2.warpPerspective(premultiplied, matrix, size, flags=cv2.INTER_CUBIC)
        part = picture[top:bottom, left:right]
        part[:] = compositing.over(placed.clip(0, 255), part)
        return picture


def watermark_number(generator: Path, driving: Path) -> int:
    """The number that the watermark encodes: the first watermark.BITS bits of a hash of the trained generator and the
    driving poses."""
    both = files.sha256(generator / "model.safetensors") + files.sha256(driving)
    return int.from_bytes(hashlib.sha256(both.encode()).digest()[: watermark.BITS // 8])


def metadata(entry: "Transfer", number: int) -> dict[str, str]:
    """The metadata of the video file."""
    text = (f"AI-generated video: {entry.target} never did this. The motion is {entry.source}'s, "
            f"the appearance {entry.target}'s. Made with FakeMotion {__version__}.")
    return {"title": f"{entry.target} from {entry.source} (AI-generated)", "comment": text, "synthetic": "true",
            "target": entry.target, "source": entry.source, "generator": f"FakeMotion {__version__}",
            watermark.TAG: watermark.format_number(number)}
