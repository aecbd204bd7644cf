"""The skeleton: OpenPose's 18 body joints, hands, feet and five face points; and a function that draws it.

Coordinates are continuous pixels of the S x S frame; the origin is the outer corner of the top left pixel. An unknown
point is NaN with score 0. Left and right are those of the person.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

NOSE, NECK, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST = range(8)
R_HIP, R_KNEE, R_ANKLE, L_HIP, L_KNEE, L_ANKLE, R_EYE, L_EYE, R_EAR, L_EAR = range(8, 18)

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)
COLOURS = (  # RGB of each joint
    (255, 0, 85), (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255),
    (255, 0, 170), (170, 0, 255), (255, 0, 255), (85, 0, 255),
)
FINGERS = tuple((0 if i % 4 == 1 else i - 1, i) for i in range(1, 21))
FEET = ((R_ANKLE, 0, 1), (L_ANKLE, 2, 3))  # ankle in the body, heel and toe in the feet
DRAWN_PARTS = ("body", "hands", "feet", "face")
POINT_SETS = ("body", "left_hand", "right_hand", "feet", "face")


@dataclass(frozen=True)
class Pose:
    """Five sets of points (..., n, 3): x, y in pixels and a score; and the depth of the body joints. The leading axes
    (frames) are the same for all."""

    body: np.ndarray        # (..., 18, 3)
    left_hand: np.ndarray   # (..., 21, 3)
    right_hand: np.ndarray  # (..., 21, 3)
    feet: np.ndarray        # (..., 4, 3): right heel, right toe, left heel, left toe
    face: np.ndarray        # (..., 5, 3): right eye, left eye, left mouth corner, right mouth corner, nose
    # (..., 18): how far the joints are behind the middle of the trunk, body heights, less than 0 in front of it; NaN if
    # unknown, as everywhere if the estimator finds no depth
    depth: np.ndarray | None = None

    def __post_init__(self):
        if self.depth is None:
            object.__setattr__(self, "depth", np.full(self.body.shape[:-1], np.nan, np.float32))

    def __getitem__(self, index) -> "Pose":
        return Pose(*(getattr(self, field.name)[index] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.body)

    def map(self, function) -> "Pose":
        """Applies a function to each set of points (..., n, 3)."""
        return replace(self, **{name: function(points) for name, points in self.point_sets().items()})

    def point_sets(self) -> dict[str, np.ndarray]:
        """The five sets of points by name."""
        return {name: getattr(self, name) for name in POINT_SETS}

    @classmethod
    def unknown(cls, *shape: int) -> "Pose":
        """A pose with all points unknown; `shape` are the leading axes."""
        sizes = (18, 21, 21, 4, 5)
        return cls(*(np.tile(np.float32([np.nan, np.nan, 0]), (*shape, n, 1)) for n in sizes))

    @classmethod
    def stack(cls, poses: "list[Pose]") -> "Pose":
        """Poses of single frames -> one pose with a leading frame axis."""
        return cls(*(np.stack([getattr(pose, field.name) for pose in poses]) for field in fields(cls)))

    @classmethod
    def concatenate(cls, poses: "Iterable[Pose]") -> "Pose":
        """Concatenates poses along the frame axis."""
        return cls(*(np.concatenate([getattr(pose, field.name) for pose in poses]) for field in fields(cls)))

    def points(self, face: bool = True) -> np.ndarray:
        """All points in one array, (..., 69, 3): body, left hand, right hand, feet and face; (..., 64, 3) without the
        face."""
        sets = [self.body, self.left_hand, self.right_hand, self.feet] + [self.face] * face
        return np.concatenate(sets, axis=-2)

    def columns(self) -> dict[str, np.ndarray]:
        """The columns of the `POSES` table."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def person_height(body: np.ndarray) -> np.ndarray:
    """Distance from the nose to the middle of the ankles in pixels, (..., 18, 3) -> (...,).

    The middle of the ears replaces an unknown nose, and one ankle replaces both. NaN if neither is known."""
    def middle(*joints):
        known = body[..., joints, 2:] > 0
        total = np.where(known, body[..., joints, :2], 0).sum(-2)
        count = known.sum(-2)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    head = np.where(body[..., NOSE, 2:] > 0, body[..., NOSE, :2], middle(R_EAR, L_EAR))
    return np.linalg.norm(head - middle(R_ANKLE, L_ANKLE), axis=-1)


def draw(pose: Pose, size: int, scale: float = 1.0, parts: tuple[str, ...] = ("body",)) -> np.ndarray:
    """Draws one pose (no leading axes) as an RGB picture (size, size, 3) uint8. Points are multiplied by `scale`.

    The lines' width is 0.75 % of the size. Unknown points, and limbs with an unknown end, are not drawn. parts: any of
    DRAWN_PARTS."""
    canvas = np.zeros((size, size, 3), np.uint8)
    width = max(1, round(0.0075 * size))
    body, feet = pose.body * (scale, scale, 1), pose.feet * (scale, scale, 1)
    if "body" in parts:
        for i, (a, b) in enumerate(LIMBS):
            _line(canvas, body[a], body[b], tuple(int(c * 0.75) for c in COLOURS[i]), width)
        for joint, colour in zip(body, COLOURS):
            _dot(canvas, joint, colour, width)
    if "feet" in parts:
        for ankle, heel, toe in FEET:
            _line(canvas, body[ankle], feet[heel], COLOURS[ankle], width)
            _line(canvas, feet[heel], feet[toe], (255, 255, 255), width)
    if "hands" in parts:
        for hand, tint in ((pose.right_hand, (255, 120, 0)), (pose.left_hand, (0, 255, 120))):
            hand = hand * (scale, scale, 1)
            for i, (a, b) in enumerate(FINGERS):
                _line(canvas, hand[a], hand[b], (*tint[:2], 50 * (i // 4 + 1)), 1)
    if "face" in parts:
        for point in pose.face * (scale, scale, 1):
            _dot(canvas, point, (255, 255, 255), 1)
    return canvas


_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


def _fixed(point: np.ndarray) -> tuple[int, int]:
    """Continuous pixel coordinates -> OpenCV's fixed-point coordinates, where whole numbers are pixel centres."""
    limit = 1 << 14
    return tuple(int(np.clip(round((value - 0.5) * (1 << _SHIFT)), -limit * 16, limit * 16)) for value in point[:2])


def _line(canvas, a, b, colour, width):
    if a[2] > 0 and b[2] > 0:
        cv2.line(canvas, _fixed(a), _fixed(b), colour, width, cv2.LINE_AA, _SHIFT)


def _dot(canvas, point, colour, radius):
    if point[2] > 0:
        cv2.circle(canvas, _fixed(point), radius << _SHIFT, colour, -1, cv2.LINE_AA, _SHIFT)
