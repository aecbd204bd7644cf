"""Image similarity of a picture and the true one (paper section 3.2): PSNR and SSIM of the whole frame, of the person's
box and of the boxes of face, hands and feet; for the person also sharpness, and PSNR after alignment.

SSIM is computed once, as a map of the frame. The SSIM of a box is the mean over the windows that lie inside the box,
which equals the SSIM of the cropped box. Pictures are (height, width, 3) uint8; boxes are left, top, right, bottom in
whole pixels.
"""

import cv2
import numpy as np

from stages.evaluation.metric_names import ALIGNED_PSNR, PERSON_BOX, SHARPNESS
from stages.imaging import image_quality
from stages.matting import alpha_matte
from stages.pose import part_boxes
from stages.pose.skeleton import Pose

PixelBox = tuple[int, int, int, int]


def region_boxes(pose: Pose, size: int) -> dict[str, PixelBox]:
    """The boxes of the person and of each part in a size x size frame; those smaller than a window of SSIM are left
    out."""
    found = {PERSON_BOX: image_quality.person_box(pose, size)}
    for part, box in zip(part_boxes.PART_SIZES, part_boxes.part_boxes(pose, size)):
        found[part] = _pixel_box(box, size)
    return {region: box for region, box in found.items() if box}


def certain_person_mask(pose: Pose, size: int) -> np.ndarray:
    """Pixels that show the person in any picture of this pose, (size, size) bool: thin capsules around the bones, the
    torso, and the convex hulls of face and hands."""
    canvas = alpha_matte.body_core(pose, size).astype(np.uint8)
    for points in (pose.face, pose.left_hand, pose.right_hand):
        known = points[points[:, 2] > 0, :2]
        if len(known) > 2:
            cv2.fillConvexPoly(canvas, cv2.convexHull(np.floor(known).astype(np.int32)), 1)
    return canvas > 0


def similarity_scores(picture: np.ndarray, truth: np.ndarray, regions: dict[str, PixelBox],
                      seen: np.ndarray | None = None) -> dict[str, float]:
    """PSNR and SSIM by score name: `psnr` and `ssim` of the frame, `psnr_face` and so on of the regions.

    seen: (height, width) bool, the pixels that count; None for all."""
    windows = image_quality.ssim_map(picture, truth)  # (height - 10, width - 10)
    whole_windows = None if seen is None else image_quality.whole_windows(seen)
    height, width = truth.shape[:2]
    scores = {}
    for region, (left, top, right, bottom) in ({"": (0, 0, width, height)} | regions).items():
        crop = np.s_[top:bottom, left:right]
        inside = np.s_[top : bottom - image_quality.REACH, left : right - image_quality.REACH]
        suffix = f"_{region}" if region else ""
        scores[f"psnr{suffix}"] = image_quality.psnr(picture[crop], truth[crop], None if seen is None else seen[crop])
        scores[f"ssim{suffix}"] = image_quality.mean(windows[inside],
                                                     None if whole_windows is None else whole_windows[inside])
    return scores


def person_scores(picture: np.ndarray, truth: np.ndarray, box: PixelBox | None, inside: np.ndarray,
                  seen: np.ndarray | None = None) -> dict[str, float]:
    """Sharpness over the pixels `inside` (height, width) bool and, if there is a box, its PSNR after alignment.

    seen: (height, width) bool, the pixels that count; None for all."""
    scores = {SHARPNESS: image_quality.sharpness(picture, truth, inside if seen is None else inside & seen)}
    if box:
        crop = np.s_[box[1] : box[3], box[0] : box[2]]
        scores[ALIGNED_PSNR] = image_quality.aligned_psnr(picture[crop], truth[crop],
                                                          None if seen is None else seen[crop])
    return scores


def _pixel_box(box: np.ndarray, size: int) -> PixelBox | None:
    """The pixels that a box with continuous edges touches; None if it is unknown or smaller than a window of SSIM."""
    if not np.isfinite(box).all():
        return None
    left, top = np.clip(np.floor(box[:2]), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), 0, size).astype(int)
    if min(right - left, bottom - top) < image_quality.WINDOW:
        return None
    return int(left), int(top), int(right), int(bottom)
