"""MediaPipe's landmarks as joints; its real networks on a rendered person: body, hands, face and mask of one pass."""

import shutil

import numpy as np
import pytest

from stages import InputError, pretrained
from stages.estimators import blazepose, mediapipe, mediapipe_graph
from stages.pose import skeleton
from stages.pose.skeleton import L_EAR, L_WRIST, NECK, NOSE, R_EAR
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
def seen(stranger):
    """What is seen of the stranger in eight frames."""
    estimator = mediapipe.PoseEstimator("full", "cpu")
    return estimator.sightings(stranger.pictures[:8], [around(stranger.pose)] * 8)


def test_landmarks_become_openpose_joints():
    pose = blazepose.to_pose(*landmarks(5), None)
    names = {0: 0, 2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25, 13: 27, 16: 8, 17: 7}
    assert all(pose.body[joint, 0] == landmark for joint, landmark in names.items())
    assert pose.body[NECK, 0] == 11.5
    assert pose.feet[:, 0].tolist() == [30, 32, 29, 31]
    assert (pose.face[:, 2] < 0.5).all() and not pose.left_hand[:, 2].any()


def test_seen_from_behind_there_is_no_face():
    pose = blazepose.to_pose(*landmarks(-5), None)
    assert not pose.face[:, 2].any() and np.isnan(pose.body[NOSE, 0])
    assert pose.body[R_EAR, 2] > 0


def test_the_mesh_tells_face_and_ears_and_two_networks_the_wrist():
    points, score = landmarks(5)
    points["left_hand"] = np.full((21, 3), 100.0)
    mesh = np.column_stack([np.arange(7.0), np.full(7, 50.0)])
    pose = blazepose.to_pose(points, score, mesh)
    assert np.array_equal(pose.face[:, :2], mesh[:5]) and (pose.face[:, 2] > 0.5).all()
    assert np.array_equal(pose.body[[R_EAR, L_EAR], :2], mesh[5:])
    assert pose.body[L_WRIST, :2].tolist() == [(15 + 100) / 2, (30 + 100) / 2]


def test_every_part_lies_where_it_truly_is(stranger, seen):
    tall = np.median(skeleton.person_height(stranger.pose.body))
    poses = skeleton.Pose.stack([sighting.pose for sighting in seen])
    for name, most in (("body", 0.02), ("face", 0.01), ("feet", 0.04), ("left_hand", 0.03), ("right_hand", 0.03)):
        visible = stranger.visible[name][:8]
        off = np.linalg.norm(getattr(poses, name)[..., :2] - getattr(stranger.pose, name)[:8, :, :2], axis=-1)
        assert np.nanmedian(off[visible]) < most * tall, name
    ears = np.linalg.norm(poses.body[:, [R_EAR, L_EAR], :2] - stranger.pose.body[:8, [R_EAR, L_EAR], :2], axis=-1)
    assert ears[stranger.visible["body"][:8][:, [R_EAR, L_EAR]]].mean() < 0.012 * tall


def test_the_mask_of_the_same_pass_covers_the_person(stranger, seen):
    for sighting, alpha in zip(seen, stranger.alpha):
        assert sighting.silhouette.shape == alpha.shape and sighting.silhouette.dtype == np.float32
        found, true = sighting.silhouette > 0.5, alpha > 127
        assert (found & true).sum() / (found | true).sum() > 0.92


def test_the_same_frames_in_other_batches_give_the_same(stranger, seen):
    """Hands and face are found in threads; neither their order nor the batch shows."""
    estimator, person = mediapipe.PoseEstimator("full", "cpu"), around(stranger.pose)
    again = [sighting for i in (0, 3, 6) for sighting in
             estimator.sightings(stranger.pictures[i : min(i + 3, 8)], [person] * (min(i + 3, 8) - i))]
    for one, other in zip(seen, again, strict=True):
        assert np.array_equal(one.silhouette, other.silhouette)
        assert all(np.array_equal(a, b, equal_nan=True)
                   for a, b in zip(one.pose.columns().values(), other.pose.columns().values()))


def test_nobody_where_nobody_is_or_is_said_to_be(stranger):
    estimator, person = mediapipe.PoseEstimator("full", "cpu"), around(stranger.pose)
    black = np.zeros_like(stranger.plate)
    pictures = [stranger.plate, black, stranger.pictures[0], stranger.pictures[1]]
    found = estimator.sightings(pictures, [person, person, None, person])
    assert [sighting is not None for sighting in found] == [False, False, False, True]


def test_a_person_elsewhere_is_somebody_else(stranger):
    """Two of the same picture side by side: each is found where they are said to be, from the first frame on."""
    picture, person = stranger.pictures[0], around(stranger.pose)
    side = picture.shape[1]
    pair = np.hstack([picture, picture])
    left, top, right, bottom = person.box
    there = Person((left + side, top, right + side, bottom))
    estimator = mediapipe.PoseEstimator("full", "cpu")
    found = estimator.sightings([pair] * 4, [person, there, there, person])
    middles = [np.nanmean(sighting.pose.body[:, 0]) > side for sighting in found]
    assert middles == [False, True, True, False]


@pytest.mark.parametrize("aside", [0.6, 0.9])
def test_beside_a_person_is_nobody(stranger, aside):
    """The network sees a good part of them and would go there."""
    left, top, right, bottom = around(stranger.pose).box
    shift = aside * (bottom - top)
    estimator = mediapipe.PoseEstimator("full", "cpu")
    picture = np.hstack([stranger.pictures[0], stranger.plate])
    assert estimator.sightings([picture] * 2, [Person((left + shift, top, right + shift, bottom))] * 2) == [None, None]


def test_a_model_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="model: heavy: .*pose_landmark_heavy.tflite.*weights fetch.*model: full"):
        mediapipe.PoseEstimator("heavy", "cpu")
    with pytest.raises(InputError, match="no model R50.*full, heavy"):
        mediapipe.Segmenter("R50", "cpu")


def test_a_model_from_elsewhere_stands_for_the_wheels(stranger, seen, tmp_path, monkeypatch):
    """The wheel's own, given as a file, sees what it sees in the wheel."""
    shutil.copy(mediapipe_graph.HOME / "modules/pose_landmark/pose_landmark_full.tflite", tmp_path / HEAVY)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "check", lambda *_: None)
    found = mediapipe.PoseEstimator("heavy", "cpu").sightings(stranger.pictures[:2], [around(stranger.pose)] * 2)
    for one, other in zip(found, seen):
        assert np.array_equal(one.silhouette, other.silhouette)
        assert np.array_equal(one.pose.body, other.pose.body, equal_nan=True)


@pytest.mark.skipif(not pretrained.path_of(HEAVY).exists(), reason=f"{HEAVY} is not in weights/")
def test_the_heavy_model_is_as_good(stranger, seen):
    found = mediapipe.PoseEstimator("heavy", "cpu").sightings(stranger.pictures[:8], [around(stranger.pose)] * 8)

    def off(sightings):
        body = skeleton.Pose.stack([sighting.pose for sighting in sightings]).body
        return np.linalg.norm(body[..., :2] - stranger.pose.body[:8, :, :2], axis=-1)[stranger.visible["body"][:8]]

    assert not np.array_equal(off(found), off(seen)) and np.nanmean(off(found)) < 1.1 * np.nanmean(off(seen))
