"""Procedural textures: cloth patterns, hair, and the face. Compiled with numba; colours in [0, 1].

Patterns are defined in the bone's frame, so that they move with the limb: u runs around the bone, v along it.
"""

import math

from stages.samples.body import EYE_X, EYE_Y, MOUTH_Y
from stages.samples.rest_body import PATTERNS
from stages.samples.rig import CHEST
from stages.samples.signed_distance import compiled

STRIPES, CHECKS, DOTS, PRINT, DENIM, FACE, HAIR, SHOE = (
    PATTERNS.index(name) for name in ("stripes", "checks", "dots", "print", "denim", "face", "hair", "shoe"))


@compiled
def mix(a, b, fraction):
    return (a[0] + (b[0] - a[0]) * fraction, a[1] + (b[1] - a[1]) * fraction, a[2] + (b[2] - a[2]) * fraction)


@compiled
def texture_colour(material, x, y, z, bone, rest, radius, face):
    """Colour of a material (a row of body.PosedBody.materials) at a point in the bone's frame.

    rest: height of the bone's origin in the rest pose; radius: of the limb, for patterns around it; both in metres.
    """
    pattern = int(material[0])
    first = (material[1], material[2], material[3])
    second = (material[4], material[5], material[6])
    scale = material[7]
    v = y + rest
    if pattern == STRIPES:
        return second if (v / scale) % 1.0 < 0.45 else first
    if pattern == SHOE:
        return second if v < 0.016 else first
    if pattern == FACE:
        return face_colour(first, x / face[0], y / face[0], z / face[0], face)
    if pattern == CHECKS or pattern == DOTS or pattern == DENIM or pattern == HAIR:
        angle = math.atan2(x, z) / (2 * math.pi)
        repeats = max(3.0, round(2 * math.pi * radius / scale))
        if pattern == CHECKS:
            fraction = 0.45 * ((v / scale) % 1.0 < 0.42) + 0.45 * ((angle * repeats) % 1.0 < 0.42)
            return mix(first, second, fraction)
        if pattern == DOTS:
            row = math.floor(v / scale)
            a, b = (angle * repeats + 0.5 * (row % 2)) % 1.0 - 0.5, (v / scale) % 1.0 - 0.5
            return second if a * a + b * b < 0.075 else first
        if pattern == DENIM:
            seam = abs(abs(angle) - 0.25) < 0.012
            fade = 0.5 + 0.5 * math.sin(900 * v) * math.sin(160 * angle)
            return mix(first, second, 1.0 if seam else 0.5 * fade)
        strand = math.sin(190 * angle + 9 * math.sin(14 * v)) + 0.6 * math.sin(431 * angle + 5 * math.sin(23 * v))
        return mix(first, second, 0.45 + 0.28 * strand)
    if pattern == PRINT and bone <= CHEST and z > 0:
        b = v - face[15]
        if x * x + b * b < 0.0052 and not x * x + (b - 0.02) ** 2 < 0.0016:
            return second
    return first


@compiled
def face_colour(skin, x, y, z, face):
    """Colour of the face. x, y, z: head heights from the head joint; `face`: that of body.PosedBody."""
    side = abs(x)
    colour = skin
    if z < -0.12:
        return colour
    brow, lips = (face[9], face[10], face[11]), (face[12], face[13], face[14])
    if face[5] > 0 and y < -0.06 + 1.3 * max(0.0, side - 0.15) and y < 0.12:
        shaved = side < 0.10 and -0.20 < y < -0.155  # below the lower lip
        colour = mix(skin, brow, 0.3 * face[5] if shaved else 0.72 * face[5])
    if z < 0.08:
        return colour

    blush = ((side - 0.20) ** 2 + (y - 0.01) ** 2) / 0.007
    if face[5] == 0 or y > 0:
        colour = mix(colour, (0.86 * skin[0] + 0.08, 0.62 * skin[1], 0.62 * skin[2]), 0.35 * math.exp(-blush))
    socket = (side - EYE_X) ** 2 / 0.012 + (y - EYE_Y - 0.02) ** 2 / 0.0045
    colour = mix(colour, (0.72 * skin[0], 0.62 * skin[1], 0.60 * skin[2]), 0.38 * math.exp(-socket))

    along = (side - EYE_X) / 0.088
    if abs(along) < 1:
        arch = EYE_Y + 0.100 + 0.018 * (1 - along * along) - 0.006 * along
        if abs(y - arch) < 0.019 * (1.15 - 0.7 * max(0.0, along) ** 2):
            return mix(colour, brow, 0.85)

    nostril = (side - 0.030) ** 2 + 2.2 * (y + 0.022) ** 2
    if nostril < 0.0003:
        return mix(colour, (0.30, 0.12, 0.10), 0.55)

    ex, ey = (x - EYE_X if x > 0 else x + EYE_X), y - EYE_Y
    tall = 0.044 * (1 - face[1])
    outer = (ex / 0.086) ** 2 + (ey / (tall + 0.012)) ** 2
    if outer < 1:
        if (ex / 0.076) ** 2 + (ey / (tall + 1e-4)) ** 2 < 1:
            gx = ex - 0.022 * face[4]
            ring = gx * gx + ey * ey
            if (gx - 0.012) ** 2 + (ey - 0.014) ** 2 < 0.00009:
                return (1.0, 1.0, 1.0)
            if ring < 0.00036:
                return (0.06, 0.05, 0.05)
            if ring < 0.00150:
                return (face[6], face[7], face[8])
            return (0.95, 0.94, 0.92)
        if ey > -0.3 * tall:
            return (0.16, 0.10, 0.09)
        return mix(colour, (0.5, 0.3, 0.28), 0.5)

    wide = 0.118 + 0.012 * face[3]
    if side < wide:
        across = 1 - (side / wide) ** 2
        middle = MOUTH_Y + 0.045 * face[3] * (1 - across) - 0.010 * face[3]
        gap, lip = 0.045 * face[2] * across, 0.034 * math.sqrt(across)
        off = y - middle + 0.5 * gap
        if abs(off) < gap:
            return (0.93, 0.90, 0.88) if off > 0.35 * gap and face[2] > 0.3 else (0.28, 0.08, 0.08)
        if abs(off) < 0.007 + gap:
            return (0.55 * lips[0], 0.5 * lips[1], 0.5 * lips[2])
        if abs(off) < gap + lip:
            return lips if off < 0 else (0.9 * lips[0], 0.85 * lips[1], 0.85 * lips[2])
    return colour
