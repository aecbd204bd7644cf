"""Renderer: sphere tracing of posed bodies, tile by tile, with anti-aliasing, and their shadows on the room.

Each 8 x 8 tile is traced against only the primitives that overlap it. A pixel gets one sample, or a grid of samples at
silhouettes, creases and texture edges. Alpha is the fraction of samples that hit the body.
"""

import math

import numpy as np

from stages.samples.body import PosedBody
from stages.samples.scene import Camera
from stages.samples.shadow import CASTER_GROUPS, cast_floor_shadow, shade_room
from stages.samples.signed_distance import MISS, compiled, normal, sphere_trace
from stages.samples.textures import texture_colour

TILE = 8
GRID = 4        # samples per side at a silhouette
INNER_GRID = 3  # samples per side at an edge inside the body
SILHOUETTE_OFFSETS, INNER_OFFSETS = (  # positions of the samples in a pixel, corners first
    np.array(sorted((((i + 0.5) / n, (j + 0.5) / n) for j in range(n) for i in range(n)),
                    key=lambda offset: -abs(offset[0] - 0.5) - abs(offset[1] - 0.5))) for n in (GRID, INNER_GRID))


def draw(bodies: list[PosedBody], camera: Camera, light: tuple[float, float, float], wall: float | None = None
         ) -> tuple[np.ndarray, ...]:
    """Renders bodies: RGB (S, S, 3) in [0, 1], alpha of each body (S, S, bodies), and the fraction of light that the
    room keeps (S, S).

    light: direction to the lamp. wall: distance of the wall behind the person in metres, if it is close enough to
    receive shadows; None: shadows fall on the floor only.
    """
    prims, blend, labels, bones, materials, faces = _concatenate(bodies)
    lamp = np.array(light) / np.linalg.norm(light)
    size = camera.size
    rgb, coverage, shading = np.zeros((size, size, 3)), np.zeros((size, size, len(bodies))), np.ones((size, size))
    capsules, depth_ranges = _screen_bounds(prims, blend, camera.packed())
    _render(prims, blend, labels, bones, materials, faces, capsules, depth_ranges, camera.packed(), lamp, rgb, coverage)
    if wall is None:
        cast_floor_shadow(prims[np.isin(labels[:, 4], CASTER_GROUPS)], camera.packed(), lamp, shading)
    else:
        shading = shade_room(prims, labels[:, 0], camera, lamp, wall)
    return rgb, coverage, shading


def visible(bodies: list[PosedBody], camera: Camera) -> list[np.ndarray]:
    """For each body, which of its points the camera sees, (NUM_POINTS,) bool: only the surface directly above
    a point lies in front of it."""
    prims, blend, labels, *_ = _concatenate(bodies)
    return [_visible_points(body.points, body.depths, prims, blend, labels, camera.eye) for body in bodies]


def _concatenate(bodies: list[PosedBody]):
    """All bodies as one set of primitives. Labels get three more columns: body, group and bone within the body."""
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
def _screen_bounds(prims, blend, camera):
    """Capsules that bound the primitives in the image (x, y, radius of both ends, pixels), and their depth ranges."""
    capsules, depth_ranges = np.empty((len(prims), 6)), np.empty((len(prims), 2))
    for i in range(len(prims)):
        wide = 1.0 / math.sqrt(min(prims[i, 15], min(prims[i, 16], prims[i, 17])))
        near, far = MISS, -MISS
        for end in range(2):
            along = prims[i, 12] * end
            radius = wide * prims[i, 13 + end] + blend[i]
            depth = camera[2] - (prims[i, 11] + along * prims[i, 5])
            capsules[i, 3 * end] = camera[4] + camera[3] / depth * (prims[i, 9] + along * prims[i, 3] - camera[0])
            capsules[i, 3 * end + 1] = camera[5] - camera[3] / depth * (prims[i, 10] + along * prims[i, 4] - camera[1])
            capsules[i, 3 * end + 2] = 1.03 * radius * camera[3] / max(depth - radius, 0.1)
            near, far = min(near, depth - radius), max(far, depth + radius)
        depth_ranges[i] = (near, far)
    return capsules, depth_ranges


@compiled
def _primitives_near(x, y, margin, capsules, depth_ranges, source, among, found):
    """Writes those of source[:among] within `margin` pixels of an image point to `found`; number and depth range."""
    count, near, far = 0, MISS, 0.0
    for j in range(among):
        i = source[j]
        ax, ay = capsules[i, 3] - capsules[i, 0], capsules[i, 4] - capsules[i, 1]
        bx, by = x - capsules[i, 0], y - capsules[i, 1]
        fraction = min(max((ax * bx + ay * by) / (ax * ax + ay * ay + 1e-9), 0.0), 1.0)
        bx, by = bx - fraction * ax, by - fraction * ay
        reach = margin + max(capsules[i, 2], capsules[i, 5])
        if bx * bx + by * by < reach * reach:
            found[count] = i
            count += 1
            near, far = min(near, depth_ranges[i, 0]), max(far, depth_ranges[i, 1])
    return count, near, far


@compiled
def _render(prims, blend, labels, bones, materials, faces, capsules, depth_ranges, camera, lamp, rgb, coverage):
    size = len(rgb)
    tiles = (size + TILE - 1) // TILE
    index = np.empty((tiles, tiles, len(prims)), np.int32)
    count = np.zeros((tiles, tiles), np.int32)
    depth, gaps = np.full((size, size), MISS), np.full((size, size), MISS)
    material_ids = np.full((size, size), -1)
    all_prims, scratch = np.arange(len(prims)).astype(np.int32), np.empty(len(prims), np.int32)
    for row in range(tiles):
        for column in range(tiles):
            count[row, column] = _primitives_near((column + 0.5) * TILE, (row + 0.5) * TILE, 0.71 * TILE, capsules,
                                                  depth_ranges, all_prims, len(prims), index[row, column])[0]
    for row in range(size):
        for column in range(size):
            tile = index[row // TILE, column // TILE]
            n, near, far = _primitives_near(column + 0.5, row + 0.5, 0.71, capsules, depth_ranges, tile,
                                            count[row // TILE, column // TILE], scratch)
            if n:
                ray_scale = _ray_length(column, row, camera)
                t, hit, closest, r, g, b = _shade_ray(column + 0.5, row + 0.5, prims, blend, labels, bones, materials,
                                                      faces, near * ray_scale, far * ray_scale, camera, lamp,
                                                      scratch, n)
                gaps[row, column] = closest * camera[3]
                if gaps[row, column] < 2.0:
                    depth[row, column] = t
                if hit >= 0:
                    material_ids[row, column] = labels[hit, 1]
                    rgb[row, column] = (r, g, b)
                    coverage[row, column, labels[hit, 3]] = 1.0
    first_pass = rgb.copy()
    for row in range(size):
        for column in range(size):
            tile, n = index[row // TILE, column // TILE], count[row // TILE, column // TILE]
            grid = _sample_grid(row, column, depth, gaps, material_ids, first_pass) if n else 1
            if grid > 1:
                n, near, far = _primitives_near(column + 0.5, row + 0.5, 0.71, capsules, depth_ranges, tile, n, scratch)
                ray_scale = _ray_length(column, row, camera)
                near = max(near * ray_scale, _min_depth(row, column, depth) - 0.04)  # start near the neighbours
                red, green, blue, hits, dark, bright = 0.0, 0.0, 0.0, 0, 3.0, 0.0
                coverage[row, column] = 0.0
                offsets = SILHOUETTE_OFFSETS if grid == GRID else INNER_OFFSETS
                num_samples = len(offsets)
                for s in range(len(offsets)):
                    u, v = offsets[s]
                    t, hit, closest, r, g, b = _shade_ray(column + u, row + v, prims, blend, labels, bones, materials,
                                                          faces, near, far * ray_scale, camera, lamp, scratch, n)
                    if hit >= 0:
                        red, green, blue, hits = red + r, green + g, blue + b, hits + 1
                        dark, bright = min(dark, r + g + b), max(bright, r + g + b)
                        coverage[row, column, labels[hit, 3]] += 1.0
                    if s == 3 and hits == 4 and bright - dark < 0.12:  # the corners are similar: no edge in this pixel
                        num_samples = 4
                        break
                coverage[row, column] /= num_samples
                if hits:
                    rgb[row, column] = (red / hits, green / hits, blue / hits)


@compiled
def _sample_grid(row, column, depth, gaps, material_ids, first_pass):
    """Samples per side for a pixel: GRID at a silhouette, INNER_GRID at a crease or texture edge, else 1."""
    own = material_ids[row, column]
    if own < 0 and gaps[row, column] < 0.72:
        return GRID
    size, grid = len(depth), 1
    for v in range(max(row - 1, 0), min(row + 2, size)):
        for u in range(max(column - 1, 0), min(column + 2, size)):
            if (material_ids[v, u] < 0) != (own < 0):
                return GRID
            if own >= 0 and (material_ids[v, u] != own or abs(depth[v, u] - depth[row, column]) > 0.05
                             or _colour_difference(first_pass[v, u], first_pass[row, column]) > 0.16):
                grid = INNER_GRID
    return grid


@compiled
def _min_depth(row, column, depth):
    """The smallest depth in the 3 x 3 neighbourhood of a pixel; 0 if there is none."""
    size, least = len(depth), MISS
    for v in range(max(row - 1, 0), min(row + 2, size)):
        for u in range(max(column - 1, 0), min(column + 2, size)):
            least = min(least, depth[v, u])
    return least if least < MISS else 0.0


@compiled
def _ray_length(column, row, camera):
    """Length of the ray through a pixel per unit of depth along the camera's axis."""
    x, y = (column + 0.5 - camera[4]) / camera[3], (row + 0.5 - camera[5]) / camera[3]
    return math.sqrt(x * x + y * y + 1.0)


@compiled
def _colour_difference(a, b):
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2])


@compiled
def _shade_ray(px, py, prims, blend, labels, bones, materials, faces, near, far, camera, lamp, index, count):
    """Traces and shades the ray through an image point: distance, primitive and gap (as sphere_trace), colour."""
    dx, dy, dz = (px - camera[4]) / camera[3], (camera[5] - py) / camera[3], -1.0
    length = math.sqrt(dx * dx + dy * dy + 1.0)
    dx, dy, dz = dx / length, dy / length, dz / length
    t, hit, closest = sphere_trace(camera[0], camera[1], camera[2], dx, dy, dz, near, far,
                            prims, blend, labels, index, count)
    if hit < 0:
        return t, hit, closest, 0.0, 0.0, 0.0
    x, y, z = camera[0] + t * dx, camera[1] + t * dy, camera[2] + t * dz
    nx, ny, nz = normal(x, y, z, prims, blend, labels, index, count)
    material, bone, body = materials[labels[hit, 1]], bones[labels[hit, 2]], labels[hit, 3]
    ax, ay, az = x - bone[0], y - bone[1], z - bone[2]
    r, g, b = texture_colour(
        material, bone[3] * ax + bone[6] * ay + bone[9] * az, bone[4] * ax + bone[7] * ay + bone[10] * az,
        bone[5] * ax + bone[8] * ay + bone[11] * az, labels[hit, 5], bone[12], bone[13], faces[body])

    facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
    lit = max(0.0, 0.75 * facing + 0.25)  # wrapped diffuse light, as from a large lamp
    sky = 0.5 + 0.5 * ny
    toward = -(nx * dx + ny * dy + nz * dz)
    glow = 0.44 + 0.12 * sky + 0.16 * max(0.0, toward) + 0.40 * lit
    hx, hy, hz = lamp[0] - dx, lamp[1] - dy, lamp[2] - dz
    half = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
    shine = material[8] * max(0.0, half) ** 24
    return t, hit, 0.0, min(1.0, r * glow + shine), min(1.0, g * glow * 0.99 + shine), min(1.0, b * glow * 0.98 + shine)


@compiled
def _visible_points(points, depths, prims, blend, labels, eye):
    seen = np.zeros(len(points), np.bool_)
    index = np.arange(len(prims)).astype(np.int32)
    for i in range(len(points)):
        dx, dy, dz = points[i, 0] - eye[0], points[i, 1] - eye[1], points[i, 2] - eye[2]
        reach = math.sqrt(dx * dx + dy * dy + dz * dz)
        t, hit, _ = sphere_trace(eye[0], eye[1], eye[2], dx / reach, dy / reach, dz / reach, 0.6 * reach, reach,
                                 prims, blend, labels, index, len(prims))
        seen[i] = hit < 0 or t >= reach - depths[i]
    return seen
