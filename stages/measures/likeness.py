"""How alike a picture and the true one are (paper section 3.2): PSNR and SSIM of the whole frame, of the person's box,
and of face, hands and feet, each apart.

SSIM is one map of the frame; a box's is the mean of the windows that lie wholly inside of it, which is what SSIM of the
box cut out would be. Pictures are (height, width, 3) uint8; boxes are left, top, right, bottom in whole pixels.
"""

import numpy as np

from stages.vision import crops, quality
from stages.vision.skeleton import Pose

PERSON = "person_box"
PLACES = (PERSON, *crops.SHARES)  # beside the whole frame
MEASURES = ("psnr", "ssim")

Box = tuple[int, int, int, int]


def boxes(pose: Pose, size: int) -> dict[str, Box]:
    """The person's box, and those parts' that lie in a size x size frame and hold a window of SSIM."""
    found = {PERSON: quality.person_box(pose, size)}
    for part, box in zip(crops.SHARES, crops.part_boxes(pose, size)):
        found[part] = _whole_pixels(box, size)
    return {place: box for place, box in found.items() if box}


def likeness(picture: np.ndarray, truth: np.ndarray, places: dict[str, Box],
             seen: np.ndarray | None = None) -> dict[str, float]:
    """Scores by name, `psnr` and `ssim` of the frame, `psnr_face` and so on of a place; of what is `seen` (height,
    width) bool, where that is given."""
    windows = quality.similarity(picture, truth)  # (h - 10, w - 10)
    whole = None if seen is None else quality.whole_windows(seen)
    height, width = truth.shape[:2]
    scores = {}
    for place, (left, top, right, bottom) in ({"": (0, 0, width, height)} | places).items():
        part, inner = np.s_[top:bottom, left:right], np.s_[top : bottom - quality.REACH, left : right - quality.REACH]
        end = f"_{place}" if place else ""
        scores[f"psnr{end}"] = quality.psnr(picture[part], truth[part], None if seen is None else seen[part])
        scores[f"ssim{end}"] = quality.mean(windows[inner], None if whole is None else whole[inner])
    return scores


def _whole_pixels(box: np.ndarray, size: int) -> Box | None:
    """The pixels that a box of continuous edges touches; None where they hold no window of SSIM, or it is not known."""
    if not np.isfinite(box).all():
        return None
    left, top = np.clip(np.floor(box[:2]), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), 0, size).astype(int)
    if min(right - left, bottom - top) < quality.WINDOW:
        return None
    return int(left), int(top), int(right), int(bottom)
