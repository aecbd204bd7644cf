"""A person's body: posed frame by frame, with the known positions of its 69 points."""

from dataclasses import dataclass

import numpy as np

from stages.samples import dynamics, rig
from stages.samples.motion import REST, Motion
from stages.samples.people import SamplePerson
from stages.samples.rest_body import RestBody
from stages.samples.rig import CHEST, FINGER, FOOT, FOREARM, HAND, HEAD, LEFT, RIGHT, SHIN, THIGH, UPPER_ARM

EYE_X, EYE_Y, MOUTH_Y = 0.148, 0.17, -0.125  # head heights from the head joint
NUM_POINTS = 18 + 21 + 21 + 4 + 5  # body, left hand, right hand, feet, face: in the order of skeleton.Pose


@dataclass(frozen=True)
class PosedBody:
    """One body in one frame, in world coordinates: the input of the renderer."""

    primitives: np.ndarray  # (n, 18): scaled rotation 9 (by rows), centre 3, length, 2 radii, 1/scale^2 3
    blend: np.ndarray        # (n,) radius of the smooth union with its group, metres
    labels: np.ndarray      # (n, 3) int: group, material, bone
    bones: np.ndarray       # (bones and links, 14): origin 3, rotation 9, height at rest, radius for patterns
    materials: np.ndarray   # (m, 9): pattern, colour 3, second colour 3, metres per repeat, specular
    face: np.ndarray        # (16,): head height, blink, mouth, smile, gaze, beard, iris, brow, lips 3 each, print
    points: np.ndarray      # (NUM_POINTS, 3) metres
    depths: np.ndarray      # (NUM_POINTS,) largest depth of a visible point below the surface, metres


class Body:
    """The body of a person, which can be posed."""

    def __init__(self, person: SamplePerson):
        self.person, self.rest_body = person, RestBody(person)
        self.skeleton = self.rest_body.skeleton
        self.points = self._points()
        still = Motion({name: np.zeros(1) for name in REST}, np.zeros((1, 2, 4)))
        hanging = np.array([-link.rotation[:, 1] for link in self.rest_body.links]).reshape(1, -1, 3)
        self._rest_heights = self._forward_kinematics(still, hanging)[0][0, :, 1]  # of the bones

    def _forward_kinematics(self, motion: Motion, directions: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        placed = self.skeleton.forward_kinematics(motion)
        return dynamics.attach(self.rest_body.links, directions, *placed) if self.rest_body.links else placed

    def pose(self, motion: Motion, directions: np.ndarray | None = None):
        """Yields the posed body (PosedBody) of every frame of a motion. directions (T, links, 3): of hair and cloth."""
        origins, rotations = self._forward_kinematics(motion, directions)
        p, c = self.person, motion.channels
        labels, blend, centres, frames, scales, shapes = self.rest_body.arrays()
        bone = labels[:, 2]
        point_bones = np.array([b for b, _, _ in self.points])
        offsets, depths = np.stack([o for _, o, _ in self.points]), np.array([d for _, _, d in self.points])
        pattern_radius = np.where(np.arange(len(self._rest_heights)) < 5, 0.085, 0.035) * p.height
        brow = np.multiply(p.hair, 0.75 / 255)
        for t in range(len(motion)):
            rows = np.swapaxes(rotations[t][bone] @ frames, 1, 2) / scales[:, :, None]  # (n, 3, 3)
            centre = origins[t][bone] + rig.rotate(rotations[t][bone], centres)
            points = origins[t][point_bones] + rig.rotate(rotations[t][point_bones], offsets)
            points[1] = (points[2] + points[5]) / 2
            yield PosedBody(
                np.hstack([rows.reshape(-1, 9), centre, shapes, 1 / scales**2]), blend, labels,
                np.hstack([origins[t], rotations[t].reshape(-1, 9), self._rest_heights[:, None],
                           pattern_radius[:, None]]),
                np.array(self.rest_body.materials),
                np.array([p.head * p.height, c["blink"][t], c["mouth"][t], c["smile"][t], c["gaze"][t], p.beard,
                          *np.divide(p.iris, 255), *brow, *np.divide(p.lips, 255),
                          self._rest_heights[CHEST] + 0.045 * p.height]),
                points, depths,
            )

    def _points(self) -> list[tuple[int, np.ndarray, float]]:
        """(bone, offset, depth below the surface) of every point. `pose` moves the neck to the shoulders' middle."""
        p, h, s = self.person, self.person.height, self.skeleton
        hh = p.head * h
        eye = lambda x: (HEAD, self.rest_body.front(x * EYE_X * hh, EYE_Y * hh), 0.03)
        mouth = lambda x: (HEAD, self.rest_body.front(x * 0.105 * hh, MOUTH_Y * hh), 0.03)
        nose = (HEAD, np.array([0, 0.03 * hh, 0.50 * hh]), 0.03)
        ear = lambda x: (HEAD, np.array([x * 0.31 * hh, 0.13 * hh, 0.02 * hh]), 0.09)
        o = np.zeros(3)
        limbs = {}
        for first, x in ((RIGHT, -1), (LEFT, 1)):
            mirror = np.array([x, 1, 1])
            limbs[first] = [
                (first + UPPER_ARM, o, 0.10), (first + FOREARM, o, 0.08), (first + HAND, o, 0.06),
                (first + THIGH, mirror * (0.004 * h, 0.0, 0.0), 0.16),
                (first + SHIN, np.array([0, 0.008 * h, 0]), 0.13),
                (first + FOOT, np.array([0, 0.018 * h, 0]), 0.13)]
        arm, leg = lambda first: limbs[first][:3], lambda first: limbs[first][3:]
        body = [nose, (CHEST, np.array([0, s.shoulder[1], 0]), 0.13), *arm(RIGHT), *arm(LEFT), *leg(RIGHT), *leg(LEFT),
                eye(-1), eye(1), ear(-1), ear(1)]
        feet = [(first + FOOT, np.array([0, 0.014 * h - s.ankle, z * h]), 0.06)
                for first in (RIGHT, LEFT) for z in (-0.034, 0.100)]
        return [*body, *self._hand_points(LEFT), *self._hand_points(RIGHT), *feet, eye(-1), eye(1), mouth(1),
                mouth(-1), nose]

    def _hand_points(self, first) -> list:
        points = [(first + HAND, np.zeros(3), 0.05)]
        for finger, lengths in enumerate(self.skeleton.phalanges()):
            bones = [first + FINGER + 3 * finger + joint for joint in range(3)]
            points += [(bone, np.zeros(3), 0.035) for bone in bones]
            points.append((bones[2], np.array([0, -0.92 * lengths[2], 0]), 0.03))
        return points
