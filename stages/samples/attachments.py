"""Parts that are attached to a body: hair, skirts and hems of simulated links (dynamics.py), and held objects."""

import numpy as np

from stages.samples.dynamics import Capsule
from stages.samples.people import Cloth
from stages.samples.rig import CHEST, HAND, HEAD, LEFT, PELVIS, RIGHT, SHIN, THIGH, rotation_x, rotation_y

CLOTH, HELD_OBJECT = 11, 12  # groups of primitives
NUM_PANELS = 16              # of a skirt or hem


def collision_capsules(body) -> list[Capsule]:
    """The parts of the body that hair and cloth collide with."""
    p, h, s = body.person, body.person.height, body.skeleton
    hh, out, up = p.head * h, s.shoulder[0], s.shoulder[1]
    legs = [Capsule(first + bone, (0, 0, 0), (0, -length, 0), radius * p.limb * h)
            for first in (LEFT, RIGHT) for bone, length, radius in ((THIGH, s.thigh, 0.060), (SHIN, s.shin, 0.044))]
    return [Capsule(HEAD, (0, 0.05 * hh, 0), (0, 0.32 * hh, -0.03 * hh), 0.36 * hh),
            Capsule(CHEST, (0, -0.02 * h, 0), (0, 0.08 * h, 0), 0.075 * p.girth * h),
            Capsule(CHEST, (-out, up, 0), (out, up, 0), 0.042 * h), *legs]


def hair(body, material: int) -> None:
    """Adds a ponytail, or hair down to the shoulders (bob) or the shoulder blades (long), of two links per strand."""
    hh = body.person.head * body.person.height
    if body.person.style == "ponytail":
        body.ball(2, HEAD, np.multiply((0, 0.42, -0.50), hh), np.multiply((0.11, 0.12, 0.10), hh), material)
        strands = [((0, 0.42, -0.56), 0.55, 0.10, 0.13, 1.3)]
    else:
        body.ball(2, HEAD, np.multiply((0, 0.10, -0.20), hh), np.multiply((0.39, 0.36, 0.26), hh), material,
                  blend=0.15 * hh)
        low = 0.30 if body.person.style == "bob" else 0.52
        strands = [((x, 0.02, z), low, 0.14, 0.12, 1.5) for x, z in ((0, -0.34), (-0.22, -0.28), (0.22, -0.28))]
        strands += [((x, 0.20, -0.04), low, 0.10, 0.10, 1.4) for x in (-0.34, 0.34)]
    for root, length, first, last, wide in strands:  # in head heights
        upper = body.link(HEAD, np.multiply(root, hh), np.eye(3), length * hh, 25.0)
        lower = body.link(upper, np.array([0, -length * hh, 0]), np.eye(3), length * hh, 12.0)
        middle = 0.5 * (first + last) + 0.02
        for bone, top, end in ((upper, first, middle), (lower, middle, 0.4 * last)):
            body.cone(2, bone, (0, 0, 0), (0, -length * hh, 0), top * hh, end * hh, material, (wide, 1.0), 0.06 * hh)


def skirt(body, material: int, waist: float, length: float, flare: float, stiffness: float) -> None:
    """Adds a skirt of NUM_PANELS links around the hips.

    waist: metres above the pelvis; length: metres; flare: angle outwards, radians; stiffness: as in Link.
    """
    p, h, first = body.person, body.person.height, len(body.links)
    hips, deep = (p.hip + 0.040) * p.girth**0.6 * h, 0.066 * p.girth * h
    hem = np.pi * ((hips + deep) + 2 * length * np.sin(flare)) / NUM_PANELS  # half of a panel's width, with overlap
    for panel in range(NUM_PANELS):
        angle = 2 * np.pi * panel / NUM_PANELS
        pivot = np.array([hips * np.sin(angle), waist, deep * np.cos(angle)])
        neighbours = tuple(first + (panel + step) % NUM_PANELS for step in (-1, 1))
        bone = body.link(PELVIS, pivot, rotation_y(angle) @ rotation_x(-flare), length, stiffness, neighbours)
        body.cone(CLOTH, bone, (0, 0, 0), (0, -length, 0), 0.010, 0.014, material, (hem / 0.014, 1.0), blend=0.02)


def held_object(body, name: str) -> None:
    """Adds a ball, a bottle or a book to the right hand."""
    hand, bone, add = body.skeleton.hand, RIGHT + HAND, body.material
    palm = np.array([-0.16, -0.42, 0.0]) * hand
    if name == "ball":
        body.ball(HELD_OBJECT, bone, palm + (-0.105, 0, 0), np.full(3, 0.11), add(Cloth("plain", (224, 120, 48)), 0.1))
    elif name == "bottle":
        body.cone(HELD_OBJECT, bone, palm + (-0.02, 0, -0.06), palm + (-0.02, 0, 0.07), 0.031, 0.031,
                   add(Cloth("plain", (60, 150, 190)), 0.3))
        body.cone(HELD_OBJECT, bone, palm + (-0.02, 0, 0.09), palm + (-0.02, 0, 0.13), 0.022, 0.013,
                   add(Cloth("plain", (235, 240, 240)), 0.2))
    else:  # a book
        body.cone(HELD_OBJECT, bone, palm + (-0.012, 0.02, 0.02), palm + (-0.012, -0.15, 0.02), 0.075, 0.075,
                   add(Cloth("plain", (170, 40, 50)), 0.1), (0.14, 1.0))
