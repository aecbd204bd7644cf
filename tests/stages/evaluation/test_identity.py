"""Placing faces and comparing them, with a descriptor that is easy to reckon with: the face's own pixels, made small.
dlib's network is asked, too."""

import cv2
import numpy as np
import pytest

from stages import params, pretrained, samples
from stages.evaluation import identity
from stages.evaluation.identity import PLACES, SIDE, Identity
from stages.media import video_file
from stages.pose.skeleton import Pose
from stages.samples.truth import read_truth


def small(faces):
    """Grey, 10 x 10, without its mean."""
    grey = (cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces)
    little = [cv2.resize(face, (10, 10), interpolation=cv2.INTER_AREA) for face in grey]
    vectors = np.array(little, float).reshape(len(faces), -1)  # (N, 10, 10) -> (N, 100)
    return vectors - vectors.mean(1, keepdims=True)


def somebody(seed):
    """A picture of coloured patches, and where its face is said to be."""
    noise = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), np.uint8)
    points = np.array([(60, 50), (90, 52), (86, 84), (62, 83), (76, 66)], float)
    return cv2.resize(noise, (144, 144), interpolation=cv2.INTER_CUBIC), np.column_stack([points, np.ones(5)])


def moved(face, degrees, scale, size=200, light=1.0):
    picture, points = face
    matrix = cv2.getRotationMatrix2D((72, 72), degrees, scale) + [[0, 0, 30], [0, 0, 20]]
    shifted = points[:, :2] - 0.5  # pixel centres
    there = shifted @ matrix[:, :2].T + matrix[:, 2] + 0.5
    picture = cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_CUBIC)
    return np.clip(picture * light, 0, 255).astype(np.uint8), np.column_stack([there, points[:, 2]])


@pytest.mark.parametrize("degrees, scale", [(0, 1), (0, 0.4), (25, 0.7), (-80, 1.3)])
def test_a_face_is_placed_wherever_it_is(degrees, scale):
    """Four dots at the corners of dlib's places, moved about, come back there."""
    picture, points = np.zeros((144, 144, 3), np.uint8), np.ones((5, 3))
    points[:4, :2], points[4, :2] = PLACES * 0.5 + 30, (70, 70)
    for x, y in points[:4, :2]:
        cv2.circle(picture, (round((x - 0.5) * 16), round((y - 0.5) * 16)), 4 << 4, (255, 255, 255), -1, shift=4)
    placed = identity.place(*moved((picture, points), degrees, scale))
    assert placed.shape == (SIDE, SIDE, 3)
    _, _, _, middles = cv2.connectedComponentsWithStats((placed[..., 0] > 127).astype(np.uint8))
    found = middles[1:] + 0.5
    assert len(found) == 4
    assert max(np.linalg.norm(found - place, axis=1).min() for place in PLACES) < 1


def test_a_face_is_like_itself_however_it_stands_and_unlike_another():
    ann, bob = somebody(1), somebody(2)
    own = Identity([moved(ann, angle, 0.8) for angle in (-10, 0, 10)], small)
    assert own(*moved(ann, 20, 1.1)) > 0.97 and own(*moved(ann, -5, 0.6, light=0.8)) > 0.97
    assert abs(own(*bob)) < 0.5
    blurred = cv2.GaussianBlur(ann[0], (0, 0), 6), ann[1]
    assert abs(own(*bob)) < own(*blurred) < own(*ann)


def test_the_own_similarity_leaves_each_face_out():
    faces = [moved(somebody(seed), 5 * seed, 1) for seed in (1, 1, 1, 2)]
    vectors = small([identity.place(*face) for face in faces])
    unit = [vector / np.sqrt(vector @ vector) for vector in vectors]
    others = [sum(unit[:i] + unit[i + 1 :]) for i in range(4)]
    expected = np.mean([unit[i] @ others[i] / np.sqrt(others[i] @ others[i]) for i in range(4)])
    found = Identity(faces, small)
    assert found.own == pytest.approx(expected)
    assert found(*somebody(3)) == pytest.approx(
        sum(unit) @ (new := small([identity.place(*somebody(3))])[0]) / np.linalg.norm(sum(unit)) / np.linalg.norm(new))


def test_what_is_not_known_is_not_compared():
    picture, points = somebody(1)
    hidden = points.copy()
    hidden[2] = np.nan, np.nan, 0
    assert identity.place(picture, hidden) is None
    assert identity.place(picture, np.ones((5, 3))) is None  # no size
    assert np.isnan(Identity([(picture, points)], small)(picture, hidden))
    nobody = Identity([(picture, hidden)], small)
    assert np.isnan(nobody.own) and np.isnan(nobody(picture, points))
    assert np.isnan(Identity([(picture, points)], small).own)


def test_clear_faces_of_usable_frames_are_the_persons_own(lossless):
    faces, poses = [somebody(1)] * 3 + [somebody(2)] * 3, Pose.unknown(6)
    poses.face[:] = [points for _, points in faces]
    poses.face[1, 0, 2] = 0.4  # an eye that is not sure
    frames = lossless("frames.mkv", [picture for picture, _ in faces])
    asked = []
    own = Identity.of(frames, poses, np.arange(4), lambda faces: asked.append(len(faces)) or small(faces))
    assert asked == [3]  # frames 0, 2 and 3
    expected = Identity([faces[0], faces[2], faces[3]], small)
    assert own.own == pytest.approx(expected.own) and own(*faces[5]) == pytest.approx(expected(*faces[5]))


def test_of_a_long_video_some_are_enough(lossless):
    poses, asked = Pose.unknown(90), []
    poses.face[:] = somebody(1)[1]
    Identity.of(lossless("frames.mkv", [somebody(1)[0]] * 90), poses, np.arange(90),
                lambda faces: asked.append(len(faces)) or small(faces))
    assert asked == [identity.MOST]


def test_without_its_weights_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    with pytest.raises(pretrained.MissingWeights, match=f"(?s){pretrained.FACES}.*weights take"):
        identity.dlib_describer()


def test_dlib_tells_rendered_people_apart(trained, stranger, tmp_path):
    paths = {"video": tmp_path / "other.mp4", "truth": tmp_path / "other.parquet", "alpha": tmp_path / "alpha.mkv",
             "plate": tmp_path / "plate.png"}
    samples.run(**paths, params=params.SampleEntry(person="stranger_8", motions=("wave",), seed=5, seconds=0.2, size=256))
    describe = identity.dlib_describer()
    own = Identity(list(zip(stranger.pictures, stranger.pose.face))[::2], describe)
    mine = [own(*face) for face in list(zip(stranger.pictures, stranger.pose.face))[1::4]]
    theirs = [own(*face) for face in zip(video_file.frames(paths["video"]), read_truth(paths["truth"])[0].face)]
    assert min(mine) > max(theirs) + 0.01 and own.own > 0.95
