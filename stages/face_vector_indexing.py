"""Face vector indexing (paper section 2.3, Fig. 3): builds an index of the subject's real faces by their orientation.

Uses only training frames. Output: `faces` (parquet.FACES), one row for each frame in which all five points have at
least the score `min_score`: the points, the five orientation vectors and a square crop. If there is no such frame, the
table is empty and its metadata contain the reason.
"""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from stages.face import face_vectors
from stages.media import parquet, video_file
from stages.media.pose_table import read_poses
from stages.media.seek import select_frames
from stages.media.timeline import read_timeline
from stages.params import FaceVectorIndexing
from stages.pose import part_boxes
from stages.progress import Progress

SIDE = (32, 256)  # pixels, smallest and largest side of a crop
CHUNK = 64        # number of faces that are written at once; limits memory


def run(*, frames: Path, timeline: Path, poses: Path, faces: Path, params: FaceVectorIndexing) -> None:
    usable = read_timeline(timeline).usable()
    pose, _, _ = read_poses(poses)
    known = (pose.face[usable, :, 2] >= params.min_score).all(1)
    rows = usable[known]
    points = pose.face[rows, :, :2].astype(np.float64)  # (N, 5, 2)
    boxes = face_boxes(points, params.crop_scale)
    reason = None if len(rows) else (f"no face is visible in any of {len(usable)} training frames: all five points "
                                     f"never reach a score of {params.min_score}")
    columns = {"frame": rows, "points": points, "vectors": face_vectors.vectors(points), "box": boxes}
    selected = select_frames(video_file.frames(frames), rows, frames)
    shown = Progress(selected, "face_vector_indexing", len(rows), unit="face")
    pictures = (encoded_crop(frame, box) for frame, box in zip(shown, boxes))
    with parquet.writing(faces, parquet.FACES, {"reason": reason}) as append:
        for start in range(0, max(len(rows), 1), CHUNK):
            some = {name: column[start : start + CHUNK] for name, column in columns.items()}
            append(some | {"crop": list(islice(pictures, len(some["frame"])))})
    found = f"face_vector_indexing: {len(rows)} faces in {len(usable)} frames"
    print(f"{found}: {reason}; face steps are skipped" if reason else
          f"{found}, {np.median(face_vectors.face_size(points)):.1f} pixels large")


def face_boxes(points: np.ndarray, scale: float) -> np.ndarray:
    """Square boxes with a side of `scale` face sizes, centred on the points of faces: (N, 5, 2) -> (N, 4), pixels."""
    middle, half = points.mean(1), scale * face_vectors.face_size(points)[:, None] / 2
    return np.concatenate([middle - half, middle + half], 1)  # (N, 4)


def encoded_crop(frame: np.ndarray, box: np.ndarray) -> bytes:
    """The content of a box (4,) of a frame as a PNG file, at the box's resolution within the limits SIDE."""
    side = int(np.clip(np.ceil(box[2] - box[0]), *SIDE))
    return cv2.imencode(".png", part_boxes.crop(frame, box, side)[..., ::-1])[1].tobytes()
