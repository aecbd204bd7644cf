"""MediaPipe's landmarks as joints, and its real networks on a rendered person: body, hands, face and mask."""

import shutil

import numpy as np
import pytest

from stages import InputError, pretrained
from stages.estimators import blazepose, mediapipe, mediapipe_graph
from stages.pose import skeleton
from stages.pose.skeleton import L_EAR, L_WRIST, NECK, NOSE, R_EAR, R_ELBOW, R_WRIST
from stages.tracking.boxes import Person

HEAVY = "pose_landmark_heavy.tflite"


def landmarks(facing: float) -> tuple[dict, np.ndarray]:
    """BlazePose's landmarks of a column of points; `facing`: how much nearer the nose is than the ears."""
    body = np.column_stack([np.arange(33.0), np.arange(33.0) * 2, np.zeros(33)])
    body[0, 2] = -facing
    return {"body": body}, np.full(33, 0.9)


def around(pose: skeleton.Pose, room: float = 10) -> Person:
    xy = pose.body[..., :2].reshape(-1, 2)
    return Person((*(xy.min(0) - room), *(xy.max(0) + room)))


@pytest.fixture(scope="module")
def detected(stranger):
    """Detections of the rendered person in eight frames."""
    estimator = mediapipe.PoseEstimator("full", "cpu")
    return estimator.estimate(stranger.pictures[:8], [around(stranger.pose)] * 8)


def test_landmarks_become_openpose_joints():
    pose = blazepose.to_pose(*landmarks(5), None)
    names = {0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25, 13: 27, 16: 8, 17: 7}
    assert all(pose.body[joint, 0] == landmark for joint, landmark in names.items())
    assert pose.body[NECK, 0] == 11.5
    assert pose.feet[:, 0].tolist() == [30, 32, 29, 31]
    assert (pose.face[:, 2] < 0.5).all() and not pose.left_hand[:, 2].any()


def test_depth_is_relative_to_the_trunk_and_to_the_height():
    """A hand 30 pixels in front of hips and shoulders, which are at the same depth; unknown for an unknown joint."""
    points, score = landmarks(5)
    points["body"][:, 2] = 7.0
    points["body"][16, 2], score[14] = -23, 0
    pose = blazepose.to_pose(points, score, None)
    height = blazepose.body_height(points["body"])
    assert pose.depth[[NECK, L_WRIST]].tolist() == [0, 0] and np.isnan(pose.depth[R_ELBOW])
    assert pose.depth[R_WRIST] == pytest.approx(-30 / height)


def test_seen_from_behind_there_is_no_face():
    pose = blazepose.to_pose(*landmarks(-5), None)
    assert not pose.face[:, 2].any() and np.isnan(pose.body[NOSE, 0])
    assert pose.body[R_EAR, 2] > 0


def test_face_and_ears_come_from_the_mesh_and_wrists_from_two_networks():
    points, score = landmarks(5)
    points["left_hand"] = np.tile([16.0, 31, 0], (21, 1))
    mesh = np.column_stack([np.arange(7.0), np.full(7, 50.0)])
    pose = blazepose.to_pose(points, score, mesh)
    assert np.array_equal(pose.face[:, :2], mesh[:5]) and (pose.face[:, 2] > 0.5).all()
    assert np.array_equal(pose.body[[R_EAR, L_EAR], :2], mesh[5:])
    assert pose.body[L_WRIST, :2].tolist() == [(15 + 16) / 2, (30 + 31) / 2]
    points["left_hand"] += 100  # far from the wrist: not this hand
    pose = blazepose.to_pose(points, score, mesh)
    assert pose.body[L_WRIST, :2].tolist() == [15, 30] and not pose.left_hand[:, 2].any()


def test_every_part_is_at_its_true_position(stranger, detected):
    height = np.median(skeleton.person_height(stranger.pose.body))
    poses = skeleton.Pose.stack([detection.pose for detection in detected])
    for name, most in (("body", 0.02), ("face", 0.01), ("feet", 0.04), ("left_hand", 0.03), ("right_hand", 0.03)):
        visible = stranger.visible[name][:8]
        off = np.linalg.norm(getattr(poses, name)[..., :2] - getattr(stranger.pose, name)[:8, :, :2], axis=-1)
        assert np.nanmedian(off[visible]) < most * height, name
    ears = np.linalg.norm(poses.body[:, [R_EAR, L_EAR], :2] - stranger.pose.body[:8, [R_EAR, L_EAR], :2], axis=-1)
    assert ears[stranger.visible["body"][:8][:, [R_EAR, L_EAR]]].mean() < 0.012 * height


def test_the_silhouette_covers_the_person(stranger, detected):
    for detection, alpha in zip(detected, stranger.alpha):
        assert detection.silhouette.shape == alpha.shape and detection.silhouette.dtype == np.float32
        found, true = detection.silhouette > 0.5, alpha > 127
        assert (found & true).sum() / (found | true).sum() > 0.92


def test_results_do_not_depend_on_the_batches(stranger, detected):
    """Nor on the order of the threads for hands and face."""
    estimator, person = mediapipe.PoseEstimator("full", "cpu"), around(stranger.pose)
    again = [detection for i in (0, 3, 6) for detection in
             estimator.estimate(stranger.pictures[i : min(i + 3, 8)], [person] * (min(i + 3, 8) - i))]
    for one, other in zip(detected, again, strict=True):
        assert np.array_equal(one.silhouette, other.silhouette)
        assert all(np.array_equal(a, b, equal_nan=True)
                   for a, b in zip(one.pose.columns().values(), other.pose.columns().values()))


def test_no_detection_without_a_person_in_image_or_input(stranger):
    estimator, person = mediapipe.PoseEstimator("full", "cpu"), around(stranger.pose)
    black = np.zeros_like(stranger.plate)
    pictures = [stranger.plate, black, stranger.pictures[0], stranger.pictures[1]]
    found = estimator.estimate(pictures, [person, person, None, person])
    assert [detection is not None for detection in found] == [False, False, False, True]


def test_the_person_at_the_given_position_is_found(stranger):
    """Two copies of a person side by side: the one at the given position is found, from the first frame on."""
    picture, person = stranger.pictures[0], around(stranger.pose)
    side = picture.shape[1]
    pair = np.hstack([picture, picture])
    left, top, right, bottom = person.box
    there = Person((left + side, top, right + side, bottom))
    estimator = mediapipe.PoseEstimator("full", "cpu")
    found = estimator.estimate([pair] * 4, [person, there, there, person])
    middles = [np.nanmean(detection.pose.body[:, 0]) > side for detection in found]
    assert middles == [False, True, True, False]


@pytest.mark.parametrize("aside", [0.6, 0.9])
def test_no_detection_next_to_a_person(stranger, aside):
    """A large part of the person is inside the region, and the network would move to it."""
    left, top, right, bottom = around(stranger.pose).box
    shift = aside * (bottom - top)
    estimator = mediapipe.PoseEstimator("full", "cpu")
    picture = np.hstack([stranger.pictures[0], stranger.plate])
    assert estimator.estimate([picture] * 2, [Person((left + shift, top, right + shift, bottom))] * 2) == [None, None]


def test_the_error_names_a_missing_model(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="model: heavy: .*pose_landmark_heavy.tflite.*weights fetch.*model: full"):
        mediapipe.PoseEstimator("heavy", "cpu")
    with pytest.raises(InputError, match="no model R50.*full, heavy"):
        mediapipe.Segmenter("R50", "cpu")


def test_a_model_file_replaces_that_of_the_wheel(stranger, detected, tmp_path, monkeypatch):
    """A copy of the wheel's model gives the same results."""
    shutil.copy(mediapipe_graph.HOME / "modules/pose_landmark/pose_landmark_full.tflite", tmp_path / HEAVY)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "check", lambda *_: None)
    found = mediapipe.PoseEstimator("heavy", "cpu").estimate(stranger.pictures[:2], [around(stranger.pose)] * 2)
    for one, other in zip(found, detected):
        assert np.array_equal(one.silhouette, other.silhouette)
        assert np.array_equal(one.pose.body, other.pose.body, equal_nan=True)


@pytest.mark.skipif(not pretrained.path_of(HEAVY).exists(), reason=f"{HEAVY} is not in weights/")
def test_the_heavy_model_is_as_good(stranger, detected):
    found = mediapipe.PoseEstimator("heavy", "cpu").estimate(stranger.pictures[:8], [around(stranger.pose)] * 8)

    def off(detections):
        body = skeleton.Pose.stack([detection.pose for detection in detections]).body
        return np.linalg.norm(body[..., :2] - stranger.pose.body[:8, :, :2], axis=-1)[stranger.visible["body"][:8]]

    assert not np.array_equal(off(found), off(detected)) and np.nanmean(off(found)) < 1.1 * np.nanmean(off(detected))
