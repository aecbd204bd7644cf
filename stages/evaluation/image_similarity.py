"""How alike a picture and the true one are (paper section 3.2): PSNR and SSIM of the whole frame, of the person's box,
and of face, hands and feet, each apart; and of the person how sharp they are, and PSNR after alignment.

SSIM is one map of the frame; a box's is the mean of the windows that lie wholly inside of it, which is what SSIM of the
box cut out would be. Pictures are (height, width, 3) uint8; boxes are left, top, right, bottom in whole pixels.
"""

import cv2
import numpy as np

from stages.evaluation.metric_names import ALIGNED, PERSON, SHARPNESS
from stages.imaging import image_quality
from stages.matting import alpha_matte
from stages.pose import part_boxes
from stages.pose.skeleton import Pose

Box = tuple[int, int, int, int]


def boxes(pose: Pose, size: int) -> dict[str, Box]:
    """The person's box, and those parts' that lie in a size x size frame and hold a window of SSIM."""
    found = {PERSON: image_quality.person_box(pose, size)}
    for part, box in zip(part_boxes.PART_SIZES, part_boxes.part_boxes(pose, size)):
        found[part] = _whole_pixels(box, size)
    return {place: box for place, box in found.items() if box}


def inner(pose: Pose, size: int) -> np.ndarray:
    """Pixels that surely show the person, whoever drew them: thin capsules around the bones, the torso, and what face
    and hands enclose; (size, size) bool."""
    canvas = alpha_matte.body_core(pose, size).astype(np.uint8)
    for points in (pose.face, pose.left_hand, pose.right_hand):
        known = points[points[:, 2] > 0, :2]
        if len(known) > 2:
            cv2.fillConvexPoly(canvas, cv2.convexHull(np.floor(known).astype(np.int32)), 1)
    return canvas > 0


def similarity_scores(picture: np.ndarray, truth: np.ndarray, places: dict[str, Box],
             seen: np.ndarray | None = None) -> dict[str, float]:
    """Scores by name, `psnr` and `ssim` of the frame, `psnr_face` and so on of a place; of what is `seen` (height,
    width) bool, where that is given."""
    windows = image_quality.ssim_map(picture, truth)  # (h - 10, w - 10)
    whole = None if seen is None else image_quality.whole_windows(seen)
    height, width = truth.shape[:2]
    scores = {}
    for place, (left, top, right, bottom) in ({"": (0, 0, width, height)} | places).items():
        part, inside = np.s_[top:bottom, left:right], np.s_[top : bottom - image_quality.REACH, left : right - image_quality.REACH]
        end = f"_{place}" if place else ""
        scores[f"psnr{end}"] = image_quality.psnr(picture[part], truth[part], None if seen is None else seen[part])
        scores[f"ssim{end}"] = image_quality.mean(windows[inside], None if whole is None else whole[inside])
    return scores


def of_person(picture: np.ndarray, truth: np.ndarray, box: Box | None, inside: np.ndarray,
              seen: np.ndarray | None = None) -> dict[str, float]:
    """Sharpness in the pixels `inside` (height, width) bool, and PSNR of the box after alignment; of what is `seen`,
    where that is given."""
    scores = {SHARPNESS: image_quality.sharpness(picture, truth, inside if seen is None else inside & seen)}
    if box:
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        scores[ALIGNED] = image_quality.aligned_psnr(picture[part], truth[part], None if seen is None else seen[part])
    return scores


def _whole_pixels(box: np.ndarray, size: int) -> Box | None:
    """The pixels that a box of continuous edges touches; None where they hold no window of SSIM, or it is not known."""
    if not np.isfinite(box).all():
        return None
    left, top = np.clip(np.floor(box[:2]), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), 0, size).astype(int)
    if min(right - left, bottom - top) < image_quality.WINDOW:
        return None
    return int(left), int(top), int(right), int(bottom)
