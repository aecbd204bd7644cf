"""The charts of the limb atlas: the limbs that have a texture of their own (not in the paper).

A chart is a segment between two points of the pose, with a width. It defines the coordinates in which the limb's texture
is stored: along the segment, 0 at its start and 1 at its end, and across it, from -1 to 1 over the limb's width.
"""

from dataclasses import dataclass, replace

import numpy as np

from stages.pose.skeleton import (
    L_ANKLE, L_EAR, L_ELBOW, L_EYE, L_HIP, L_KNEE, L_SHOULDER, L_WRIST, NECK, NOSE, Pose, R_ANKLE, R_EAR, R_ELBOW, R_EYE,
    R_HIP, R_KNEE, R_SHOULDER, R_WRIST,
)


@dataclass(frozen=True)
class Chart:
    name: str
    start: tuple[str, tuple[int, ...]]  # a set of points of the pose, and which of them; their mean
    end: tuple[str, tuple[int, ...]]
    half_width: float  # share of the body's scale, about the length of the trunk
    priority: float    # over other charts at the same distance, half widths: arms are usually in front of the trunk
    depth: tuple[int, ...] = ()  # joints of the body whose mean depth is the limb's; none: that of the trunk
    beyond: tuple[float, float] = (0.0, 0.0)  # how far the limb reaches beyond start and end, shares of their distance
    reach: float = 0.4  # how far its texture is seen beyond the end, lengths: not where another limb begins

    @property
    def group(self) -> str:
        """The connected limbs to which the chart belongs: trunk, head, or an arm or a leg."""
        side, _, limb = self.name.partition("_")
        if not limb:
            return "head" if self.name == "face" else self.name
        return f"{side}_{'leg' if limb in ('thigh', 'shank', 'foot') else 'arm'}"


def _limbs(side: str, shoulder: int, elbow: int, wrist: int, hip: int, knee: int, ankle: int, heel: int) -> list[Chart]:
    body, hand = (lambda joint: ("body", (joint,))), f"{side}_hand"
    return [
        Chart(f"{side}_upper_arm", body(shoulder), body(elbow), 0.16, 0.2, (shoulder, elbow), reach=0.2),
        Chart(f"{side}_forearm", body(elbow), body(wrist), 0.13, 0.4, (elbow, wrist), reach=0.15),
        Chart(f"{side}_palm", (hand, (0,)), (hand, (9,)), 0.1, 0.5, (wrist,)),
        Chart(f"{side}_fingers", (hand, (9, 13)), (hand, (12, 16)), 0.1, 0.5, (wrist,)),  # of the middle and ring finger
        Chart(f"{side}_thumb", (hand, (1,)), (hand, (4,)), 0.05, 0.55, (wrist,)),
        Chart(f"{side}_thigh", body(hip), body(knee), 0.2, 0.1, (hip, knee), reach=0.2),
        Chart(f"{side}_shank", body(knee), body(ankle), 0.16, 0.1, (knee, ankle), reach=0.2),
        Chart(f"{side}_foot", ("feet", (heel,)), ("feet", (heel + 1,)), 0.13, 0.2, (ankle,)),
    ]


HEAD, EARS = (NOSE, R_EYE, L_EYE, R_EAR, L_EAR), (R_EAR, L_EAR)
CHARTS = (
    Chart("trunk", ("body", (R_HIP, L_HIP)), ("body", (NECK,)), 0.35, 0.0, reach=0.12),  # further up is the head, which may lean
    Chart("head", ("body", (NECK,)), ("body", HEAD), 0.22, 0.2, EARS, (0.0, 0.7)),
    Chart("face", ("face", (2, 3)), ("face", (0, 1)), 0.16, 0.5, EARS, (0.5, 0.5)),  # middle of the mouth, middle of the eyes
    *_limbs("right", R_SHOULDER, R_ELBOW, R_WRIST, R_HIP, R_KNEE, R_ANKLE, 0),
    *_limbs("left", L_SHOULDER, L_ELBOW, L_WRIST, L_HIP, L_KNEE, L_ANKLE, 2),
)
STRAIGHT_HAND = {0: 0.0, 9: 0.35, 13: 0.35, 12: 0.72, 16: 0.72}  # points of a hand: distance from the wrist, forearms
DEPTH = 0.3  # of a limb that is clearly in front of or behind the trunk, body heights
LENGTHS = {"trunk": 1.0, "thigh": 0.8, "shank": 0.8, "upper_arm": 0.55, "forearm": 0.5}  # usual, in lengths of the trunk


def chart_groups() -> np.ndarray:
    """The number of each chart's group (K,): charts of different groups may hide each other."""
    return np.unique([chart.group for chart in CHARTS], return_inverse=True)[1]


def chart_segments(poses: Pose) -> np.ndarray:
    """The charts of B poses, (B, K, 7) float32: x and y of the start, x and y of the end, and the half width, in pixels of
    the frame; the priority; and how far the limb is in front of the trunk, from -1 to 1, 0 if unknown. The half width is 0
    if an end is unknown."""
    poses = with_hands(poses)
    ends = np.stack([np.stack([_point(poses, chart.start), _point(poses, chart.end)], -2) for chart in CHARTS], -3)
    lengths = np.linalg.norm(ends[..., 1, :] - ends[..., 0, :], axis=-1)  # (B, K)
    usual = np.array([LENGTHS.get(chart.name.removeprefix("right_").removeprefix("left_"), np.nan) for chart in CHARTS])
    scale = np.nan_to_num(np.fmax.reduce(lengths / usual, -1))  # foreshortening only shortens a limb
    beyond = np.array([chart.beyond for chart in CHARTS])[..., None] * (ends[..., 1:, :] - ends[..., :1, :])  # (B, K, 2, 2)
    ends = ends + beyond * np.array([[-1], [1]])
    known = np.isfinite(ends).all((-1, -2))
    widths = np.array([chart.half_width for chart in CHARTS]) * scale[..., None] * known
    priorities = np.broadcast_to([chart.priority for chart in CHARTS], known.shape)
    return np.concatenate([np.nan_to_num(ends).reshape(*known.shape, 4), widths[..., None], priorities[..., None],
                           in_front(poses.depth)[..., None]], -1).astype(np.float32)


def in_front(depth: np.ndarray) -> np.ndarray:
    """How far each chart is in front of the trunk, (B, K): from -1, behind it, to 1; 0 if unknown. depth (B, 18): of the
    joints, see stages/pose/skeleton.py."""
    found = np.zeros((*depth.shape[:-1], len(CHARTS)))
    for i, chart in enumerate(CHARTS):
        if chart.depth:
            found[..., i] = np.tanh(depth[..., list(chart.depth)].mean(-1) / -DEPTH)
    return np.nan_to_num(found)


def with_hands(poses: Pose) -> Pose:
    """B poses in which hands that are unknown continue their forearms, straight and open; without the thumb."""
    found = {}
    for side, elbow, wrist in (("right", R_ELBOW, R_WRIST), ("left", L_ELBOW, L_WRIST)):
        hand, arm = getattr(poses, f"{side}_hand").copy(), poses.body[:, [elbow, wrist]]
        rows = ~(hand[..., 2] > 0).any(1) & (arm[..., 2] > 0).all(1)
        for point, reach in STRAIGHT_HAND.items():
            hand[rows, point, :2] = arm[rows, 1, :2] + reach * (arm[rows, 1, :2] - arm[rows, 0, :2])
            hand[rows, point, 2] = arm[rows, 1, 2]
        found[f"{side}_hand"] = hand
    return replace(poses, **found)


def _point(poses: Pose, which: tuple[str, tuple[int, ...]]) -> np.ndarray:
    """The mean of the known points (B, 2); NaN if none is known."""
    points = getattr(poses, which[0])[..., list(which[1]), :].astype(np.float64)
    known = points[..., 2:] > 0
    count = known.sum(-2)
    return np.where(count > 0, np.where(known, points[..., :2], 0).sum(-2) / np.maximum(count, 1), np.nan)
