"""Fusion (paper section 2.3, Eqs. 9-12): driving poses -> the target's foreground, refined, over the target's
background, as the target's camera saw it.

In: the driving poses, all that was learned of the target, and the source's frames (for their rate and sound).
Out: `foreground.mkv` (RGBA, S x S) and `video.mp4` (H.264, the target's resolution), whose metadata says that
it is AI-generated, of whom, after whom and by what. Where the target's camera moves, the still background is its
mosaic: a reconstruction moves with the camera of its own frames, an imitation is seen from the reference frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from stages import __version__
from stages.learning import device
from stages.learning.appearance import Appearance
from stages.learning.local_gans import LocalGans
from stages.media import clock as clocks
from stages.media import footage, pictures
from stages.media import video as videos
from stages.media import view as views
from stages.vision import blend
from stages.vision.face_enhancement import FaceIndex
from stages.vision.skeleton import read_poses

if TYPE_CHECKING:
    from stages.params import Fusion, Transfer


def run(*, driving: Path, generator: Path, local_gans: Path, faces: Path, full_background: Path,
        target_clock: Path, target_view: Path, source_frames: Path, source_clock: Path, foreground: Path, video: Path,
        params: "Fusion", entry: "Transfer") -> None:
    """Writes one frame for every driving pose; the square is placed into the full background by the target's crop."""
    where = device.choose(params.device)
    poses, columns, _ = read_poses(driving)
    appearance, parts = Appearance(generator, where), LocalGans(local_gans, where)
    index = FaceIndex.read(faces)
    plate = pictures.read(full_background)
    still = Placement.of(clocks.read_clock(target_clock).about["crop"], appearance.size, plate)
    place = placements(still, views.read_view(target_view), columns["frame"] if entry.reconstruction else None)

    whole = not entry.reconstruction  # a held-out part starts in mid-video, where the sound does not
    audio = source_frames if whole else None
    fps = clocks.read_clock(source_clock).about["fps"]
    with (
        videos.lossless(foreground, fps, "rgba") as write_foreground,
        videos.h264(video, fps, params.crf, metadata(entry), audio) as write_video,
        tqdm(total=len(poses), desc="fusion", unit="frame") as progress,
    ):
        for indices, generated in appearance.foregrounds(poses, params.batch):
            polished = parts.polish(generated, poses[indices], index)
            for frame, picture in zip(indices, polished.permute(0, 2, 3, 1).cpu().numpy()):  # (S, S, 4)
                straight = blend.straight(picture)
                write_foreground(straight)
                placed = place(frame)
                write_video(placed.over(straight))
                progress.update()
    print(f"{entry.target} doing what {entry.source} did: {len(poses)} frames, "
          f"{placed.plate.shape[1]} x {placed.plate.shape[0]} at {fps:g} frames/s, {video}")


def placements(still: "Placement", view: views.View, rows: np.ndarray | None) -> Callable[[int], "Placement"]:
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
        return cls(np.vstack([footage.placing(crop, size), [0, 0, 1]]), plate)

    def seen_by(self, camera: np.ndarray, size: tuple[int, int]) -> "Placement":
        """In the frame (width, height) of a camera (frame -> full frame) that moved."""
        back = np.linalg.inv(camera)
        plate = cv2.warpPerspective(self.plate, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return Placement(back @ self.matrix, plate)

    def over(self, foreground: np.ndarray) -> np.ndarray:
        """The square foreground (S, S, 4), straight alpha, over the plate; Eq. 12."""
        alpha, size = foreground[..., 3:].astype(np.float32) / 255, self.plate.shape[1::-1]
        premultiplied = np.concatenate([foreground[..., :3] * alpha, foreground[..., 3:]], -1).astype(np.float32)
        if np.array_equal(self.matrix[2], [0, 0, 1]):
            placed = cv2.warpAffine(premultiplied, self.matrix[:2], size, flags=cv2.INTER_CUBIC)
        else:
            placed = cv2.warpPerspective(premultiplied, self.matrix, size, flags=cv2.INTER_CUBIC)
        placed = placed.clip(0, 255)
        return (placed[..., :3] + (1 - placed[..., 3:] / 255) * self.plate).clip(0, 255).round().astype(np.uint8)


def metadata(entry: "Transfer") -> dict[str, str]:
    """What the video says of itself."""
    text = (f"AI-generated video: {entry.target} never did this. The motion is {entry.source}'s, "
            f"the appearance {entry.target}'s. Made with FakeMotion {__version__}.")
    return {"title": f"{entry.target} from {entry.source} (AI-generated)", "comment": text, "synthetic": "true",
            "target": entry.target, "source": entry.source, "generator": f"FakeMotion {__version__}"}
