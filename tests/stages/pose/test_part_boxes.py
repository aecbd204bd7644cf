"""Boxes of body parts and their crops."""

import cv2
import numpy as np
import pytest

from stages.pose import part_boxes
from stages.pose.skeleton import L_ELBOW, L_WRIST, Pose


def smooth(size=96, channels=4):
    noise = np.random.default_rng(0).random((size, size, channels)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def standing() -> Pose:
    """A person 150 pixels high with all points known."""
    body = np.array([(100, 40), (100, 60), (85, 60), (75, 90), (72, 115), (115, 60), (125, 90), (128, 115), (90, 115),
                     (89, 150), (88, 190), (110, 115), (111, 150), (112, 190), (96, 36), (104, 36),
                     (92, 38), (108, 38)])
    hand = np.linspace(0, 12, 21)[:, None] * [0, 1]
    feet = np.array([(88, 194), (82, 198), (112, 194), (118, 198)])
    face = np.array([(96, 36), (104, 36), (103, 46), (97, 46), (100, 41)])
    sets = body, body[L_WRIST] + hand, body[4] + hand, feet, face
    return Pose(*(np.column_stack([points, np.ones(len(points))]).astype(np.float32) for points in sets))


@pytest.mark.parametrize("box, side", [
    ((20, 30, 52, 62), 32), ((20, 30, 52, 62), 48), ((20.3, 30.7, 51.3, 61.7), 48), ((-6.5, 70.2, 33.5, 110.2), 48),
])
def test_a_crop_equals_bilinear_sampling_at_its_pixel_centres(box, side):
    image = smooth()
    scale = (box[2] - box[0]) / side
    x = box[0] + (np.arange(side) + 0.5) * scale - 0.5
    y = box[1] + (np.arange(side) + 0.5) * scale - 0.5
    grid = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    expected = cv2.remap(image, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    assert np.abs(part_boxes.crop(image, np.array(box), side) - expected).max() < 0.02


def test_a_reduced_crop_is_averaged():
    image = smooth()
    blocks = image[16:80, 8:72].reshape(16, 4, 16, 4, 4).mean((1, 3))
    assert np.abs(part_boxes.crop(image, np.array([8, 16, 72, 80.0]), 16) - blocks).max() < 1e-4


def test_boxes_are_squares_around_their_parts():
    pose = standing()
    boxes = part_boxes.part_boxes(pose, 256)
    assert np.allclose(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    for box, points in zip(boxes, (pose.face, pose.right_hand, pose.left_hand, pose.feet[:2], pose.feet[2:])):
        assert (points[:, :2] > box[:2]).all() and (points[:, :2] < box[2:]).all()


def test_a_hand_without_landmarks_is_extrapolated_from_the_arm_and_unknown_without_an_elbow():
    pose = standing()
    pose.left_hand[:] = [np.nan, np.nan, 0]
    boxes = part_boxes.part_boxes(pose, 256)
    centre = (boxes[2, :2] + boxes[2, 2:]) / 2
    forearm = pose.body[L_WRIST, :2] - pose.body[L_ELBOW, :2]
    assert (centre - pose.body[L_WRIST, :2]) @ forearm > 0
    pose.body[L_ELBOW] = [np.nan, np.nan, 0]
    assert np.isnan(part_boxes.part_boxes(pose, 256)[2]).all()
    assert np.isnan(part_boxes.part_boxes(Pose.unknown(), 256)).all()
