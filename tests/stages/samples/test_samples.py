import numpy as np
import pytest

from stages import InputError, samples
from stages.media import video_file
from stages.params import SampleEntry
from stages.pose.skeleton import Pose
from stages.samples import people

ALL = ("turn", "wave", "squat", "kick", "dance")
PATHS = {"video": "x.mp4", "truth": "x.parquet", "alpha": "x.mkv", "plate": "x.png"}


def render(folder, params):
    paths = {name: folder / file for name, file in PATHS.items()}
    samples.run(**paths, params=params)
    return paths


@pytest.fixture(scope="module", params=["plain", "hard"])
def sample(request):
    return SampleEntry(person="ben", motions=("wave", "kick"), seed=3, seconds=0.4, size=128, world=request.param)


@pytest.fixture(scope="module")
def written(sample, tmp_path_factory):
    return render(tmp_path_factory.mktemp("sample"), sample)


def test_video_alpha_plate_and_truth_agree(sample, written):
    import cv2
    shots = list(video_file.frames(written["video"]))
    masks = list(video_file.frames(written["alpha"], "gray"))
    plate = cv2.imread(str(written["plate"]))[..., ::-1].astype(float)
    pose, visible = samples.read_truth(written["truth"])
    true = list(samples.frames(sample.person, sample.motions, sample.seed, sample.seconds, sample.size,
                               sample.world))
    assert len(shots) == len(masks) == len(pose) == len(true) == 10
    assert video_file.frame_rate(written["video"]) == 25
    for i, (rgb, alpha, true_pose, seen) in enumerate(true):
        assert np.array_equal(masks[i], alpha)
        assert np.array_equal(pose[i].body, true_pose.body) and np.array_equal(visible["body"][i], seen[:18])
        noise = shots[i].astype(float) - rgb
        assert 1 < noise[:60].std() < 8  # of the sensor and of H.264
        wall = (alpha == 0) & (np.arange(128)[:, None] < 70)
        darker = (plate - rgb)[wall]
        assert darker.min() >= -1
        # in the hard world, the person casts a shadow on the wall
        assert 30 < darker.max() < 150 if sample.world == "hard" else darker.max() <= 1
    for part in ("body", "left_hand", "right_hand", "feet", "face"):
        points = getattr(pose, part)
        assert points.shape[:2] == visible[part].shape and (points[..., 2] == 1).all()


def test_visible_joints_are_on_the_person(sample, written):
    masks = list(video_file.frames(written["alpha"], "gray"))
    pose, visible = samples.read_truth(written["truth"])
    for mask, points, seen in zip(masks, pose.body, visible["body"]):
        x, y = points[seen, :2].astype(int).T
        assert (mask[y, x] > 127).mean() > 0.95


def test_same_entry_same_bytes(sample, written, tmp_path):
    again = render(tmp_path, sample)
    for name in PATHS:
        assert again[name].read_bytes() == written[name].read_bytes(), name


def test_another_person_performs_the_same_motion(sample, written, tmp_path):
    pose, _ = samples.read_truth(render(tmp_path, sample.model_copy(update={"person": "ava"}))["truth"])
    ben, _ = samples.read_truth(written["truth"])
    unit = lambda p: (p.body[..., :2] - p.body[:1, 1:2, :2]) / np.ptp(p.body[0, :, 1])
    assert np.abs(unit(pose) - unit(ben)).mean() < 0.03
    assert not np.array_equal(pose.body, ben.body)


def test_points_outside_the_frame_have_score_0():
    pixels = np.full((69, 2), 10.0)
    pixels[3] = (-1, 5)
    pose = samples.to_pose(pixels, 64)
    assert isinstance(pose, Pose) and pose.body[3, 2] == 0 and pose.body[3, 0] == -1 and pose.body[4, 2] == 1


@pytest.mark.parametrize("person,motions,seconds,message", [
    ("nobody", ALL, 1.0, "ava, ben, cleo or stranger_<number>"),
    ("stranger_x", ALL, 1.0, "unknown person"),
    ("ava", (), 1.0, "at least one motion"),
    ("ava", ALL, 0.0, "at least one motion"),
])
def test_wrong_input(person, motions, seconds, message):
    with pytest.raises(InputError, match=message):
        next(samples.frames(person, motions, 0, seconds, 64))


def test_strangers_differ_by_their_number():
    assert people.person("stranger_1") == people.person("stranger_1") != people.person("stranger_2")


@pytest.mark.parametrize("person,world", [
    ("ava", "plain"), ("ben", "plain"), ("cleo", "plain"), ("stranger_6", "plain"), ("ava", "hard"), ("cleo", "hard")])
def test_mediapipe_finds_the_person(person, world, monkeypatch):
    """In every twelfth frame; only these are rendered."""
    monkeypatch.setattr(samples, "ordered_map", lambda shoot, poses: map(shoot, list(poses)[::12]))
    solutions = pytest.importorskip("mediapipe").solutions
    with solutions.pose.Pose(static_image_mode=True, model_complexity=1) as estimator:
        for rgb, _, pose, seen in samples.frames(person, ("wave", "kick"), 2, 1.0, 256, world):
            found = estimator.process(rgb).pose_landmarks
            assert found
            wanted = {2: 12, 3: 14, 4: 16, 5: 11, 6: 13, 7: 15, 8: 24, 9: 26, 10: 28, 11: 23, 12: 25, 13: 27, 0: 0}
            ours = np.array([joint for joint in wanted if seen[joint]])
            theirs = np.array([(256 * found.landmark[wanted[j]].x, 256 * found.landmark[wanted[j]].y) for j in ours])
            off = np.linalg.norm(theirs - pose.body[ours, :2], axis=-1) / 180
            assert np.median(off) < 0.03
