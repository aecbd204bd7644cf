"""Fusion (paper section 2.3, Eqs. 9-12): driving poses -> the target's foreground, refined, over the target's
background, as the target's camera saw it.

In: the driving poses, all that was learned of the target, and the source's frames (for their rate and sound).
Out: `foreground.mkv` (RGBA, S x S) and `unsigned.mp4` (H.264, the target's resolution), with a label in its pictures,
an invisible watermark, and metadata that say that it is AI-generated, of whom, after whom and by what; it gets its
credentials in signing. Where the target's camera moves, the still background is its mosaic: a reconstruction moves with
the camera of its own frames, an imitation is seen from the reference frame.
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
from stages.media.clock import read_clock
from stages.media.pose_table import read_poses
from stages.media.prefetch import ordered_map, prefetched
from stages.media.view import View, read_view
from stages.progress import Progress
from stages.provenance import watermark
from stages.provenance.label import Label

if TYPE_CHECKING:
    from stages.params import Fusion, Transfer

CUBIC = 2  # pixels that cubic interpolation looks to either side


def run(*, driving: Path, generator: Path, local_gans: Path, faces: Path, full_background: Path,
        target_clock: Path, target_view: Path, source_frames: Path, source_clock: Path, foreground: Path,
        unsigned: Path, params: "Fusion", entry: "Transfer") -> None:
    """Writes one frame for every driving pose; the square is placed into the full background by the target's crop."""
    where = devices.choose(params.device)
    poses, columns, _ = read_poses(driving)
    appearance, parts = GeneratorInference(generator, where), LocalGans(local_gans, where)
    index = FaceIndex.read(faces)
    own = threads.Threads(spare=1, fixed=where.type != "cpu")  # a processor is left for those beside it
    plate, timeline = png.read(full_background), read_clock(source_clock)
    still = Placement.of(read_clock(target_clock).about["crop"], appearance.size, plate)
    place = placements(still, read_view(target_view), columns["frame"] if entry.reconstruction else None)

    def generated() -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        yield from own.each(appearance.foregrounds(poses, params.batch, timeline.take[columns["frame"]]))

    def polished(batch: tuple[np.ndarray, torch.Tensor]) -> list[np.ndarray]:
        torch.set_num_threads(1)
        indices, foregrounds = batch
        pictures = parts.polish(foregrounds, poses[indices], index).permute(0, 2, 3, 1).cpu().numpy()  # (B, S, S, 4)
        return [compositing.straight(picture) for picture in pictures]

    def placed(picture: tuple[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        frame, straight = picture
        picture = place(frame).over(straight)
        return straight, mark.apply(label.apply(picture) if label else picture, frame)

    def written(pictures: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        for straight, picture in pictures:
            write_foreground(straight)
            yield picture

    size = place(0).plate.shape[1::-1]
    number = identity(generator, driving)
    fps = timeline.about["fps"]
    mark, label = watermark.Watermark(number, size, fps), Label(size) if entry.label else None
    whole = not entry.reconstruction  # a held-out part starts in mid-video, where the sound does not
    audio = source_frames if whole else None
    with (
        video_file.lossless(foreground, fps, "rgba") as write_foreground,
        video_file.h264(unsigned, fps, params.crf, metadata(entry, number), audio) as write_video,
    ):
        straight = chain.from_iterable(ordered_map(polished, prefetched(generated())))
        pictures = prefetched(written(ordered_map(placed, enumerate(straight))))
        for picture in Progress(pictures, "fusion", len(poses), unit="frame"):
            write_video(picture)
    print(f"{entry.target} doing what {entry.source} did: {len(poses)} frames, "
          f"{picture.shape[1]} x {picture.shape[0]} at {fps:g} frames/s, {unsigned}, "
          f"with the watermark {watermark.format_number(number)}; {own}"
          + ("" if entry.label else f"; no label: {entry.label_reason}"))


def placements(still: "Placement", view: View, rows: np.ndarray | None) -> Callable[[int], "Placement"]:
    """For each frame of the result the placement in it: as the target's camera stood in the frames `rows` of its own
    video, or always in the reference frame."""
    if not view.about["moving"]:
        return lambda frame: still
    size = tuple(view.about["frame_size"])
    if rows is not None:
        return lambda frame: still.seen_by(view.camera[rows[frame]], size)
    steady = still.seen_by(view.camera[view.about["reference"]], size)
    return lambda frame: steady


@dataclass(frozen=True)
class Placement:
    """Where the S x S square lies over the background."""

    matrix: np.ndarray  # (3, 3) pixels of the square -> of the plate
    plate: np.ndarray   # (H, W, 3)

    @classmethod
    def of(cls, crop: list[float], size: int, plate: np.ndarray) -> "Placement":
        """In the target's full frame."""
        return cls(np.vstack([footage.crop_to_frame(crop, size), [0, 0, 1]]), plate)

    def seen_by(self, camera: np.ndarray, size: tuple[int, int]) -> "Placement":
        """In the frame (width, height) of a camera (frame -> full frame) that moved."""
        back = np.linalg.inv(camera)
        plate = cv2.warpPerspective(self.plate, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return Placement(back @ self.matrix, plate)

    def reach(self, alpha: np.ndarray) -> np.ndarray:
        """The rectangle of the plate on which a foreground's alpha (S, S) has any effect; an empty one for none."""
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(alpha))
        if width == 0:
            return np.zeros(4, int)
        low, high = np.array([x, y]) - CUBIC, np.array([x + width, y + height]) - 1 + CUBIC
        corners = np.array([[low, [high[0], low[1]], [low[0], high[1]], high]], float)
        spread = cv2.perspectiveTransform(corners, self.matrix)[0]
        first, last = np.floor(spread.min(0)), np.ceil(spread.max(0) + 1)
        return np.stack([first, last]).clip(0, self.plate.shape[1::-1]).astype(int).ravel()

    def over(self, foreground: np.ndarray) -> np.ndarray:
        """The square foreground (S, S, 4), straight alpha, over the plate; Eq. 12. Only where the person is
        is anything computed."""
        picture = self.plate.copy()
        left, top, right, bottom = self.reach(foreground[..., 3])
        if left >= right or top >= bottom:
            return picture
        matrix = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ self.matrix  # to that part of the plate
        whole, size = compositing.premultiplied(foreground), (right - left, bottom - top)
        if np.array_equal(self.matrix[2], [0, 0, 1]):
            placed = cv2.warpAffine(whole, matrix[:2], size, flags=cv2.INTER_CUBIC)
        else:
            placed = cv2.warpPerspective(whole, matrix, size, flags=cv2.INTER_CUBIC)
        part = picture[top:bottom, left:right]
        part[:] = compositing.over(placed.clip(0, 255), part)
        return picture


def identity(generator: Path, driving: Path) -> int:
    """The watermark's number: the same for the same person, as learned, in the same motion."""
    both = files.sha256(generator / "model.safetensors") + files.sha256(driving)
    return int.from_bytes(hashlib.sha256(both.encode()).digest()[: watermark.BITS // 8])


def metadata(entry: "Transfer", number: int) -> dict[str, str]:
    """What the video says of itself."""
    text = (f"AI-generated video: {entry.target} never did this. The motion is {entry.source}'s, "
            f"the appearance {entry.target}'s. Made with FakeMotion {__version__}.")
    return {"title": f"{entry.target} from {entry.source} (AI-generated)", "comment": text, "synthetic": "true",
            "target": entry.target, "source": entry.source, "generator": f"FakeMotion {__version__}",
            watermark.TAG: watermark.format_number(number)}
