"""Fusion (paper section 2.3, Eqs. 9-12): driving poses -> the target's foreground, refined, over the target's
background, in the target's full frame.

In: the driving poses, all that was learned of the target, and the source's frames (for their rate and sound).
Out: `foreground.mkv` (RGBA, S x S) and `video.mp4` (H.264, the target's resolution), whose metadata says that
it is AI-generated, of whom, after whom and by what.
"""

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
from stages.vision import blend
from stages.vision.face_enhancement import FaceIndex
from stages.vision.skeleton import read_poses

if TYPE_CHECKING:
    from stages.params import Fusion, Transfer


def run(*, driving: Path, generator: Path, local_gans: Path, faces: Path, full_background: Path,
        target_clock: Path, source_frames: Path, source_clock: Path, foreground: Path, video: Path,
        params: "Fusion", entry: "Transfer") -> None:
    """Writes one frame for every driving pose; the square is placed into the full background by the target's crop."""
    where = device.choose(params.device)
    poses, _, about = read_poses(driving)
    appearance, parts = Appearance(generator, where), LocalGans(local_gans, where)
    index = FaceIndex.read(faces)
    plate = pictures.read(full_background)
    place = Placement(clocks.read_clock(target_clock).about["crop"], appearance.size, plate.shape)

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
            for picture in polished.permute(0, 2, 3, 1).cpu().numpy():  # (S, S, 4)
                straight = blend.straight(picture)
                write_foreground(straight)
                write_video(place.over(straight, plate))
                progress.update()
    print(f"{entry.target} doing what {entry.source} did: {len(poses)} frames, "
          f"{plate.shape[1]} x {plate.shape[0]} at {fps:g} frames/s, {video}")


class Placement:
    """Where the S x S square lies in the target's full frame."""

    def __init__(self, crop: list[float], size: int, plate_shape: tuple):
        self.matrix = footage.placing(crop, size)
        self.size = plate_shape[1], plate_shape[0]

    def over(self, foreground: np.ndarray, plate: np.ndarray) -> np.ndarray:
        """The square foreground (S, S, 4), straight alpha, over the full frame (H, W, 3); Eq. 12."""
        alpha = foreground[..., 3:].astype(np.float32) / 255
        premultiplied = np.concatenate([foreground[..., :3] * alpha, foreground[..., 3:]], -1).astype(np.float32)
        placed = cv2.warpAffine(premultiplied, self.matrix, self.size, flags=cv2.INTER_CUBIC).clip(0, 255)
        return (placed[..., :3] + (1 - placed[..., 3:] / 255) * plate).clip(0, 255).round().astype(np.uint8)


def metadata(entry: "Transfer") -> dict[str, str]:
    """What the video says of itself."""
    text = (f"AI-generated video: {entry.target} never did this. The motion is {entry.source}'s, "
            f"the appearance {entry.target}'s. Made with FakeMotion {__version__}.")
    return {"title": f"{entry.target} from {entry.source} (AI-generated)", "comment": text, "synthetic": "true",
            "target": entry.target, "source": entry.source, "generator": f"FakeMotion {__version__}"}
