"""Draws results over frames, and arranges pictures in contact sheets. Pictures are RGB (height, width, 3) uint8, points
are in pixels of the frame.
"""

import cv2
import numpy as np

from stages.pose.skeleton import DRAWN_PARTS, Pose, draw

PAPER = (246, 245, 242)  # background colour of the tiles
VECTORS = (  # face orientation, Fig. 3: from, to (points of Pose.face; -1 is the middle of the eyes), RGB
    (0, 1, (255, 80, 80)), (1, 2, (255, 200, 60)), (2, 3, (90, 220, 90)), (3, 0, (80, 180, 255)),
    (-1, 4, (230, 110, 255)),
)


def with_skeleton(frame: np.ndarray, pose: Pose) -> np.ndarray:
    """The frame, darkened to 75 %, with the pose drawn over it."""
    drawn = draw(pose, frame.shape[0], parts=DRAWN_PARTS)
    return np.where(drawn.any(-1, keepdims=True), drawn, (frame * 0.75).astype(np.uint8))


def cut_out(frame: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The frame multiplied by a mask (height, width) uint8, on a plain background."""
    opacity = alpha[..., None].astype(np.float32) / 255
    return np.rint(opacity * frame + (1 - opacity) * np.float32(PAPER)).astype(np.uint8)


def with_inpainted_marked(background: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The background with its inpainted pixels, those with 0 in the mask `seen` (height, width), tinted red."""
    tint = np.float32([235, 60, 60])
    return np.where(seen[..., None] > 0, background, np.rint(0.35 * background + 0.65 * tint)).astype(np.uint8)


def with_vectors(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A face with its five orientation vectors. points: (5, 2) in pixels of the picture."""
    canvas = picture.copy()
    points = np.vstack([points, points[:2].mean(0)])  # the last row is the middle of the eyes
    for start, end, colour in VECTORS:
        ends = [tuple(int(round(v)) for v in points[i] - 0.5) for i in (start, end)]
        cv2.arrowedLine(canvas, *ends, colour, max(1, picture.shape[0] // 90), cv2.LINE_AA, tipLength=0.15)
    return canvas


def square_crop(frame: np.ndarray, centre: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The square around a point, clipped to the frame, and its top left corner (x, y)."""
    low = np.clip(np.floor(np.asarray(centre) - side / 2), 0, np.array(frame.shape[1::-1]) - 2).astype(int)
    high = np.ceil(np.asarray(centre) + side / 2).astype(int)
    return frame[low[1] : max(high[1], low[1] + 2), low[0] : max(high[0], low[0] + 2)], low


def fit_tile(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture scaled to fit a tile (side, side, 3), on a plain background."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    tile = np.full((side, side, 3), PAPER, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def sheet(rows: list[list[np.ndarray]], side: int = 176, gap: int = 3) -> np.ndarray:
    """A contact sheet with one tile for each picture. rows: lists of pictures."""
    columns = max(len(row) for row in rows)
    canvas = np.full((len(rows) * (side + gap) - gap, columns * (side + gap) - gap, 3), PAPER, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            canvas[y * (side + gap) :, x * (side + gap) :][:side, :side] = fit_tile(picture, side)
    return canvas
