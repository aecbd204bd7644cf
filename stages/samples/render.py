"""Draws bodies: sphere tracing tile by tile, anti-aliased where edges are, and their soft shadow on the floor.

Every 8 x 8 tile is traced against the primitives that reach into it only. One sample a pixel, a grid of
samples where a silhouette, a crease or an edge of a pattern passes: alpha is the share of samples that hit.
"""

import math

import numpy as np

from stages.samples.body import PosedBody
from stages.samples.scene import Camera
from stages.samples.shadow import CASTER_GROUPS, cast_floor_shadow, shade_room
from stages.samples.signed_distance import MISS, compiled, normal, sphere_trace
from stages.samples.textures import texture_colour

TILE = 8
GRID = 4        # samples a side at a silhouette
INNER_GRID = 3  # at an edge inside
SILHOUETTE_OFFSETS, INNER_OFFSETS = (  # where the samples lie in a pixel, the corners first
    np.array(sorted((((i + 0.5) / n, (j + 0.5) / n) for j in range(n) for i in range(n)),
                    key=lambda place: -abs(place[0] - 0.5) - abs(place[1] - 0.5))) for n in (GRID, INNER_GRID))


def draw(bodies: list[PosedBody], camera: Camera, light: tuple[float, float, float], wall: float | None = None
         ) -> tuple[np.ndarray, ...]:
    """RGB (S, S, 3) in [0, 1], the share of each pixel that each body covers (S, S, bodies), and what the room keeps
    of its light (S, S). wall: metres behind the spot to a wall close enough to catch the shadow, too."""
    rows, blend, labels, bones, materials, faces = _concatenate(bodies)
    lamp = np.array(light) / np.linalg.norm(light)
    size = camera.size
    rgb, cover, kept = np.zeros((size, size, 3)), np.zeros((size, size, len(bodies))), np.ones((size, size))
    spots, spans = _screen_bounds(rows, blend, camera.packed())
    _render(rows, blend, labels, bones, materials, faces, spots, spans, camera.packed(), lamp, rgb, cover)
    if wall is None:
        cast_floor_shadow(rows[np.isin(labels[:, 4], CASTER_GROUPS)], camera.packed(), lamp, kept)
    else:
        kept = shade_room(rows, labels[:, 0], camera, lamp, wall)
    return rgb, cover, kept


def visible(bodies: list[PosedBody], camera: Camera) -> list[np.ndarray]:
    """For each body, which of its points the camera sees: nothing in front but their own flesh."""
    rows, blend, labels, *_ = _concatenate(bodies)
    return [_visible_points(body.points, body.depths, rows, blend, labels, camera.eye) for body in bodies]


def _concatenate(bodies: list[PosedBody]):
    """The bodies as one set of primitives; labels gain the body's number, and the group and bone within the body."""
    labels, groups, materials, bones = [], 0, 0, 0
    for number, body in enumerate(bodies):
        own = body.labels + np.array([groups, materials, bones])
        labels.append(np.column_stack([own, np.full(len(own), number), body.labels[:, [0, 2]]]))
        groups += body.labels[:, 0].max() + 1
        materials, bones = materials + len(body.materials), bones + len(body.bones)
    stack = lambda name: np.concatenate([getattr(body, name) for body in bodies])
    return (stack("primitives"), stack("blend"), np.concatenate(labels), stack("bones"), stack("materials"),
            np.stack([body.face for body in bodies]))


@compiled
def _screen_bounds(rows, blend, camera):
    """Each primitive's capsule in the picture (x, y, radius of both ends, pixels), and its span of depth."""
    spots, spans = np.empty((len(rows), 6)), np.empty((len(rows), 2))
    for i in range(len(rows)):
        wide = 1.0 / math.sqrt(min(rows[i, 15], min(rows[i, 16], rows[i, 17])))
        near, far = MISS, -MISS
        for end in range(2):
            along = rows[i, 12] * end
            radius = wide * rows[i, 13 + end] + blend[i]
            depth = camera[2] - (rows[i, 11] + along * rows[i, 5])
            spots[i, 3 * end] = camera[4] + camera[3] / depth * (rows[i, 9] + along * rows[i, 3] - camera[0])
            spots[i, 3 * end + 1] = camera[5] - camera[3] / depth * (rows[i, 10] + along * rows[i, 4] - camera[1])
            spots[i, 3 * end + 2] = 1.03 * radius * camera[3] / max(depth - radius, 0.1)
            near, far = min(near, depth - radius), max(far, depth + radius)
        spans[i] = (near, far)
    return spots, spans


@compiled
def _primitives_near(x, y, margin, spots, spans, source, among, found):
    """Which of source[:among] come within `margin` pixels of a point of the picture; their number and span of depth."""
    count, near, far = 0, MISS, 0.0
    for j in range(among):
        i = source[j]
        ax, ay = spots[i, 3] - spots[i, 0], spots[i, 4] - spots[i, 1]
        bx, by = x - spots[i, 0], y - spots[i, 1]
        share = min(max((ax * bx + ay * by) / (ax * ax + ay * ay + 1e-9), 0.0), 1.0)
        bx, by = bx - share * ax, by - share * ay
        reach = margin + max(spots[i, 2], spots[i, 5])
        if bx * bx + by * by < reach * reach:
            found[count] = i
            count += 1
            near, far = min(near, spans[i, 0]), max(far, spans[i, 1])
    return count, near, far


@compiled
def _render(rows, blend, labels, bones, materials, faces, spots, spans, camera, lamp, rgb, cover):
    size = len(rgb)
    tiles = (size + TILE - 1) // TILE
    index = np.empty((tiles, tiles, len(rows)), np.int32)
    count = np.zeros((tiles, tiles), np.int32)
    depth, close = np.full((size, size), MISS), np.full((size, size), MISS)
    what = np.full((size, size), -1)
    everything, here = np.arange(len(rows)).astype(np.int32), np.empty(len(rows), np.int32)
    for row in range(tiles):
        for column in range(tiles):
            count[row, column] = _primitives_near((column + 0.5) * TILE, (row + 0.5) * TILE, 0.71 * TILE, spots, spans,
                                           everything, len(rows), index[row, column])[0]
    for row in range(size):
        for column in range(size):
            tile = index[row // TILE, column // TILE]
            n, near, far = _primitives_near(column + 0.5, row + 0.5, 0.71, spots, spans, tile,
                                     count[row // TILE, column // TILE], here)
            if n:
                slant = _ray_length(column, row, camera)
                t, hit, closest, r, g, b = _shade_ray(column + 0.5, row + 0.5, rows, blend, labels, bones, materials, faces,
                                                   near * slant, far * slant, camera, lamp, here, n)
                close[row, column] = closest * camera[3]
                if close[row, column] < 2.0:
                    depth[row, column] = t
                if hit >= 0:
                    what[row, column] = labels[hit, 1]
                    rgb[row, column] = (r, g, b)
                    cover[row, column, labels[hit, 3]] = 1.0
    flat = rgb.copy()
    for row in range(size):
        for column in range(size):
            tile, n = index[row // TILE, column // TILE], count[row // TILE, column // TILE]
            grid = _sample_grid(row, column, depth, close, what, flat) if n else 1
            if grid > 1:
                n, near, far = _primitives_near(column + 0.5, row + 0.5, 0.71, spots, spans, tile, n, here)
                slant = _ray_length(column, row, camera)
                near = max(near * slant, _min_depth(row, column, depth) - 0.04)  # where the neighbours met or grazed it
                red, green, blue, hits, dark, bright = 0.0, 0.0, 0.0, 0, 3.0, 0.0
                cover[row, column] = 0.0
                places = SILHOUETTE_OFFSETS if grid == GRID else INNER_OFFSETS
                taken = len(places)
                for s in range(len(places)):
                    u, v = places[s]
                    t, hit, closest, r, g, b = _shade_ray(column + u, row + v, rows, blend, labels, bones, materials, faces,
                                                       near, far * slant, camera, lamp, here, n)
                    if hit >= 0:
                        red, green, blue, hits = red + r, green + g, blue + b, hits + 1
                        dark, bright = min(dark, r + g + b), max(bright, r + g + b)
                        cover[row, column, labels[hit, 3]] += 1.0
                    if s == 3 and hits == 4 and bright - dark < 0.12:  # the corners agree: nothing passes through
                        taken = 4
                        break
                cover[row, column] /= taken
                if hits:
                    rgb[row, column] = (red / hits, green / hits, blue / hits)


@compiled
def _sample_grid(row, column, depth, close, what, flat):
    """How many samples a side a pixel needs: most at a silhouette, fewer at a crease or a pattern's edge, else one."""
    mine = what[row, column]
    if mine < 0 and close[row, column] < 0.72:
        return GRID
    size, grid = len(depth), 1
    for v in range(max(row - 1, 0), min(row + 2, size)):
        for u in range(max(column - 1, 0), min(column + 2, size)):
            if (what[v, u] < 0) != (mine < 0):
                return GRID
            if mine >= 0 and (what[v, u] != mine or abs(depth[v, u] - depth[row, column]) > 0.05 or _colour_difference(
                    flat[v, u], flat[row, column]) > 0.16):
                grid = INNER_GRID
    return grid


@compiled
def _min_depth(row, column, depth):
    """The least depth in a pixel's neighbourhood."""
    size, least = len(depth), MISS
    for v in range(max(row - 1, 0), min(row + 2, size)):
        for u in range(max(column - 1, 0), min(column + 2, size)):
            least = min(least, depth[v, u])
    return least if least < MISS else 0.0


@compiled
def _ray_length(column, row, camera):
    """How much longer the way through a pixel is than its depth along the camera's axis."""
    x, y = (column + 0.5 - camera[4]) / camera[3], (row + 0.5 - camera[5]) / camera[3]
    return math.sqrt(x * x + y * y + 1.0)


@compiled
def _colour_difference(a, b):
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2])


@compiled
def _shade_ray(px, py, rows, blend, labels, bones, materials, faces, near, far, camera, lamp, index, count):
    """What the ray through a point of the picture meets: distance, primitive, nearness, colour."""
    dx, dy, dz = (px - camera[4]) / camera[3], (camera[5] - py) / camera[3], -1.0
    length = math.sqrt(dx * dx + dy * dy + 1.0)
    dx, dy, dz = dx / length, dy / length, dz / length
    t, hit, closest = sphere_trace(camera[0], camera[1], camera[2], dx, dy, dz, near, far,
                            rows, blend, labels, index, count)
    if hit < 0:
        return t, hit, closest, 0.0, 0.0, 0.0
    x, y, z = camera[0] + t * dx, camera[1] + t * dy, camera[2] + t * dz
    nx, ny, nz = normal(x, y, z, rows, blend, labels, index, count)
    material, bone, body = materials[labels[hit, 1]], bones[labels[hit, 2]], labels[hit, 3]
    ax, ay, az = x - bone[0], y - bone[1], z - bone[2]
    r, g, b = texture_colour(
        material, bone[3] * ax + bone[6] * ay + bone[9] * az, bone[4] * ax + bone[7] * ay + bone[10] * az,
        bone[5] * ax + bone[8] * ay + bone[11] * az, labels[hit, 5], bone[12], bone[13], faces[body])

    facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
    lit = max(0.0, 0.75 * facing + 0.25)  # light wraps a little, as it does from a large lamp
    sky = 0.5 + 0.5 * ny
    toward = -(nx * dx + ny * dy + nz * dz)
    glow = 0.44 + 0.12 * sky + 0.16 * max(0.0, toward) + 0.40 * lit
    hx, hy, hz = lamp[0] - dx, lamp[1] - dy, lamp[2] - dz
    half = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
    shine = material[8] * max(0.0, half) ** 24
    return t, hit, 0.0, min(1.0, r * glow + shine), min(1.0, g * glow * 0.99 + shine), min(1.0, b * glow * 0.98 + shine)


@compiled
def _visible_points(points, depths, rows, blend, labels, eye):
    seen = np.zeros(len(points), np.bool_)
    index = np.arange(len(rows)).astype(np.int32)
    for i in range(len(points)):
        dx, dy, dz = points[i, 0] - eye[0], points[i, 1] - eye[1], points[i, 2] - eye[2]
        reach = math.sqrt(dx * dx + dy * dy + dz * dz)
        t, hit, _ = sphere_trace(eye[0], eye[1], eye[2], dx / reach, dy / reach, dz / reach, 0.6 * reach, reach, rows, blend,
                          labels, index, len(rows))
        seen[i] = hit < 0 or t >= reach - depths[i]
    return seen
