"""A person's body, hair and clothes in the rest pose: signed distance primitives attached to bones.

A primitive is a rounded cone along +y of its own frame, scaled in x and z; with length 0 it is an ellipsoid. Primitives
of one group are joined by a smooth union, groups by a plain union, so that a hand does not merge with a hip.
"""

import numpy as np

from stages.samples import attachments, rig
from stages.samples.dynamics import Link
from stages.samples.people import Cloth, SamplePerson
from stages.samples.rig import (
    CHEST, FINGER, FOOT, FOREARM, HAND, HEAD, LEFT, MIRROR, NECK, NUM_BONES, PELVIS, RIGHT, SHIN, SPINE, THIGH,
    UPPER_ARM, Skeleton,
)

PATTERNS = ("plain", "stripes", "checks", "dots", "print", "denim", "skin", "face", "hair", "shoe")


class RestBody:
    """Primitives in the frames of their bones, sorted by group: 0 trunk, 1 head, 2 hair, 3-4 arms, 5-6 hands, 7-8 legs,
    9-10 feet, 11 cloth, 12 held object."""

    def __init__(self, person: SamplePerson):
        self.person, self.skeleton = person, Skeleton.from_person(person)
        self.rows: list[tuple] = []       # (group, material, bone), blend, centre, frame, scale, (length, radii)
        self.materials: list[tuple] = []
        self.links: list[Link] = []       # additional bones for simulated hair and cloth
        self._dress()
        self.rows.sort(key=lambda row: row[0][0])

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Of all primitives: labels (n, 3), blend (n,), centres, frames (n, 3, 3), scales and shapes, (n, 3) each."""
        return tuple(np.array(column) for column in zip(*self.rows))

    def front(self, x: float, y: float) -> np.ndarray:
        """The frontmost point of the head's ellipsoids at (x, y), in the head's frame."""
        depths = []
        for (group, _, _), _, centre, _, radii, shape in self.rows:
            rest = 1 - ((x - centre[0]) / radii[0]) ** 2 - ((y - centre[1]) / radii[1]) ** 2
            if group == 1 and shape[0] == 0 and abs(centre[0]) < 1e-9 and rest > 0:
                depths.append(centre[2] + radii[2] * np.sqrt(rest))
        return np.array([x, y, max(depths)])

    def material(self, cloth: Cloth, shine: float = 0.0) -> int:
        """Adds a material; its index. shine: strength of the specular highlight."""
        row = (PATTERNS.index(cloth.pattern), *np.divide(cloth.colour, 255), *np.divide(cloth.second, 255),
               cloth.scale, shine)
        self.materials.append(row)
        return len(self.materials) - 1

    def cone(self, group, bone, start, end, first, last, material, flat=(1.0, 1.0), blend=0.02) -> None:
        """Adds a rounded cone between two points of a bone's frame. first, last: radii; flat: scale in x and z."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        length = np.linalg.norm(end - start)
        y = (end - start) / length
        z = np.array([0, 0, 1.0]) if abs(y[2]) < 0.8 else np.array([0, 1.0, 0])
        x = np.cross(y, z) / np.linalg.norm(np.cross(y, z))
        frame = np.stack([x, y, np.cross(x, y)], -1)
        self._add(group, bone, start, frame, (flat[0], 1.0, flat[1]), (length, first, last), material, blend)

    def ball(self, group, bone, centre, radii, material, tilt=0.0, blend=0.02) -> None:
        """Adds an ellipsoid, tilted forwards by `tilt` radians."""
        self._add(group, bone, np.asarray(centre, float), rig.rotation_x(tilt), radii, (0.0, 1.0, 1.0), material,
                  blend)

    def link(self, parent, pivot, rotation, length, stiffness, neighbours=()) -> int:
        """Adds a simulated link (dynamics.Link); its bone index."""
        self.links.append(Link(parent, np.asarray(pivot, float), rotation, length, stiffness, neighbours))
        return NUM_BONES + len(self.links) - 1

    def _add(self, group, bone, centre, frame, scale, shape, material, blend) -> None:
        if RIGHT <= bone < NUM_BONES:  # given for the left side: mirror it
            centre, frame = centre * MIRROR, MIRROR[:, None] * frame * MIRROR
        self.rows.append(((group, material, bone), blend, centre, frame, np.asarray(scale, float), shape))

    def _dress(self) -> None:
        person = self.person
        skin = self.material(Cloth("skin", person.skin), 0.12)
        face = self.material(Cloth("face", person.skin), 0.12)
        hair = self.material(Cloth("hair", person.hair, tuple(int(0.6 * c) for c in person.hair)), 0.25)
        top, bottom = self.material(person.top), self.material(person.bottom)
        shoe = self.material(Cloth("shoe", person.shoes, (238, 236, 230)), 0.15)
        self._trunk(top, bottom, skin)
        self._head(face, skin)
        self._hair(hair)
        for side, first in enumerate((LEFT, RIGHT)):
            self._arm(3 + side, first, skin, top)
            self._hand(5 + side, first, skin)
            self._leg(7 + side, first, skin, bottom)
            self._foot(9 + side, first, skin, shoe)
        if person.skirt:
            attachments.skirt(self, bottom, 0.045 * person.height, person.skirt * self.skeleton.leg, 0.28, 40.0)
        elif person.dynamic:
            attachments.skirt(self, top, 0.055 * person.height, 0.095 * person.height, 0.10, 60.0)  # hem over the hips
        if person.held:
            attachments.held_object(self, person.held)

    def _trunk(self, top, bottom, skin) -> None:
        p, h, s = self.person, self.person.height, self.skeleton
        wide = p.girth**0.6
        hips, chest = (p.hip + 0.040) * wide * h, 0.84 * p.shoulder * wide * h
        self.ball(0, PELVIS, (0, -0.030 * h, 0), (0.55 * hips, 0.050 * h, 0.045 * h), bottom)
        self.ball(0, PELVIS, (0, 0.010 * h, -0.006 * h), (hips, 0.070 * h, 0.064 * p.girth * h), bottom)
        self.ball(0, PELVIS, (0, 0.046 * h, -0.001 * h), (hips * 0.985, 0.050 * h, 0.062 * p.girth * h), top)
        self.ball(0, SPINE, (0, 0.028 * h, 0.003 * h), (0.073 * p.girth * h, 0.085 * h, 0.055 * p.girth * h), top,
                  blend=0.05)
        self.ball(0, CHEST, (0, 0.045 * h, 0), (chest, 0.100 * h, 0.060 * p.girth * h), top, blend=0.05)
        up, out = s.shoulder[1] - 0.004 * h, s.shoulder[0] - 0.004 * h
        for x in (1, -1):
            self.cone(0, CHEST, (0, up + 0.006 * h, -0.006 * h), (x * out, up, -0.004 * h), 0.036 * h,
                      0.0275 * p.limb * h, top, blend=0.06)
            if p.bust > 0:
                self.ball(0, CHEST, (x * 0.038 * h, 0.030 * h, 0.036 * p.girth * h),
                          (0.038 * h, 0.040 * h, 0.030 * (0.6 + 0.4 * p.bust) * h), top, blend=0.05)
        self.cone(0, CHEST, (0, s.neck - 0.040 * h, -0.008 * h), (0, s.neck - 0.012 * h, -0.006 * h), 0.050 * h,
                  0.035 * h, top, blend=0.04)
        self.cone(0, NECK, (0, -0.010 * h, -0.002 * h), (0, s.skull + 0.01 * h, -0.004 * h), 0.0315 * h, 0.029 * h,
                  skin, blend=0.006)

    def _head(self, face, skin) -> None:
        hh = self.person.head * self.person.height
        jaw = 1.0 if self.person.bust == 0 else 0.94
        self.ball(1, HEAD, (0, 0.30 * hh, -0.03 * hh), (0.355 * hh, 0.40 * hh, 0.43 * hh), face)
        self.ball(1, HEAD, (0, 0.02 * hh, 0.08 * hh), (0.275 * jaw * hh, 0.32 * hh, 0.31 * hh), face, blend=0.20 * hh)
        self.ball(1, HEAD, (0, -0.19 * hh, 0.25 * hh), (0.12 * hh, 0.10 * hh, 0.12 * hh), face, blend=0.12 * hh)
        self.cone(1, HEAD, (0, 0.17 * hh, 0.385 * hh), (0, 0.03 * hh, 0.455 * hh), 0.022 * hh, 0.048 * hh, face,
                  blend=0.05 * hh)
        for x in (1, -1):
            self.ball(1, HEAD, (x * 0.345 * hh, 0.10 * hh, -0.03 * hh), (0.05 * hh, 0.115 * hh, 0.075 * hh), skin,
                      blend=0.01)

    def _hair(self, hair) -> None:
        hh, style = self.person.head * self.person.height, self.person.style
        ball = lambda centre, radii, tilt=0.0, blend=0.05: self.ball(
            2, HEAD, np.multiply(centre, hh), np.multiply(radii, hh), hair, tilt, blend * hh)
        if style == "curly":
            ball((0, 0.42, -0.10), (0.50, 0.44, 0.50))
            ball((0, 0.18, -0.22), (0.46, 0.34, 0.36), blend=0.2)
            return
        ball((0, 0.35, -0.075), (0.405, 0.405, 0.445))
        if style == "short":
            ball((0, 0.58, 0.10), (0.28, 0.16, 0.28), -0.35, 0.15)
            return
        for x in (1, -1):  # parted fringe
            ball((x * 0.17, 0.52, 0.17), (0.21, 0.16, 0.22), -0.5, 0.06)
        if self.person.dynamic and style != "bun":
            attachments.hair(self, hair)
        elif style == "ponytail":
            ball((0, 0.42, -0.50), (0.11, 0.12, 0.10))
            self.cone(2, HEAD, (0, 0.42 * hh, -0.56 * hh), (0, -0.02 * hh, -0.66 * hh), 0.10 * hh, 0.14 * hh, hair,
                      blend=0.05 * hh)
            self.cone(2, HEAD, (0, -0.02 * hh, -0.66 * hh), (0, -0.42 * hh, -0.60 * hh), 0.14 * hh, 0.05 * hh, hair,
                      blend=0.08 * hh)
        elif style == "bun":
            ball((0, 0.66, -0.42), (0.20, 0.19, 0.19))
        else:
            low = -0.20 if style == "bob" else -0.62
            ball((0, 0.10, -0.22), (0.40, 0.42, 0.26), 0.0, 0.15)
            self.cone(2, HEAD, (0, 0.20 * hh, -0.22 * hh), (0, low * hh, -0.27 * hh), 0.23 * hh, 0.17 * hh, hair,
                      (1.65, 1.0), 0.15 * hh)
            for x in (1, -1):
                self.cone(2, HEAD, (x * 0.33 * hh, 0.30 * hh, 0.0), (x * 0.36 * hh, low * hh, 0.0), 0.10 * hh,
                          0.09 * hh, hair, (1.0, 1.5), 0.10 * hh)

    def _arm(self, group, first, skin, top) -> None:
        p, h, s = self.person, self.person.height, self.skeleton
        thick, upper, fore = p.limb * h, s.upper_arm, s.forearm
        self.cone(group, first + UPPER_ARM, (0, 0, 0), (0, -upper, 0), 0.0265 * thick, 0.0215 * thick, skin)
        self.cone(group, first + FOREARM, (0, 0, 0), (0, -0.35 * fore, 0), 0.0215 * thick, 0.0225 * thick, skin)
        self.cone(group, first + FOREARM, (0, -0.35 * fore, 0), (0, -fore, 0), 0.0225 * thick, 0.0150 * thick, skin)
        covered = p.sleeve * (upper + fore)
        self.ball(group, first + UPPER_ARM, (0, 0, 0), np.full(3, 0.0290 * thick), top if p.sleeve > 0.05 else skin)
        if covered > 0.05:
            end, slack = min(covered, upper), 0.005 if covered > upper else 0.010
            self.cone(group, first + UPPER_ARM, (0, 0, 0), (0, -end, 0), 0.0290 * thick, 0.0225 * thick + slack, top,
                      blend=0.004)
        if covered > upper:
            self.cone(group, first + FOREARM, (0, 0, 0), (0, upper - covered, 0), 0.0225 * thick + 0.005,
                      0.0165 * thick + 0.006, top, blend=0.004)

    def _hand(self, group, first, skin) -> None:
        s = self.skeleton
        hand, thick = s.hand, 0.052 * s.hand
        knuckles, lengths = s.knuckles(), s.phalanges()
        wrist = np.array([0, 0.01, 0])
        self.ball(group, first + HAND, wrist, np.array([0.10, 0.12, 0.13]) * hand, skin, blend=0.012)
        for knuckle in knuckles[1:]:
            start = np.array([0, -0.05, 0.4 * knuckle[2] / hand]) * hand
            self.cone(group, first + HAND, start, knuckle, 1.7 * thick, 1.25 * thick, skin, blend=0.012)
        self.cone(group, first + HAND, (0, -0.03 * hand, 0.02 * hand), knuckles[0], 1.6 * thick, 1.5 * thick, skin,
                  blend=0.012)
        for finger, bones in enumerate(lengths):
            for joint, length in enumerate(bones):
                radius = thick * (1.15 if finger == 0 else 0.85 if finger == 4 else 1.0) * (1.08 - 0.09 * joint)
                if finger == 0 and joint == 0:
                    radius *= 1.25
                self.cone(group, first + FINGER + 3 * finger + joint, (0, 0, 0),
                          (0, -length + 0.4 * radius * (joint == 2), 0), radius, 0.93 * radius, skin, blend=0.004)

    def _leg(self, group, first, skin, bottom) -> None:
        p, h, s = self.person, self.person.height, self.skeleton
        thick = p.limb * h
        covered = p.trouser * s.leg
        if covered < s.thigh:
            self.cone(group, first + THIGH, (0, 0, 0), (0, -s.thigh, 0), 0.050 * thick, 0.0335 * thick, skin)
        if covered < 0.9 * s.leg:
            self.cone(group, first + SHIN, (0, 0, 0), (0, -s.shin, 0), 0.0325 * thick, 0.0195 * thick, skin)
        if covered < s.thigh:  # a bare calf
            self.ball(group, first + SHIN, (0, -0.28 * s.shin, -0.011 * h),
                      (0.029 * thick, 0.22 * s.shin, 0.031 * thick), skin)
        end = min(covered, s.thigh)
        slack = 0.011 if covered > s.thigh * 1.7 else 0.008
        self.cone(group, first + THIGH, (0, 0.01 * h, 0), (0, -end, 0), 0.0525 * thick + 0.004, 0.0345 * thick + slack,
                  bottom, blend=0.02)
        if covered > s.thigh:
            self.cone(group, first + SHIN, (0, 0, 0), (0, s.thigh - covered + 0.01, 0), 0.0345 * thick + slack,
                      0.0285 * thick + slack, bottom, blend=0.02)

    def _foot(self, group, first, skin, shoe) -> None:
        h, a = self.person.height, self.skeleton.ankle
        bone = first + FOOT
        self.ball(group, bone, (0, 0.008 * h, -0.002 * h), (0.0195 * h, 0.024 * h, 0.023 * h), skin)
        self.ball(group, bone, (0, 0.022 * h - a, -0.012 * h), (0.0255 * h, 0.022 * h, 0.031 * h), shoe)
        self.cone(group, bone, (0, 0.022 * h - a, -0.008 * h), (0, 0.026 * h - a, 0.030 * h), 0.022 * h, 0.026 * h,
                  shoe, (1.1, 1.0))
        self.cone(group, bone, (0, 0.024 * h - a, 0.030 * h), (0.002 * h, 0.0165 * h - a, 0.092 * h), 0.0235 * h,
                  0.0165 * h, shoe, (1.35, 1.0))
