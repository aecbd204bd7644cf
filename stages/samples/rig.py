"""Rig of a person: the bones and their forward kinematics.

A bone is a coordinate frame: an origin in metres and a rotation from the bone to the world. In the rest pose all frames
are upright: x to the person's left, y up, z forwards; limbs hang along -y, thumbs forwards, palms inwards. Legs are
solved by inverse kinematics from the feet, so that a standing foot does not slide, whatever the body's proportions.
"""

from dataclasses import dataclass

import numpy as np

from stages.samples.motion import Motion
from stages.samples.people import SamplePerson

PELVIS, SPINE, CHEST, NECK, HEAD = range(5)
UPPER_ARM, FOREARM, HAND, FINGER, THIGH, SHIN, FOOT = 0, 1, 2, 3, 18, 19, 20  # within the bones of one side
SIDE_BONES = 21
LEFT, RIGHT = 5, 5 + SIDE_BONES
NUM_BONES = 5 + 2 * SIDE_BONES
MIRROR = np.array([-1.0, 1.0, 1.0])

_KNUCKLES = np.array([  # in hand lengths: thumb, index, middle, ring, little finger
    (-0.05, -0.10, 0.15), (0.0, -0.50, 0.165), (0.0, -0.525, 0.05), (0.0, -0.50, -0.065), (0.0, -0.44, -0.17)])
_PHALANGES = np.array([
    (0.25, 0.18, 0.15), (0.23, 0.13, 0.11), (0.26, 0.15, 0.11), (0.235, 0.14, 0.11), (0.18, 0.11, 0.10)])
_SPREAD_WEIGHTS = np.array([0.0, 0.5, 0.1, -0.35, -0.9])  # how far each finger spreads, with sign


@dataclass(frozen=True)
class Skeleton:
    """Bone lengths of a person in metres, and the offsets of bones from their parents."""

    height: float
    thigh: float
    shin: float
    ankle: float            # above the floor
    hip: np.ndarray         # (3,) left hip joint in the pelvis frame
    spine: float            # pelvis to spine
    chest: float            # spine to chest
    neck: float             # chest to neck
    skull: float            # neck to head
    shoulder: np.ndarray    # (3,) left shoulder joint in the chest frame
    upper_arm: float
    forearm: float
    hand: float

    @classmethod
    def from_person(cls, person: SamplePerson) -> "Skeleton":
        h, leg, ankle = person.height, person.leg * person.height, 0.042 * person.height
        spine, chest = 0.050 * h, 0.085 * h
        trunk = leg + ankle + spine + chest
        return cls(h, 0.505 * leg, 0.495 * leg, ankle, np.array([person.hip * h, 0, 0]), spine, chest,
                   0.826 * h - trunk, h * (1 - 0.7 * person.head - 0.826),
                   np.array([person.shoulder * h, 0.802 * h - trunk, -0.005 * h]),
                   0.53 * person.arm * h, 0.47 * person.arm * h, 0.112 * h)

    @property
    def leg(self) -> float:
        return self.thigh + self.shin

    def knuckles(self) -> np.ndarray:
        """Base joints of the five fingers in the frame of the left hand, (5, 3)."""
        return _KNUCKLES * self.hand

    def phalanges(self) -> np.ndarray:
        """Lengths of the finger bones, (5, 3)."""
        return _PHALANGES * self.hand

    def forward_kinematics(self, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
        """Origins (T, NUM_BONES, 3) and rotations (T, NUM_BONES, 3, 3) of all bones in every frame."""
        c = motion.channels
        origins, rotations = np.zeros((len(motion), NUM_BONES, 3)), np.zeros((len(motion), NUM_BONES, 3, 3))

        rotations[:, PELVIS] = rotation_y(c["yaw"]) @ rotation_x(c["pitch"]) @ rotation_z(c["roll"])
        origins[:, PELVIS] = self._pelvis(motion, rotations[:, PELVIS])
        half = rotation_y(c["twist"] / 2) @ rotation_x(c["bend"] / 2) @ rotation_z(c["lean"] / 2)
        for bone, parent, offset, local in (
            (SPINE, PELVIS, self.spine, half),
            (CHEST, SPINE, self.chest, half),
            (NECK, CHEST, self.neck,
             rotation_y(0.4 * c["look"]) @ rotation_x(0.12 + 0.4 * c["nod"]) @ rotation_z(0.4 * c["tilt"])),
            (HEAD, NECK, self.skull,
             rotation_y(0.6 * c["look"]) @ rotation_x(0.6 * c["nod"] - 0.12) @ rotation_z(0.6 * c["tilt"])),
        ):
            origins[:, bone] = origins[:, parent] + offset * rotations[:, parent, :, 1]
            rotations[:, bone] = rotations[:, parent] @ local
        for prefix, first, mirror in (("l_", LEFT, np.ones(3)), ("r_", RIGHT, MIRROR)):
            limb = {name[2:]: value for name, value in c.items() if name.startswith(prefix)}
            self._arm(limb, first, mirror, origins, rotations)
            self._leg(limb, motion, first, mirror, origins, rotations)
        return origins, rotations

    def _pelvis(self, motion: Motion, tilt: np.ndarray) -> np.ndarray:
        """Origin of the pelvis (T, 3): as high as the standing feet allow, less the motion's `drop`."""
        c = motion.channels
        shift = np.stack([c["shift_x"], np.zeros(len(motion)), c["shift_z"]], -1) * self.leg
        ground = np.stack([c["x"], np.zeros(len(motion)), c["z"]], -1) * self.height
        ground = ground + rotate(rotation_y(c["yaw"]), shift)
        tops = []
        for index, (prefix, mirror) in enumerate((("l_", np.ones(3)), ("r_", MIRROR))):
            hip = ground + rotate(tilt, self.hip * mirror)
            away = np.hypot(hip[:, 0] - self.height * motion.feet[:, index, 0],
                            hip[:, 2] - self.height * motion.feet[:, index, 1])
            reach = np.sqrt(np.maximum((0.998 * self.leg) ** 2 - away**2, 0.01))
            tops.append(self.ankle + reach - hip[:, 1] + self.leg * c[prefix + "kick"])
        ground[:, 1] = smooth_minimum(*tops, 0.012 * self.leg) - c["drop"] * self.leg
        return ground

    def _arm(self, limb, first, mirror, origins, rotations) -> None:
        shrug = np.clip((limb["swing"] - 0.9) / 1.6, 0, 1)[:, None]
        shoulder = (self.shoulder + shrug * self.height * np.array([-0.010, 0.022, 0])) * mirror
        swing, azimuth = limb["swing"], limb["azimuth"]
        axis = np.stack([-np.sin(azimuth), np.zeros_like(azimuth), np.cos(azimuth)], -1)
        chain = [
            (UPPER_ARM, CHEST, shoulder, rotation(axis, swing) @ rotation_y(limb["turn"])),
            (FOREARM, first + UPPER_ARM, (0, -self.upper_arm, 0), rotation_x(-limb["elbow"])),
            (HAND, first + FOREARM, (0, -self.forearm, 0), rotation_y(limb["pronation"]) @ rotation_z(-limb["wrist"])),
        ]
        for finger, (knuckle, lengths) in enumerate(zip(self.knuckles(), self.phalanges())):
            fan = rotation_x(-_SPREAD_WEIGHTS[finger] * limb["spread"])
            curl = limb["curl"] * (0.9 + 0.08 * finger)
            if finger == 0:  # the thumb lies across the palm's side
                fan = rotation_x(-0.75 - 0.6 * limb["spread"]) @ rotation_y(0.5 + 0 * curl)
                curl = 0.45 * curl
            for joint in range(3):
                bone = FINGER + 3 * finger + joint
                chain.append((bone, first + (HAND if joint == 0 else bone - 1),
                              knuckle if joint == 0 else (0, -lengths[joint - 1], 0),
                              (fan if joint == 0 else np.eye(3)) @ rotation_z(-curl * (0.75, 1.0, 0.7)[joint])))
        for bone, parent, offset, local in chain:
            offset = offset if parent == CHEST else np.asarray(offset) * mirror
            origins[:, first + bone] = origins[:, parent] + rotate(rotations[:, parent], offset)
            rotations[:, first + bone] = rotations[:, parent] @ (mirror[:, None] * local * mirror)

    def _leg(self, limb, motion, first, mirror, origins, rotations) -> None:
        yaw, index = motion.channels["yaw"], int(first == RIGHT)
        hip = origins[:, PELVIS] + rotate(rotations[:, PELVIS], self.hip * mirror)
        x, z, heading, lift = motion.feet[:, index].T
        stands = np.stack([x * self.height, self.ankle + lift * self.height, z * self.height], -1)
        around, raised = limb["around"], limb["raise"]
        direction = np.stack([np.sin(raised) * np.sin(around), -np.cos(raised), np.sin(raised) * np.cos(around)], -1)
        kicks = hip + rotate(rotation_y(yaw), direction * mirror) * (limb["reach"] * self.leg)[:, None]
        kick = limb["kick"][:, None]
        ankle = stands + (kicks - stands) * kick

        facing = rotation_y(yaw + 0.5 * (1 - limb["kick"]) * wrap_angle(heading - yaw))
        to_ankle = rotate(np.swapaxes(facing, -1, -2), ankle - hip)
        reach = np.clip(np.linalg.norm(to_ankle, axis=-1), 0.3 * self.leg, 0.9995 * self.leg)
        to_ankle = to_ankle / np.linalg.norm(to_ankle, axis=-1, keepdims=True)
        axis = np.stack([-to_ankle[:, 2], np.zeros(len(to_ankle)), to_ankle[:, 0]], -1)
        swing = facing @ rotation(axis / (np.linalg.norm(axis, axis=-1, keepdims=True) + 1e-9),
                                  np.arccos(-to_ankle[:, 1]))
        at_hip = np.arccos(np.clip((self.thigh**2 + reach**2 - self.shin**2) / (2 * self.thigh * reach), -1, 1))
        at_knee = np.arccos(np.clip((self.thigh**2 + self.shin**2 - reach**2) / (2 * self.thigh * self.shin), -1, 1))

        origins[:, first + THIGH] = hip
        rotations[:, first + THIGH] = swing @ rotation_x(-at_hip)
        rotations[:, first + SHIN] = rotations[:, first + THIGH] @ rotation_x(np.pi - at_knee)
        origins[:, first + SHIN] = hip - self.thigh * rotations[:, first + THIGH, :, 1]
        origins[:, first + FOOT] = origins[:, first + SHIN] - self.shin * rotations[:, first + SHIN, :, 1]
        flat, free = rotation_y(heading), rotations[:, first + SHIN] @ rotation_x(limb["toe"])
        rotations[:, first + FOOT] = orthonormalise(flat + (free - flat) * kick[..., None])


def rotation_x(angle: np.ndarray) -> np.ndarray:
    return rotation(np.array([1.0, 0, 0]), angle)


def rotation_y(angle: np.ndarray) -> np.ndarray:
    return rotation(np.array([0, 1.0, 0]), angle)


def rotation_z(angle: np.ndarray) -> np.ndarray:
    return rotation(np.array([0, 0, 1.0]), angle)


def rotation(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) by `angle` around the unit vectors `axis` (Rodrigues' formula)."""
    angle = np.asarray(angle, float)[..., None, None]
    cross = np.cross(np.broadcast_to(np.eye(3), axis.shape[:-1] + (3, 3)), axis[..., None, :])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def rotate(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Rotates vectors (..., 3)."""
    return np.einsum("...ij,...j->...i", matrix, vector)


def orthonormalise(matrix: np.ndarray) -> np.ndarray:
    """Makes a blend of rotations a rotation again (Gram-Schmidt, starting with the y axis)."""
    y = matrix[..., 1] / np.linalg.norm(matrix[..., 1], axis=-1, keepdims=True)
    x = np.cross(y, matrix[..., 2])
    x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)


def smooth_minimum(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    overlap = np.maximum(width - np.abs(a - b), 0) / width
    return np.minimum(a, b) - overlap**2 * width / 4


def wrap_angle(angle: np.ndarray) -> np.ndarray:
    """The same angle in (-pi, pi]."""
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
