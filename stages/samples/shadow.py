"""The soft shadow that bodies cast on the floor, of spheres strung along their primitives. Compiled."""

import math

import numpy as np

from stages.samples.field import compiled

DARKEST = 0.42  # share of its light that the floor loses at most
CASTERS = np.array([0, 1, 3, 4, 7, 8, 9, 10])  # groups of a body whose shadow is worth seeing: not hands, not hair


@compiled
def cast(rows, camera, lamp, kept):
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
            kept[row, column] = 1 - DARKEST * (1 - light)
