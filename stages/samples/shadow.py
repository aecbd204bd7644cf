"""The shadows that bodies cast. Compiled. `cast`: a soft one on the floor, of spheres strung along their primitives.
`cast_near`: those of a small lamp, on the floor and on a wall close behind, and the darkness where bodies stand.
"""

import math

import cv2
import numpy as np

from stages.samples.scene import Camera
from stages.samples.signed_distance import compiled

MAX_DARKENING = 0.42  # share of its light that the floor loses at most
LAMP_RADIUS = 0.05     # tangent of the angular radius of the small lamp: what is a metre away has a shadow soft over 10 cm
KEY = 0.55      # share of the light on a surface that faces the lamp which comes from it
FILL = 0.40     # share that comes from everywhere, and that a body takes away where it is near
CASTER_GROUPS = np.array([0, 1, 3, 4, 7, 8, 9, 10])  # groups of a body whose shadow is worth seeing: not hands, not hair


@compiled
def cast_floor_shadow(rows, camera, lamp, kept):
    """Writes the floor's share of light into `kept` (S, S); the higher what is above, the softer."""
    size, count = len(kept), 0
    balls = np.empty((3 * len(rows), 4))
    for i in range(len(rows)):
        wide = math.sqrt(1.0 / min(rows[i, 15], rows[i, 17]))
        for part in range(3 if rows[i, 12] > 0 else 1):
            along = rows[i, 12] * 0.5 * part
            for axis in range(3):
                balls[count, axis] = rows[i, 9 + axis] + along * rows[i, 3 + axis] * (rows[i, 12] > 0)
            balls[count, 3] = wide * (rows[i, 13] + (rows[i, 14] - rows[i, 13]) * 0.5 * part)
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
                cx, cy, cz, radius = balls[i, 0] - x, balls[i, 1], balls[i, 2] - z, balls[i, 3]
                s = cx * lamp[0] + cy * lamp[1] + cz * lamp[2]
                off = cx * cx + cy * cy + cz * cz - s * s
                soft = 0.02 + 0.16 * s
                if off < (radius + soft) ** 2:
                    reach = min(1.0, (radius + soft - math.sqrt(max(off, 0.0))) / (2 * soft))
                    light *= 1 - 0.30 * reach * reach * min(1.0, (radius / soft) ** 1.5)
            kept[row, column] = 1 - MAX_DARKENING * (1 - light)


def shade_room(rows, groups, camera: Camera, lamp, wall: float) -> np.ndarray:
    """The share of light that the floor and a wall `wall` metres behind the spot keep, (S, S): told for every second
    pixel, as it is soft, and interpolated.

    `groups` (n,): primitives of one group, side by side, overlap each other; those of different groups do not.
    """
    kept = np.ones(((camera.size + 1) // 2,) * 2)
    _shade_room(rows, groups, camera.packed(), lamp, wall, 2, kept)
    return cv2.resize(kept, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:camera.size, :camera.size]


@compiled
def _shade_room(rows, groups, camera, lamp, wall, step, kept):
    """Writes what is kept in the middle of every step x step pixels."""
    size = len(kept)
    across, up = _perpendicular_to(lamp)
    bounds = np.empty((len(rows), 3))  # a circle in the plane square to the light: place, radius without penumbra
    for i in range(len(rows)):
        half = 0.5 * rows[i, 12]
        x, y, z = rows[i, 9] + half * rows[i, 3], rows[i, 10] + half * rows[i, 4], rows[i, 11] + half * rows[i, 5]
        wide = 1.0 / math.sqrt(min(rows[i, 15], min(rows[i, 16], rows[i, 17])))
        bounds[i] = (_dot(across, x, y, z), _dot(up, x, y, z), half + wide * max(rows[i, 13], rows[i, 14]))
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
            for i in range(len(rows)):
                if groups[i] != group:
                    lit, bare = lit * (1.0 - shade), bare * (1.0 - near)
                    group, shade, near = groups[i], 0.0, 0.0
                near = max(near, _ambient_occlusion(x, y, z, floor, rows, i))
                reach = bounds[i, 2] + 2.5 * LAMP_RADIUS
                if (bounds[i, 0] - a) ** 2 + (bounds[i, 1] - b) ** 2 < reach * reach:
                    shade = max(shade, _lamp_occlusion(x, y, z, lamp, rows, i))
            kept[row, column] = 1.0 - key * (1.0 - lit * (1.0 - shade)) - FILL * (1.0 - bare * (1.0 - near))


@compiled
def _dot(way, x, y, z):
    return way[0] * x + way[1] * y + way[2] * z


@compiled
def _perpendicular_to(lamp):
    """Two unit vectors square to the lamp's direction and to each other."""
    size = math.sqrt(lamp[0] ** 2 + lamp[2] ** 2)
    across = (lamp[2] / size, 0.0, -lamp[0] / size)
    return across, (lamp[1] * across[2], lamp[2] * across[0] - lamp[0] * across[2], -lamp[1] * across[0])


@compiled
def _lamp_occlusion(x, y, z, lamp, rows, i):
    """The share of the lamp's disc that a primitive hides from a point: that of a strip as wide as it is."""
    px, py, pz = x - rows[i, 9], y - rows[i, 10], z - rows[i, 11]
    qx = rows[i, 0] * px + rows[i, 1] * py + rows[i, 2] * pz  # the ray in the primitive's scaled space
    qy = rows[i, 3] * px + rows[i, 4] * py + rows[i, 5] * pz
    qz = rows[i, 6] * px + rows[i, 7] * py + rows[i, 8] * pz
    nx = rows[i, 0] * lamp[0] + rows[i, 1] * lamp[1] + rows[i, 2] * lamp[2]
    ny = rows[i, 3] * lamp[0] + rows[i, 4] * lamp[1] + rows[i, 5] * lamp[2]
    nz = rows[i, 6] * lamp[0] + rows[i, 7] * lamp[1] + rows[i, 8] * lamp[2]
    pace = math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx / pace, ny / pace, nz / pace
    on = 0.0  # the place on the primitive's axis that the ray passes nearest
    if rows[i, 12] > 0.0:
        on = (qy - (qx * nx + qy * ny + qz * nz) * ny) / (1.0 - ny * ny + 1e-9)
        on = min(max(on, 0.0), rows[i, 12])
    wx, wy, wz = -qx, on - qy, -qz
    along = wx * nx + wy * ny + wz * nz
    if along <= 0.0:
        return 0.0  # behind the surface
    wx, wy, wz = wx - along * nx, wy - along * ny, wz - along * nz
    square = wx * wx + wy * wy + wz * wz + 1e-12
    metres = math.sqrt(square / (wx * wx * rows[i, 15] + wy * wy * rows[i, 16] + wz * wz * rows[i, 17] + 1e-12))
    radius = rows[i, 13] + (rows[i, 14] - rows[i, 13]) * on / max(rows[i, 12], 1e-9)
    off, soft = math.sqrt(square), LAMP_RADIUS * along / pace + 1e-3
    return _disc_beyond_edge((off - radius) * metres / soft) - _disc_beyond_edge((off + radius) * metres / soft)


@compiled
def _disc_beyond_edge(edge):
    """The share of a disc of radius 1 beyond a straight edge, `edge` from its centre."""
    share = min(max(0.5 - 0.5 * edge, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


@compiled
def _ambient_occlusion(x, y, z, floor, rows, i):
    """The share of the sky over a point that a primitive takes: the form factor of a sphere at its nearest place."""
    px, py, pz = x - rows[i, 9], y - rows[i, 10], z - rows[i, 11]
    on = min(max(rows[i, 3] * px + rows[i, 4] * py + rows[i, 5] * pz, 0.0), rows[i, 12])
    px, py, pz = on * rows[i, 3] - px, on * rows[i, 4] - py, on * rows[i, 5] - pz
    radius = rows[i, 13] + (rows[i, 14] - rows[i, 13]) * on / max(rows[i, 12], 1e-9)
    if rows[i, 12] == 0.0:
        radius = (rows[i, 15] * rows[i, 16] * rows[i, 17]) ** (-1.0 / 6.0)  # of the sphere of the ellipsoid's volume
    square = px * px + py * py + pz * pz + 1e-9
    height = py if floor else pz
    return min(1.0, radius * radius * max(height, 0.0) / (square * math.sqrt(square)))
