"""Shadows of bodies on the room. Compiled with numba.

`cast_floor_shadow`: soft shadow on the floor (plain world); the body is approximated by spheres along its primitives.
`shade_room`: soft shadow of a small lamp on the floor and on a close wall, with ambient occlusion (hard world).
"""

import math

import cv2
import numpy as np

from stages.samples.scene import Camera
from stages.samples.signed_distance import compiled

MAX_DARKENING = 0.42  # largest fraction of its light that the floor loses
LAMP_RADIUS = 0.05    # tangent of the lamp's angular radius: at 1 m from the occluder, the penumbra is 10 cm wide
KEY = 0.55            # fraction of the light that comes from the lamp, on a surface that faces it
FILL = 0.40           # fraction that is ambient light, which nearby bodies occlude
CASTER_GROUPS = np.array([0, 1, 3, 4, 7, 8, 9, 10])  # that cast the floor shadow: no hands, no hair


@compiled
def cast_floor_shadow(prims, camera, lamp, shading):
    """Writes the remaining fraction of light of the floor's pixels into `shading` (S, S).

    The penumbra widens with the distance between occluder and floor.
    """
    size, count = len(shading), 0
    spheres = np.empty((3 * len(prims), 4))
    for i in range(len(prims)):
        wide = math.sqrt(1.0 / min(prims[i, 15], prims[i, 17]))
        for part in range(3 if prims[i, 12] > 0 else 1):
            along = prims[i, 12] * 0.5 * part
            for axis in range(3):
                spheres[count, axis] = prims[i, 9 + axis] + along * prims[i, 3 + axis] * (prims[i, 12] > 0)
            spheres[count, 3] = wide * (prims[i, 13] + (prims[i, 14] - prims[i, 13]) * 0.5 * part)
            count += 1
    for row in range(size):
        down = (row + 0.5 - camera[5]) / camera[3]
        if down <= 0 or camera[1] / down > camera[2] + 1.7:
            continue
        depth = camera[1] / down
        for column in range(size):
            x, z = camera[0] + (column + 0.5 - camera[4]) / camera[3] * depth, camera[2] - depth
            light = 1.0
            for i in range(count):
                cx, cy, cz, radius = spheres[i, 0] - x, spheres[i, 1], spheres[i, 2] - z, spheres[i, 3]
                s = cx * lamp[0] + cy * lamp[1] + cz * lamp[2]
                off = cx * cx + cy * cy + cz * cz - s * s
                soft = 0.02 + 0.16 * s
                if off < (radius + soft) ** 2:
                    reach = min(1.0, (radius + soft - math.sqrt(max(off, 0.0))) / (2 * soft))
                    light *= 1 - 0.30 * reach * reach * min(1.0, (radius / soft) ** 1.5)
            shading[row, column] = 1 - MAX_DARKENING * (1 - light)


def shade_room(prims, groups, camera: Camera, lamp, wall: float) -> np.ndarray:
    """The remaining fraction of light, (S, S), of the floor and of a wall `wall` metres behind the person.

    Computed at half resolution, as shadows are soft, and interpolated. `groups` (n,): primitives of one group overlap
    each other and are consecutive; those of different groups do not overlap.
    """
    shading = np.ones(((camera.size + 1) // 2,) * 2)
    _shade_room(prims, groups, camera.packed(), lamp, wall, 2, shading)
    return cv2.resize(shading, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:camera.size, :camera.size]


@compiled
def _shade_room(prims, groups, camera, lamp, wall, step, shading):
    """Writes the remaining light at the centre of every block of step x step pixels into `shading`."""
    size = len(shading)
    across, up = _perpendicular_to(lamp)
    bounds = np.empty((len(prims), 3))  # circles in the plane perpendicular to the light: x, y, radius
    for i in range(len(prims)):
        half = 0.5 * prims[i, 12]
        x, y, z = prims[i, 9] + half * prims[i, 3], prims[i, 10] + half * prims[i, 4], prims[i, 11] + half * prims[i, 5]
        wide = 1.0 / math.sqrt(min(prims[i, 15], min(prims[i, 16], prims[i, 17])))
        bounds[i] = (_dot(across, x, y, z), _dot(up, x, y, z), half + wide * max(prims[i, 13], prims[i, 14]))
    to_wall = camera[2] + wall
    for row in range(size):
        down = ((row + 0.5) * step - camera[5]) / camera[3]
        floor = down > 0 and camera[1] / down < to_wall
        depth = camera[1] / down if floor else to_wall
        y, z = camera[1] - down * depth, camera[2] - depth
        key = KEY * (lamp[1] if floor else lamp[2])
        for column in range(size):
            x = camera[0] + ((column + 0.5) * step - camera[4]) / camera[3] * depth
            a, b = _dot(across, x, y, z), _dot(up, x, y, z)
            lit, bare = 1.0, 1.0
            group, shade, near = -1, 0.0, 0.0
            for i in range(len(prims)):
                if groups[i] != group:
                    lit, bare = lit * (1.0 - shade), bare * (1.0 - near)
                    group, shade, near = groups[i], 0.0, 0.0
                near = max(near, _ambient_occlusion(x, y, z, floor, prims, i))
                reach = bounds[i, 2] + 2.5 * LAMP_RADIUS
                if (bounds[i, 0] - a) ** 2 + (bounds[i, 1] - b) ** 2 < reach * reach:
                    shade = max(shade, _lamp_occlusion(x, y, z, lamp, prims, i))
            shading[row, column] = 1.0 - key * (1.0 - lit * (1.0 - shade)) - FILL * (1.0 - bare * (1.0 - near))


@compiled
def _dot(way, x, y, z):
    return way[0] * x + way[1] * y + way[2] * z


@compiled
def _perpendicular_to(lamp):
    """Two unit vectors perpendicular to the lamp's direction and to each other."""
    size = math.sqrt(lamp[0] ** 2 + lamp[2] ** 2)
    across = (lamp[2] / size, 0.0, -lamp[0] / size)
    return across, (lamp[1] * across[2], lamp[2] * across[0] - lamp[0] * across[2], -lamp[1] * across[0])


@compiled
def _lamp_occlusion(x, y, z, lamp, prims, i):
    """The fraction of the lamp's disc that a primitive hides from a point; the primitive is treated as a strip."""
    px, py, pz = x - prims[i, 9], y - prims[i, 10], z - prims[i, 11]
    qx = prims[i, 0] * px + prims[i, 1] * py + prims[i, 2] * pz  # the ray in the primitive's scaled space
    qy = prims[i, 3] * px + prims[i, 4] * py + prims[i, 5] * pz
    qz = prims[i, 6] * px + prims[i, 7] * py + prims[i, 8] * pz
    nx = prims[i, 0] * lamp[0] + prims[i, 1] * lamp[1] + prims[i, 2] * lamp[2]
    ny = prims[i, 3] * lamp[0] + prims[i, 4] * lamp[1] + prims[i, 5] * lamp[2]
    nz = prims[i, 6] * lamp[0] + prims[i, 7] * lamp[1] + prims[i, 8] * lamp[2]
    pace = math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx / pace, ny / pace, nz / pace
    on = 0.0  # the point on the primitive's axis that is nearest to the ray
    if prims[i, 12] > 0.0:
        on = (qy - (qx * nx + qy * ny + qz * nz) * ny) / (1.0 - ny * ny + 1e-9)
        on = min(max(on, 0.0), prims[i, 12])
    wx, wy, wz = -qx, on - qy, -qz
    along = wx * nx + wy * ny + wz * nz
    if along <= 0.0:
        return 0.0  # the primitive is behind the surface
    wx, wy, wz = wx - along * nx, wy - along * ny, wz - along * nz
    square = wx * wx + wy * wy + wz * wz + 1e-12
    metres = math.sqrt(square / (wx * wx * prims[i, 15] + wy * wy * prims[i, 16] + wz * wz * prims[i, 17] + 1e-12))
    radius = prims[i, 13] + (prims[i, 14] - prims[i, 13]) * on / max(prims[i, 12], 1e-9)
    off, soft = math.sqrt(square), LAMP_RADIUS * along / pace + 1e-3
    return _disc_beyond_edge((off - radius) * metres / soft) - _disc_beyond_edge((off + radius) * metres / soft)


@compiled
def _disc_beyond_edge(edge):
    """The approximate fraction of a unit disc beyond a straight edge, `edge` from its centre."""
    fraction = min(max(0.5 - 0.5 * edge, 0.0), 1.0)
    return fraction * fraction * (3.0 - 2.0 * fraction)


@compiled
def _ambient_occlusion(x, y, z, floor, prims, i):
    """The fraction of ambient light that a primitive occludes: the form factor of a sphere at its nearest point."""
    px, py, pz = x - prims[i, 9], y - prims[i, 10], z - prims[i, 11]
    on = min(max(prims[i, 3] * px + prims[i, 4] * py + prims[i, 5] * pz, 0.0), prims[i, 12])
    px, py, pz = on * prims[i, 3] - px, on * prims[i, 4] - py, on * prims[i, 5] - pz
    radius = prims[i, 13] + (prims[i, 14] - prims[i, 13]) * on / max(prims[i, 12], 1e-9)
    if prims[i, 12] == 0.0:
        radius = (prims[i, 15] * prims[i, 16] * prims[i, 17]) ** (-1.0 / 6.0)  # of a sphere of the same volume
    square = px * px + py * py + pz * pz + 1e-9
    height = py if floor else pz
    return min(1.0, radius * radius * max(height, 0.0) / (square * math.sqrt(square)))
