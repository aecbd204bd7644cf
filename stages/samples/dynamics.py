"""What hangs from a body and swings: links, each held at one end by a bone or by the link before it. Compiled.

The far end of a link is a mass: it falls, lags behind, is drawn to its place at rest as by a spring, and slides off the
body's capsules. Verlet steps, then projection onto what has to hold (position based dynamics, Müller et al. 2007).
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.samples import motion, rig
from stages.samples.motion import Motion
from stages.samples.rig import NUM_BONES, Skeleton
from stages.samples.signed_distance import compiled

SUBSTEPS = 8       # a frame
SETTLING_FRAMES = 25   # frames before the first
GRAVITY = 9.81  # m/s^2
DRAG = 3.5      # of the speed, 1/s
SEAM_STIFFNESS = 1500.0   # how much a link goes along with those beside it, 1/s^2
CONTACT_POINTS = (0.35, 0.7, 1.0)  # places along a link that keep off the body


@dataclass(frozen=True)
class Link:
    parent: int         # a bone, or BONES + the number of the link before
    pivot: np.ndarray   # (3,) metres in the parent's frame
    rotation: np.ndarray    # (3, 3) its frame at rest in the parent's; it hangs along -y
    length: float       # metres
    pull: float         # towards its place at rest, 1/s^2
    beside: tuple[int, ...] = ()  # numbers of the two links that it is sewn to


@dataclass(frozen=True)
class Capsule:
    """Part of a body that links do not enter; metres in the bone's frame."""

    bone: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


def simulate(links: list[Link], capsules: list[Capsule], bones: Skeleton, performed: Motion, moments: np.ndarray
         ) -> np.ndarray:
    """Which way every link hangs at moments (N,), in frames: unit vectors (N, links, 3) of the world."""
    last = (len(performed) - 1) * SUBSTEPS
    origins, turns = bones.forward_kinematics(motion.interpolate(performed, np.arange(last + 1) / SUBSTEPS))
    settled = np.r_[np.zeros(SETTLING_FRAMES * SUBSTEPS, int), np.arange(last + 1)]
    swung = _simulate(
        origins[settled], turns[settled], np.array([link.parent for link in links]),
        np.array([link.pivot for link in links]), np.array([link.rotation for link in links]),
        np.array([link.length for link in links]), np.array([link.pull for link in links]),
        np.array([link.beside or (i, i) for i, link in enumerate(links)]),
        np.array([capsule.bone for capsule in capsules]),
        np.array([(*capsule.start, *capsule.end, capsule.radius) for capsule in capsules]),
        1 / (motion.FPS * SUBSTEPS), np.array(CONTACT_POINTS))[SETTLING_FRAMES * SUBSTEPS:]
    place = np.clip(moments * SUBSTEPS, 0, last)
    low = place.astype(int)
    share = (place - low)[:, None, None]
    between = swung[low] * (1 - share) + swung[np.minimum(low + 1, last)] * share
    return between / np.linalg.norm(between, axis=-1, keepdims=True)


def attach(links: list[Link], ways: np.ndarray, origins: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bones (T, BONES, ...) with the links as further ones: origins (T, n, 3) and rotations (T, n, 3, 3)."""
    origins = np.concatenate([origins, np.zeros((len(ways), len(links), 3))], 1)
    turns = np.concatenate([turns, np.zeros((len(ways), len(links), 3, 3))], 1)
    for i, link in enumerate(links):
        origins[:, NUM_BONES + i] = origins[:, link.parent] + rig.rotate(turns[:, link.parent], link.pivot)
        rest = turns[:, link.parent] @ link.rotation
        turns[:, NUM_BONES + i] = _shortest_rotations(-rest[..., 1], ways[:, i]) @ rest
    return origins, turns


def _shortest_rotations(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The least rotations (T, 3, 3) that turn unit vectors into others."""
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis, axis=-1), np.einsum("ti,ti->t", start, end)
    return rig.rotation(axis / np.maximum(sine, 1e-9)[:, None], np.arctan2(sine, cosine))


@compiled
def _simulate(origins, turns, parents, pivots, rests, lengths, pulls, beside, held, shapes, step, touching):
    count, bones = len(parents), origins.shape[1]
    ways = np.empty((len(origins), count, 3))
    tips, before, off = np.empty((count, 3)), np.empty((count, 3)), np.zeros((count, 3))  # off: from the place at rest
    starts, frames = np.empty((count, 3)), np.empty((count, 3, 3))
    ends = np.empty((len(held), 2, 3))
    for t in range(len(origins)):
        for j in range(len(held)):
            for axis in range(3):
                row = turns[t, held[j], axis]
                for end in range(2):
                    ends[j, end, axis] = origins[t, held[j], axis] + _dot(row, shapes[j, 3 * end : 3 * end + 3])
        for i in range(count):
            parent = parents[i]
            turn = turns[t, parent] if parent < bones else frames[parent - bones]
            origin = origins[t, parent] if parent < bones else starts[parent - bones]
            for axis in range(3):
                starts[i, axis] = origin[axis] + _dot(turn[axis], pivots[i])
                for other in range(3):
                    frames[i, axis, other] = _dot(turn[axis], rests[i, :, other])
            rest = starts[i] - lengths[i] * frames[i, :, 1]
            if t == 0:
                tips[i], before[i] = rest, rest
            force = pulls[i] * (rest - tips[i]) + SEAM_STIFFNESS * (0.5 * (off[beside[i, 0]] + off[beside[i, 1]]) - off[i])
            force[1] -= GRAVITY
            moved = tips[i] + (tips[i] - before[i]) * (1 - DRAG * step) + step * step * force
            before[i] = tips[i]
            moved = _at_length(starts[i], moved, lengths[i])
            for j in range(len(held)):
                for share in touching:
                    place = starts[i] + share * (moved - starts[i])
                    push = _collision_push(place, ends[j, 0], ends[j, 1], shapes[j, 6])
                    moved = moved + push / share
            tips[i] = _at_length(starts[i], moved, lengths[i])
            off[i] = tips[i] - rest
            ways[t, i] = (tips[i] - starts[i]) / lengths[i]
            _rotate_frame(frames[i], ways[t, i])
    return ways


@compiled
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _at_length(start, tip, length):
    """The tip, as far from the start as the link is long."""
    way = tip - start
    return start + way * (length / (math.sqrt(_dot(way, way)) + 1e-12))


@compiled
def _collision_push(place, start, end, radius):
    """What moves a place out of a capsule."""
    along = end - start
    share = min(max(_dot(place - start, along) / (_dot(along, along) + 1e-12), 0.0), 1.0)
    off = place - start - share * along
    apart = math.sqrt(_dot(off, off)) + 1e-12
    return off * (max(radius - apart, 0.0) / apart)


@compiled
def _rotate_frame(frame, way):
    """Turns a frame, in place, by the least rotation after which -y is `way`."""
    down = -frame[:, 1].copy()
    cosine = _dot(down, way)
    x, y, z = (down[1] * way[2] - down[2] * way[1], down[2] * way[0] - down[0] * way[2],
               down[0] * way[1] - down[1] * way[0])
    again = 1.0 / (1.0 + max(cosine, -0.999))
    for column in range(3):
        a, b, c = frame[0, column], frame[1, column], frame[2, column]
        along = (x * a + y * b + z * c) * again
        frame[0, column] = cosine * a + y * c - z * b + along * x
        frame[1, column] = cosine * b + z * a - x * c + along * y
        frame[2, column] = cosine * c + x * b - y * a + along * z
