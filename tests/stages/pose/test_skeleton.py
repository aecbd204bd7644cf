import numpy as np
import pytest

from stages.pose import skeleton


def pose_with(**points) -> skeleton.Pose:
    pose = skeleton.Pose.unknown()
    for joint, xy in points.items():
        pose.body[getattr(skeleton, joint)] = (*xy, 1)
    return pose


def test_a_joint_is_drawn_where_it_is():
    picture = skeleton.draw(pose_with(NOSE=(20.5, 11.5)), 64)
    weight = picture.sum(-1) / picture.sum()
    y, x = np.mgrid[:64, :64] + 0.5  # pixel centres
    assert ((weight * x).sum(), (weight * y).sum()) == pytest.approx((20.5, 11.5), abs=0.1)


def test_drawing_at_half_size_is_the_drawing_of_half_coordinates():
    pose = pose_with(NOSE=(20, 12), NECK=(22, 30))
    half = pose.map(lambda points: points * (0.5, 0.5, 1))
    assert np.array_equal(skeleton.draw(pose, 32, 0.5), skeleton.draw(half, 32))


def test_unknown_joints_and_their_limbs_are_left_out():
    assert skeleton.draw(pose_with(), 32).sum() == 0
    one_end = skeleton.draw(pose_with(NECK=(16, 16)), 32)
    assert one_end[16, 16].any() and not one_end[16, 22:].any()


def test_parts_far_outside_the_frame_do_not_fail():
    assert skeleton.draw(pose_with(NOSE=(1e6, -1e6), NECK=(1e7, 5)), 32, parts=skeleton.DRAWN_PARTS).shape == (32, 32, 3)


@pytest.mark.parametrize("points, height", [
    ({"NOSE": (10, 10), "R_ANKLE": (8, 60), "L_ANKLE": (12, 60)}, 50),
    ({"R_EAR": (9, 10), "L_EAR": (11, 10), "R_ANKLE": (10, 60)}, 50),
    ({"NOSE": (10, 10)}, np.nan),
])
def test_person_height(points, height):
    assert skeleton.person_height(pose_with(**points).body) == pytest.approx(height, nan_ok=True)
