import numpy as np
import pytest

from stages.samples import motion, people
from stages.samples.rig import (
    CHEST, FOOT, FOREARM, HAND, LEFT, NUM_BONES, RIGHT, SHIN, THIGH, UPPER_ARM, Skeleton, rotation,
)

PERFORMED = motion.perform(("squat", "kick", "turn", "dance", "wave"), 3, 12.0)
WHO = ("ava", "ben", "cleo", "stranger_4")


@pytest.mark.parametrize("name", WHO)
def test_bones_keep_their_length(name):
    skeleton = Skeleton.from_person(people.person(name))
    origins, turns = skeleton.forward_kinematics(PERFORMED)
    assert origins.shape == (len(PERFORMED), NUM_BONES, 3)
    assert np.allclose(turns @ np.swapaxes(turns, -1, -2), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(turns), 1, atol=1e-6)
    for first in (LEFT, RIGHT):
        for a, b, length in ((UPPER_ARM, FOREARM, skeleton.upper_arm), (FOREARM, HAND, skeleton.forearm),
                             (THIGH, SHIN, skeleton.thigh), (SHIN, FOOT, skeleton.shin)):
            bone = origins[:, first + a] - origins[:, first + b]
            assert np.allclose(np.linalg.norm(bone, axis=-1), length, atol=1e-6)


@pytest.mark.parametrize("name", WHO)
def test_a_standing_foot_stays_where_its_step_ended(name):
    skeleton = Skeleton.from_person(people.person(name))
    origins, _ = skeleton.forward_kinematics(PERFORMED)
    for index, (first, kick) in enumerate(((LEFT, "l_kick"), (RIGHT, "r_kick"))):
        stands = PERFORMED.channels[kick] == 0
        x, z, _, lift = PERFORMED.feet[stands, index].T
        wanted = np.stack([x * skeleton.height, skeleton.ankle + lift * skeleton.height, z * skeleton.height], -1)
        assert np.abs(origins[stands, first + FOOT] - wanted).max() < 0.02 * skeleton.height
        assert np.median(np.abs(origins[stands, first + FOOT] - wanted)) < 1e-6
        assert origins[:, first + FOOT, 1].min() > 0.9 * skeleton.ankle


def test_joint_angles_do_not_depend_on_the_person():
    _, one = Skeleton.from_person(people.person("ava")).forward_kinematics(PERFORMED)
    _, other = Skeleton.from_person(people.person("ben")).forward_kinematics(PERFORMED)
    for bone in (LEFT + UPPER_ARM, RIGHT + HAND):
        local = [np.swapaxes(turns[:, CHEST], -1, -2) @ turns[:, bone] for turns in (one, other)]
        assert np.allclose(*local, atol=1e-6)


def test_rotations_follow_the_right_hand_rule():
    assert np.allclose(rotation(np.array([0, 0, 1.0]), np.pi / 2) @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(rotation(np.array([1.0, 0, 0]), np.pi / 2) @ [0, 1, 0], [0, 0, 1])
