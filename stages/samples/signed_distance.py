"""The signed distance to melted primitives, and sphere tracing through it. Compiled; metres throughout.

`rows`, `blend` and `labels` are those of body.Posed; `index[:count]` names the primitives that matter, with
those of one group side by side.
"""

import hashlib
import math
import os
from pathlib import Path

import numba

# numba keeps compiled code by the file a function stands in and does not see that what it calls has changed:
# a folder named after all of this package's code does
_here = Path(__file__).parent
_code = b"".join(path.read_bytes() for path in sorted(_here.glob("*.py")))
_root = Path(os.environ.get("NUMBA_CACHE_DIR") or _here / "__pycache__")
numba.config.CACHE_DIR = str(_root / f"numba-{hashlib.sha256(_code).hexdigest()[:16]}")

MISS = 1e9
compiled = numba.njit(nogil=True, fastmath=True, cache=True, error_model="numpy")


@compiled
def _primitive_distance(x, y, z, rows, i):
    """One primitive's distance; the point from its axis in scaled space; the squared slope there, times its square."""
    dx, dy, dz = x - rows[i, 9], y - rows[i, 10], z - rows[i, 11]
    qx = rows[i, 0] * dx + rows[i, 1] * dy + rows[i, 2] * dz
    qy = rows[i, 3] * dx + rows[i, 4] * dy + rows[i, 5] * dz
    qz = rows[i, 6] * dx + rows[i, 7] * dy + rows[i, 8] * dz
    radius = rows[i, 13]
    length = rows[i, 12]
    if length > 0.0:
        along = min(max(qy, 0.0), length)
        qy -= along
        radius += (rows[i, 14] - radius) * along / length
    square = qx * qx + qy * qy + qz * qz + 1e-12
    slope = qx * qx * rows[i, 15] + qy * qy * rows[i, 16] + qz * qz * rows[i, 17] + 1e-12
    # value over gradient: the distance to first order, in scaled space too
    return (math.sqrt(square) - radius) * math.sqrt(square / slope), qx, qy, qz, slope


@compiled
def distance(x, y, z, rows, blend, labels, index, count):
    """Distance to the surface, and the primitive whose own surface is nearest in the nearest group."""
    best, winner = MISS, -1
    group, inside, nearest, candidate = -1, MISS, MISS, -1
    for j in range(count):
        i = index[j]
        if labels[i, 0] != group:
            if inside < best:
                best, winner = inside, candidate
            group, inside, nearest, candidate = labels[i, 0], MISS, MISS, -1
        own = _primitive_distance(x, y, z, rows, i)[0]
        if own < nearest:
            nearest, candidate = own, i
        overlap = blend[i] - abs(inside - own)
        inside = min(inside, own)
        if overlap > 0.0:
            inside -= overlap * overlap / (4.0 * blend[i])
    if inside < best:
        best, winner = inside, candidate
    return best, winner


@compiled
def sphere_trace(ox, oy, oz, dx, dy, dz, near, far, rows, blend, labels, index, count):
    """Along a ray from `near` to `far`: where it hits, what, and 0; or where it comes closest as a share of the way,
    -1, and that share."""
    t, closest, where = near, MISS, near
    for _ in range(96):
        gap, winner = distance(ox + t * dx, oy + t * dy, oz + t * dz, rows, blend, labels, index, count)
        if gap < closest * t:
            closest, where = gap / t, t
        if gap < 2e-4:
            return t, winner, 0.0
        t += max(0.92 * gap, 1.5e-3)  # at least a pace that the eye cannot see, so that grazing rays get on
        if t > far:
            break
    return where, -1, closest


@compiled
def normal(x, y, z, rows, blend, labels, index, count):
    """The unit normal of the surface at a point near it: the gradient of `distance`, melted as the distances are."""
    best, bx, by, bz = MISS, 0.0, 0.0, 1.0
    group, inside, gx, gy, gz = -1, MISS, 0.0, 0.0, 1.0
    for j in range(count):
        i = index[j]
        if labels[i, 0] != group:
            if inside < best:
                best, bx, by, bz = inside, gx, gy, gz
            group, inside, gx, gy, gz = labels[i, 0], MISS, 0.0, 0.0, 1.0
        own, qx, qy, qz, slope = _primitive_distance(x, y, z, rows, i)
        overlap = blend[i] - abs(inside - own)
        share = 0.0 if own > inside else 1.0
        if overlap > 0.0:
            share += (0.5 - share) * overlap / blend[i]
        inside = min(inside, own)
        if overlap > 0.0:
            inside -= overlap * overlap / (4.0 * blend[i])
        if share > 0.0:
            size = share / math.sqrt(slope)
            keep = 1.0 - share
            gx = keep * gx + size * (rows[i, 0] * qx + rows[i, 3] * qy + rows[i, 6] * qz)
            gy = keep * gy + size * (rows[i, 1] * qx + rows[i, 4] * qy + rows[i, 7] * qz)
            gz = keep * gz + size * (rows[i, 2] * qx + rows[i, 5] * qy + rows[i, 8] * qz)
    if inside < best:
        bx, by, bz = gx, gy, gz
    size = math.sqrt(bx * bx + by * by + bz * bz) + 1e-12
    return bx / size, by / size, bz / size
