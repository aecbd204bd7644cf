"""COCO's keypoints as a pose, and extrapolated feet compared with those of a rendered person."""

import numpy as np
import pytest
from torchvision.models.detection.keypoint_rcnn import KeypointRCNN_ResNet50_FPN_Weights

from stages.estimators import coco
from stages.pose import skeleton

NAMES = KeypointRCNN_ResNet50_FPN_Weights.DEFAULT.meta["keypoint_names"]
JOINTS = {name: getattr(skeleton, name.upper().replace("LEFT_", "L_").replace("RIGHT_", "R_")) for name in NAMES}


@pytest.fixture
def keypoints():
    return np.column_stack([np.arange(17) * 3.0, 100 - np.arange(17) ** 2 / 4, np.linspace(0.3, 1, 17)])


def test_every_keypoint_becomes_the_joint_of_its_name(keypoints):
    pose = coco.to_pose(keypoints)
    assert sorted([*JOINTS.values(), skeleton.NECK]) == list(range(18))
    for name, joint in JOINTS.items():
        np.testing.assert_allclose(pose.body[joint], keypoints[NAMES.index(name)], rtol=1e-6, err_msg=name)


def test_the_neck_is_the_middle_of_the_shoulders_with_the_lower_score(keypoints):
    left, right = keypoints[[NAMES.index("left_shoulder"), NAMES.index("right_shoulder")]]
    wanted = [*(left[:2] + right[:2]) / 2, min(left[2], right[2])]
    np.testing.assert_allclose(coco.to_pose(keypoints).body[skeleton.NECK], wanted, rtol=1e-6)


def test_eyes_and_nose_are_known_mouth_and_hands_are_not(keypoints):
    pose = coco.to_pose(keypoints)
    five = [NAMES.index(name) if name else None for name in ("right_eye", "left_eye", None, None, "nose")]
    for point, keypoint in zip(pose.face, five):
        if keypoint is None:
            assert point[2] == 0 and np.isnan(point[:2]).all()
        else:
            np.testing.assert_allclose(point, keypoints[keypoint], rtol=1e-6)
    assert not pose.left_hand[:, 2].any() and not pose.right_hand[:, 2].any()


def test_hidden_keypoints_and_points_derived_from_them_are_unknown(keypoints):
    keypoints[[NAMES.index("left_shoulder"), NAMES.index("right_ankle")]] = [7, 7, 0]
    pose = coco.to_pose(keypoints)
    unknown = np.isnan(pose.body[:, 0])
    assert np.flatnonzero(unknown).tolist() == sorted([skeleton.L_SHOULDER, skeleton.NECK, skeleton.R_ANKLE])
    assert np.isnan(pose.feet[:, 0]).tolist() == [True, True, False, False]  # right heel and toe, left heel and toe


def test_feet_are_near_those_of_a_rendered_person(stranger):
    """Median error below 5 % of the height, and clearly below that of the ankle."""
    errors = {"extrapolated": [], "ankle": []}
    for true, visible in zip((stranger.pose[i] for i in range(len(stranger.pose))), stranger.visible["feet"]):
        keypoints = np.array([true.body[JOINTS[name]] for name in NAMES])
        feet, height = coco.to_pose(keypoints).feet, skeleton.person_height(true.body)
        ankles = true.body[[skeleton.R_ANKLE] * 2 + [skeleton.L_ANKLE] * 2]
        assert (feet[:, 2] < ankles[:, 2]).all() and (feet[:, 2] > 0).all()
        for name, points in (("extrapolated", feet), ("ankle", ankles)):
            errors[name] += list(np.linalg.norm(points[:, :2] - true.feet[:, :2], axis=1)[visible] / height)
    assert np.median(errors["extrapolated"]) < 0.05
    assert np.median(errors["extrapolated"]) < 0.6 * np.median(errors["ankle"])
