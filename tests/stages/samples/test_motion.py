import numpy as np
import pytest

from stages.pose.skeleton import Pose, person_height
from stages.samples import motion, people, scene
from stages.samples.body import Body
from stages.samples.truth import to_pose

ALL = ("turn", "wave", "squat", "kick", "dance")
SIZE = 256


def poses(person, performed):
    who = people.person(person)
    camera = scene.Camera.from_room(who.room, SIZE)
    return Pose.stack([to_pose(camera.project(posed.points), SIZE) for posed in Body(who).pose(performed)])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_held_out_poses_differ_from_training_poses(seed):
    pose = poses("ava", motion.perform(ALL, seed, 20.0))
    points, height = pose.body[..., :2], np.median(person_height(pose.body))
    train, test = points[:400], points[425:]
    nearest = np.linalg.norm(test[:, None] - train[None], axis=-1).mean(-1).min(1) / height  # mean over joints
    assert np.median(nearest) >= 0.02
    assert np.median(nearest) <= 0.12  # different, but the same kind of motion


def test_the_training_part_shows_the_person_from_every_side():
    yaw = motion.perform(ALL, 1, 20.0).channels["yaw"][:400] % (2 * np.pi)
    seen = np.histogram(yaw, bins=12, range=(0, 2 * np.pi))[0]
    assert (seen > 0).all()


def test_the_seed_determines_the_motion():
    a, b, c = (motion.perform(ALL, seed, 4.0) for seed in (7, 7, 8))
    assert all(np.array_equal(a.channels[name], b.channels[name]) for name in motion.REST)
    assert np.array_equal(a.feet, b.feet)
    assert not np.allclose(a.channels["l_swing"], c.channels["l_swing"])


def test_interpolation_stays_between_the_frames():
    done = motion.perform(ALL, 3, 2.0)
    assert np.allclose(motion.interpolate(done, np.arange(50)).feet, done.feet)
    half = motion.interpolate(done, np.arange(49) + 0.5)
    for values, between in ((done.channels[name], half.channels[name]) for name in motion.REST):
        low, high = np.minimum(values[1:], values[:-1]), np.maximum(values[1:], values[:-1])
        assert (between >= low - 1e-9).all() and (between <= high + 1e-9).all()
    once = motion.interpolate(motion.perform(ALL, 3, 0.04), np.array([-0.2, 0.2]))
    assert len(once) == 2 and np.array_equal(once.feet[0], once.feet[1])


@pytest.mark.parametrize("name", ALL)
def test_a_motion_matches_its_name(name):
    c = motion.perform((name,), 4, 8.0).channels
    measure = {"turn": np.ptp(c["yaw"]), "wave": max(c["l_swing"].max(), c["r_swing"].max()), "squat": c["drop"].max(),
               "kick": max(c["l_raise"].max(), c["r_raise"].max()), "dance": np.ptp(c["shift_x"])}
    least = {"turn": 6.0, "wave": 1.0, "squat": 0.2, "kick": 0.8, "dance": 0.1}
    assert measure[name] >= least[name]


@pytest.mark.parametrize("seed", [0, 5])
def test_feet_stand_still_or_step_one_at_a_time(seed):
    feet = motion.perform(ALL, seed, 20.0).feet
    moved = np.abs(np.diff(feet[..., :3], axis=0)).max(-1) > 1e-9  # (T - 1, 2)
    assert not moved.all(1).any()
    lifted = np.maximum(feet[1:, :, 3], feet[:-1, :, 3]) > 0
    assert not (moved & ~lifted).any()


@pytest.mark.parametrize("seed", [0, 5])
def test_motion_is_continuous_and_stays_in_the_frame(seed):
    pose = poses("ben", motion.perform(ALL, seed, 20.0))
    step = np.linalg.norm(np.diff(pose.body[..., :2], axis=0), axis=-1) / np.median(person_height(pose.body))
    assert step.max() < 0.12  # of the height, in 1/25 s: a fast kick
    assert all((points[..., 2] == 1).all() for points in (pose.body, pose.left_hand, pose.right_hand, pose.feet))
