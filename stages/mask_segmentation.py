"""The person's soft alpha in every frame (paper section 2.1).

In: frames.mkv and the poses, which tell the network where to look. Out: `masks`, 8-bit alpha, one a frame; empty
where there is nobody.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages import InputError, params as config
from stages.estimators.person import Detector, MediaPipeDetector, Person, segmenter
from stages.media import video
from stages.vision import matting
from stages.vision.skeleton import L_HIP, R_HIP, Pose, read_poses

SNUG = 0.9  # of the circle that holds all points: the network sees the person larger, which is measured to be best


def run(frames: Path, poses: Path, masks: Path, params: config.MaskSegmentation) -> None:
    pose, _, _ = read_poses(poses)
    segment, detector, shares = segmenter(params.estimator), MediaPipeDetector(), []
    with video.lossless(masks, video.frame_rate(frames), "gray") as add:
        for index, frame in enumerate(tqdm(video.frames(frames), "mask_segmentation", len(pose), unit="frame")):
            if index == len(pose):
                raise InputError(f"{frames}: more frames than the {len(pose)} poses of {poses}; "
                                 "run pose_extraction again")
            person = region(pose[index]) or largest(detector, frame)
            alpha = segment.mask(frame, person) if person else None
            if alpha is None:
                alpha = np.zeros(frame.shape[:2], np.float32)
            else:
                radius = max(1, round(params.refine_radius * len(frame)))
                alpha = matting.refine(frame, alpha, radius, pose[index])
            add(np.rint(255 * alpha).astype(np.uint8))
            shares.append(alpha.mean())
    shares = np.array(shares)
    found = shares > 0
    print(f"mask_segmentation: a person in {found.sum()} of {len(found)} masks"
          + (f", covering {shares[found].min():.1%} to {shares[found].max():.1%} of the frame" if found.any() else ""))


def region(pose: Pose) -> Person | None:
    """Where to look for the person of a pose: a circle around the hips, or None where too little is known."""
    points = np.concatenate([pose.body, pose.feet, pose.left_hand, pose.right_hand])
    known, hips = points[points[:, 2] > 0, :2], pose.body[[R_HIP, L_HIP]]
    hips = hips[hips[:, 2] > 0, :2]
    if len(known) < 4 or not len(hips):
        return None
    x, y = hips.mean(0)
    return Person(float(x), float(y), SNUG * float(np.linalg.norm(known - (x, y), axis=1).max()), 0.0, 1.0)


def largest(detector: Detector, frame: np.ndarray) -> Person | None:
    """The largest person that the detector sees, for frames without a pose."""
    return max(detector.detect(frame), key=lambda person: person.radius, default=None)
