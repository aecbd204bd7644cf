"""Signed distance field of a posed body, and sphere tracing through it. Compiled with numba; all lengths in metres.

`prims`, `blend` and `labels` are the arrays `primitives`, `blend` and `labels` of body.PosedBody. `index[:count]`
selects the primitives to evaluate; those of one group are consecutive.
"""

import hashlib
import math
import os
from pathlib import Path

import numba

# numba's cache only notices changes in the file that defines a function, not in the functions that it calls.
# The cache folder is therefore named after a hash of all code of this package.
_here = Path(__file__).parent
_code = b"".join(path.read_bytes() for path in sorted(_here.glob("*.py")))
_root = Path(os.environ.get("NUMBA_CACHE_DIR") or _here / "__pycache__")
numba.config.CACHE_DIR = str(_root / f"numba-{hashlib.sha256(_code).hexdigest()[:16]}")

MISS = 1e9
compiled = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")


@compiled
def _primitive_distance(x, y, z, prims, i):
    """Distance to one primitive; the point relative to its axis in scaled space (3); squared gradient times squared
    length of that vector."""
    dx, dy, dz = x - prims[i, 9], y - prims[i, 10], z - prims[i, 11]
    qx = prims[i, 0] * dx + prims[i, 1] * dy + prims[i, 2] * dz
    qy = prims[i, 3] * dx + prims[i, 4] * dy + prims[i, 5] * dz
    qz = prims[i, 6] * dx + prims[i, 7] * dy + prims[i, 8] * dz
    radius = prims[i, 13]
    length = prims[i, 12]
    if length > 0.0:
        along = min(max(qy, 0.0), length)
        qy -= along
        radius += (prims[i, 14] - radius) * along / length
    square = qx * qx + qy * qy + qz * qz + 1e-12
    slope = qx * qx * prims[i, 15] + qy * qy * prims[i, 16] + qz * qz * prims[i, 17] + 1e-12
    # value / |gradient|: first-order approximation of the distance, also for scaled primitives
    return (math.sqrt(square) - radius) * math.sqrt(square / slope), qx, qy, qz, slope


@compiled
def distance(x, y, z, prims, blend, labels, index, count):
    """Signed distance to the surface, and the index of the nearest primitive in the nearest group.

    Primitives of one group are joined by a smooth minimum, groups by a plain minimum.
    """
    best, winner = MISS, -1
    group, group_distance, nearest, candidate = -1, MISS, MISS, -1
    for j in range(count):
        i = index[j]
        if labels[i, 0] != group:
            if group_distance < best:
                best, winner = group_distance, candidate
            group, group_distance, nearest, candidate = labels[i, 0], MISS, MISS, -1
        own = _primitive_distance(x, y, z, prims, i)[0]
        if own < nearest:
            nearest, candidate = own, i
        overlap = blend[i] - abs(group_distance - own)
        group_distance = min(group_distance, own)
        if overlap > 0.0:
            group_distance -= overlap * overlap / (4.0 * blend[i])
    if group_distance < best:
        best, winner = group_distance, candidate
    return best, winner


@compiled
def sphere_trace(ox, oy, oz, dx, dy, dz, near, far, prims, blend, labels, index, count):
    """Traces a ray between the distances `near` and `far`.

    Returns (distance of the hit, primitive, 0) or, for a miss, (distance at which the ray passes closest, -1, gap to
    the surface there divided by that distance).
    """
    t, closest, where = near, MISS, near
    for _ in range(96):
        gap, winner = distance(ox + t * dx, oy + t * dy, oz + t * dz, prims, blend, labels, index, count)
        if gap < closest * t:
            closest, where = gap / t, t
        if gap < 2e-4:
            return t, winner, 0.0
        t += max(0.92 * gap, 1.5e-3)  # an invisibly small minimum step, so that grazing rays advance
        if t > far:
            break
    return where, -1, closest


@compiled
def normal(x, y, z, prims, blend, labels, index, count):
    """Unit surface normal at a point near the surface: the gradient of `distance`."""
    best, bx, by, bz = MISS, 0.0, 0.0, 1.0
    group, group_distance, gx, gy, gz = -1, MISS, 0.0, 0.0, 1.0
    for j in range(count):
        i = index[j]
        if labels[i, 0] != group:
            if group_distance < best:
                best, bx, by, bz = group_distance, gx, gy, gz
            group, group_distance, gx, gy, gz = labels[i, 0], MISS, 0.0, 0.0, 1.0
        own, qx, qy, qz, slope = _primitive_distance(x, y, z, prims, i)
        overlap = blend[i] - abs(group_distance - own)
        fraction = 0.0 if own > group_distance else 1.0
        if overlap > 0.0:
            fraction += (0.5 - fraction) * overlap / blend[i]
        group_distance = min(group_distance, own)
        if overlap > 0.0:
            group_distance -= overlap * overlap / (4.0 * blend[i])
        if fraction > 0.0:
            size = fraction / math.sqrt(slope)
            keep = 1.0 - fraction
            gx = keep * gx + size * (prims[i, 0] * qx + prims[i, 3] * qy + prims[i, 6] * qz)
            gy = keep * gy + size * (prims[i, 1] * qx + prims[i, 4] * qy + prims[i, 7] * qz)
            gz = keep * gz + size * (prims[i, 2] * qx + prims[i, 5] * qy + prims[i, 8] * qz)
    if group_distance < best:
        bx, by, bz = gx, gy, gz
    size = math.sqrt(bx * bx + by * by + bz * bz) + 1e-12
    return bx / size, by / size, bz / size
