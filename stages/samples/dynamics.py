"""Simulation of hanging hair and cloth. Compiled with numba.

Hair and cloth are links. One end of a link is fixed to a bone or to the previous link. The other end, its tip, is a
point mass: gravity and drag act on it, a spring pulls it towards its rest position, and collisions push it out of the
body's capsules. Each substep is a Verlet step followed by projection onto the constraints (position based dynamics,
Müller et al. 2007).
"""

import math
from dataclasses import dataclass

import numpy as np

from stages.samples import motion, rig
from stages.samples.motion import Motion
from stages.samples.rig import NUM_BONES, Skeleton
from stages.samples.signed_distance import compiled

SUBSTEPS = 8             # per frame
SETTLING_FRAMES = 25     # simulated before the first frame, until the links are at rest
GRAVITY = 9.81           # m/s^2
DRAG = 3.5               # damping, 1/s
SEAM_STIFFNESS = 1500.0  # of the springs between neighbouring links, 1/s^2
CONTACT_POINTS = (0.35, 0.7, 1.0)  # points along a link that are tested for collisions, fractions of its length


@dataclass(frozen=True)
class Link:
    parent: int             # a bone, or NUM_BONES + the index of the previous link
    pivot: np.ndarray       # (3,) metres in the parent's frame
    rotation: np.ndarray    # (3, 3) rest orientation in the parent's frame; the link points along -y
    length: float           # metres
    stiffness: float        # of the spring towards the rest position, 1/s^2
    neighbours: tuple[int, ...] = ()  # indices of the two links that it is sewn to


@dataclass(frozen=True)
class Capsule:
    """Part of the body that links collide with; metres in the bone's frame."""

    bone: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


def simulate(links: list[Link], capsules: list[Capsule], bones: Skeleton, performed: Motion, times: np.ndarray
             ) -> np.ndarray:
    """Directions of all links at `times` (N,), in frames: unit vectors (N, links, 3) in world coordinates."""
    last = (len(performed) - 1) * SUBSTEPS
    origins, rotations = bones.forward_kinematics(motion.interpolate(performed, np.arange(last + 1) / SUBSTEPS))
    settled = np.r_[np.zeros(SETTLING_FRAMES * SUBSTEPS, int), np.arange(last + 1)]
    simulated = _simulate(
        origins[settled], rotations[settled], np.array([link.parent for link in links]),
        np.array([link.pivot for link in links]), np.array([link.rotation for link in links]),
        np.array([link.length for link in links]), np.array([link.stiffness for link in links]),
        np.array([link.neighbours or (i, i) for i, link in enumerate(links)]),
        np.array([capsule.bone for capsule in capsules]),
        np.array([(*capsule.start, *capsule.end, capsule.radius) for capsule in capsules]),
        1 / (motion.FPS * SUBSTEPS), np.array(CONTACT_POINTS))[SETTLING_FRAMES * SUBSTEPS:]
    position = np.clip(times * SUBSTEPS, 0, last)
    low = position.astype(int)
    fraction = (position - low)[:, None, None]
    between = simulated[low] * (1 - fraction) + simulated[np.minimum(low + 1, last)] * fraction
    return between / np.linalg.norm(between, axis=-1, keepdims=True)


def attach(links: list[Link], directions: np.ndarray, origins: np.ndarray, rotations: np.ndarray
           ) -> tuple[np.ndarray, np.ndarray]:
    """Appends the links to the bones (T, NUM_BONES, ...): origins (T, n, 3) and rotations (T, n, 3, 3)."""
    origins = np.concatenate([origins, np.zeros((len(directions), len(links), 3))], 1)
    rotations = np.concatenate([rotations, np.zeros((len(directions), len(links), 3, 3))], 1)
    for i, link in enumerate(links):
        origins[:, NUM_BONES + i] = origins[:, link.parent] + rig.rotate(rotations[:, link.parent], link.pivot)
        rest = rotations[:, link.parent] @ link.rotation
        rotations[:, NUM_BONES + i] = _shortest_rotations(-rest[..., 1], directions[:, i]) @ rest
    return origins, rotations


def _shortest_rotations(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotations (T, 3, 3) that take unit vectors `start` to unit vectors `end`."""
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis, axis=-1), np.einsum("ti,ti->t", start, end)
    return rig.rotation(axis / np.maximum(sine, 1e-9)[:, None], np.arctan2(sine, cosine))


@compiled
def _simulate(origins, rotations, parents, pivots, rests, lengths, stiffnesses, neighbours, capsule_bones,
              capsule_shapes, step, contact_points):
    count, bones = len(parents), origins.shape[1]
    directions = np.empty((len(origins), count, 3))
    tips, previous = np.empty((count, 3)), np.empty((count, 3))
    offset = np.zeros((count, 3))  # of the tips from their rest positions
    starts, frames = np.empty((count, 3)), np.empty((count, 3, 3))
    capsule_ends = np.empty((len(capsule_bones), 2, 3))
    for t in range(len(origins)):
        for j in range(len(capsule_bones)):
            for axis in range(3):
                row = rotations[t, capsule_bones[j], axis]
                for end in range(2):
                    local = capsule_shapes[j, 3 * end : 3 * end + 3]
                    capsule_ends[j, end, axis] = origins[t, capsule_bones[j], axis] + _dot(row, local)
        for i in range(count):
            parent = parents[i]
            rotation = rotations[t, parent] if parent < bones else frames[parent - bones]
            origin = origins[t, parent] if parent < bones else starts[parent - bones]
            for axis in range(3):
                starts[i, axis] = origin[axis] + _dot(rotation[axis], pivots[i])
                for other in range(3):
                    frames[i, axis, other] = _dot(rotation[axis], rests[i, :, other])
            rest = starts[i] - lengths[i] * frames[i, :, 1]
            if t == 0:
                tips[i], previous[i] = rest, rest
            force = stiffnesses[i] * (rest - tips[i]) + SEAM_STIFFNESS * (
                0.5 * (offset[neighbours[i, 0]] + offset[neighbours[i, 1]]) - offset[i])
            force[1] -= GRAVITY
            tip = tips[i] + (tips[i] - previous[i]) * (1 - DRAG * step) + step * step * force
            previous[i] = tips[i]
            tip = _at_length(starts[i], tip, lengths[i])
            for j in range(len(capsule_bones)):
                for fraction in contact_points:
                    point = starts[i] + fraction * (tip - starts[i])
                    push = _collision_push(point, capsule_ends[j, 0], capsule_ends[j, 1], capsule_shapes[j, 6])
                    tip = tip + push / fraction
            tips[i] = _at_length(starts[i], tip, lengths[i])
            offset[i] = tips[i] - rest
            directions[t, i] = (tips[i] - starts[i]) / lengths[i]
            _rotate_frame(frames[i], directions[t, i])
    return directions


@compiled
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _at_length(start, tip, length):
    """Moves the tip so that its distance from the start is `length`."""
    direction = tip - start
    return start + direction * (length / (math.sqrt(_dot(direction, direction)) + 1e-12))


@compiled
def _collision_push(point, start, end, radius):
    """The displacement that moves a point out of a capsule; zero if it is outside."""
    along = end - start
    fraction = min(max(_dot(point - start, along) / (_dot(along, along) + 1e-12), 0.0), 1.0)
    offset = point - start - fraction * along
    distance = math.sqrt(_dot(offset, offset)) + 1e-12
    return offset * (max(radius - distance, 0.0) / distance)


@compiled
def _rotate_frame(frame, direction):
    """Rotates a frame in place by the smallest rotation that takes its -y axis to `direction`."""
    down = -frame[:, 1].copy()
    cosine = _dot(down, direction)
    x, y, z = (down[1] * direction[2] - down[2] * direction[1], down[2] * direction[0] - down[0] * direction[2],
               down[0] * direction[1] - down[1] * direction[0])
    again = 1.0 / (1.0 + max(cosine, -0.999))
    for column in range(3):
        a, b, c = frame[0, column], frame[1, column], frame[2, column]
        along = (x * a + y * b + z * c) * again
        frame[0, column] = cosine * a + y * c - z * b + along * x
        frame[1, column] = cosine * b + z * a - x * c + along * y
        frame[2, column] = cosine * c + x * b - y * a + along * z
