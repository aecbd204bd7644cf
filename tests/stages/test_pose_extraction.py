"""Poses compared with the rendered ground truth, for people who are missing, cut off, seen from behind, small, or
replaced."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from stages import InputError, pose_extraction
from stages.estimators import pose_estimator
from stages.estimators.pose_estimator import PoseDetection
from stages.media import parquet, video_file
from stages.media.pose_table import read_poses
from stages.pose import skeleton
from stages.pose.skeleton import L_ANKLE, L_HIP, L_KNEE, NECK, NOSE, R_ANKLE, R_HIP, R_KNEE, R_WRIST, Pose
from stages.samples import motion, people, render, scene
from stages.samples.body import Body
from stages.samples.truth import to_pose
from tests.stages.duo import walking

RIGHT_LEG, LEFT_LEG = (R_HIP, R_KNEE, R_ANKLE), (L_HIP, L_KNEE, L_ANKLE)


def box_of(pose: Pose, room: float = 10) -> np.ndarray:
    """The bounding box of a person's true points over all frames."""
    xy = pose.body[..., :2].reshape(-1, 2)
    return np.concatenate([xy.min(0) - room, xy.max(0) + room])


@pytest.fixture
def extract(tmp_path, config, stranger):
    """Like `extracting`, in the test's folder."""
    return extracting(tmp_path, config, stranger)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, config, stranger):
    """The stage's results for the stranger's video; not to be modified."""
    return extracting(tmp_path_factory.mktemp("whole"), config, stranger)(stranger.pictures)


def extracting(folder, config, stranger):
    """Runs the stage on pictures. Returns the poses, the other columns, `about` and the silhouettes.

    box: of the person, or one for each frame. crop: of the video that the pictures show. frame: its size."""
    def extract(pictures, box=None, crop=(0, 0, 256), frame=(256, 256), fps=25.0, people=1, **changes):
        count = len(pictures)
        files = {"timeline": folder / "frames.parquet", "view": folder / "view.parquet",
                 "poses": folder / "poses.parquet", "silhouettes": folder / "silhouettes.mkv"}
        with video_file.lossless(folder / "frames.mkv", fps) as add:
            for picture in pictures:
                add(picture)
        parquet.write(files["timeline"], parquet.TIMELINE, {
            "frame": np.arange(count), "seconds": np.arange(count) / fps, "split": [None] * count, "take": [0] * count,
        }, {"fps": fps, "file": "wave.mp4", "crop": list(crop), "size": pictures[0].shape[0], "full_size": list(frame)})
        parquet.write(files["view"], parquet.VIEW, {
            "frame": np.arange(count), "people": [people] * count, "light": np.tile([1, 0] * 3, (count, 1)),
            "box": np.broadcast_to(box_of(stranger.pose) if box is None else box, (count, 4)),
            "camera": np.tile(np.eye(3).ravel(), (count, 1)).tolist(),
        }, {"moving": False, "reference": 0, "frame_size": list(frame)})
        block = config.presets["demo"].pose_extraction.model_copy(update=changes)
        pose_extraction.run(frames=folder / "frames.mkv", **files, params=block)
        pose, columns, about = read_poses(files["poses"])
        masks = np.stack(list(video_file.frames(files["silhouettes"], "gray")))
        return SimpleNamespace(pose=pose, columns=columns, about=about, masks=masks, files=files)
    return extract


@pytest.fixture(scope="module")
def behind():
    """Six frames of a person seen from behind, with the true poses."""
    who = people.person("stranger_7")
    camera, empty = scene.Camera.from_room(who.room, 256), scene.plate(who.room, 256)
    turned = walking(motion.perform(("wave",), 5, 0.24), np.zeros(6), np.zeros(6), np.full(6, np.pi))
    pictures, poses = [], []
    for posed in Body(who).pose(turned):
        rgb, cover, kept = render.draw([posed], camera, who.room.light)
        pictures.append(np.rint(255 * (cover * rgb + (1 - cover) * empty * kept[..., None])).astype(np.uint8))
        poses.append(to_pose(camera.project(posed.points), 256))
    return pictures, Pose.stack(poses)


def off_by(found: Pose, true: Pose, visible=None) -> np.ndarray:
    """Distances of the joints in heights, of the visible ones if given."""
    off = np.linalg.norm(found.body[..., :2] - true.body[..., :2], axis=-1)
    off = off / np.median(skeleton.person_height(true.body))
    return off if visible is None else off[visible["body"]]


def test_joints_and_face_are_accurate(stranger, whole):
    found = whole
    tall = np.median(skeleton.person_height(stranger.pose.body))
    assert (off_by(found.pose, stranger.pose, stranger.visible) < 0.05).mean() > 0.97
    face = np.linalg.norm(found.pose.face[..., :2] - stranger.pose.face[..., :2], axis=-1)
    assert np.nanmedian(face) < 0.01 * tall
    feet = np.linalg.norm(found.pose.feet[..., :2] - stranger.pose.feet[..., :2], axis=-1)
    assert np.nanmedian(feet) < 0.04 * tall
    assert found.columns["detected"].all() and (found.columns["people"] == 1).all()
    true = stranger.alpha > 127
    assert ((found.masks > 127) & true).sum() / ((found.masks > 127) | true).sum() > 0.92
    assert found.about == {"estimator": "mediapipe", "model": "full", "details": "mediapipe", "mirrored": True, "fps": 25.0,
                           "smoothing": 1.0, "silhouettes": "mediapipe"}


def test_smoothing_halves_the_jitter_and_costs_no_accuracy(stranger, whole, extract):
    raw, smooth = extract(stranger.pictures, smoothing=0.0).pose, whole.pose
    shaking = [np.nanmean(np.linalg.norm(np.diff(pose.body[..., :2] - stranger.pose.body[..., :2], 2, axis=0), axis=-1))
               for pose in (raw, smooth)]
    assert shaking[1] < 0.5 * shaking[0]
    assert off_by(smooth, stranger.pose, stranger.visible).mean() < off_by(raw, stranger.pose, stranger.visible).mean()


def test_the_same_frames_give_the_same_bytes(stranger, extract):
    files = extract(stranger.pictures[:9]).files
    once = {name: files[name].read_bytes() for name in ("poses", "silhouettes")}
    again = extract(stranger.pictures[:9], batch=2)
    assert once == {name: again.files[name].read_bytes() for name in once}


def test_a_person_who_is_away_for_long_is_unknown_and_marked(stranger, extract, capsys):
    pictures = stranger.pictures[:4] + [stranger.plate] * 12 + stranger.pictures[4:8]
    found = extract(pictures, max_gap_seconds=0.2)
    assert found.columns["detected"].tolist() == [True] * 4 + [False] * 12 + [True] * 4
    assert np.isnan(found.pose.body[5:15, :, :2]).all() and not found.pose.body[5:15, :, 2].any()
    assert not found.masks[4:16].any() and (found.masks[[3, 16]] > 127).any((1, 2)).all()
    assert "in 8 of 20 frames" in capsys.readouterr().out


def test_a_black_while(stranger, extract):
    """No person is detected in it, nothing is interpolated, and the person is found immediately afterwards."""
    pictures = stranger.pictures[:6] + [np.zeros_like(stranger.plate)] * 15 + stranger.pictures[6:12]
    found = extract(pictures)
    assert found.columns["detected"].tolist() == [True] * 6 + [False] * 15 + [True] * 6
    assert not found.pose.body[6:21, :, 2].any() and not found.columns["interpolated"][6:21].any()
    assert np.median(off_by(found.pose[21:], stranger.pose[6:12])) < 0.02


def test_a_warning_if_more_than_half_is_missing(stranger, extract, capsys):
    extract(stranger.pictures[:4] + [stranger.plate] * 8)
    assert "WARNING: no person found in 8 frames" in capsys.readouterr().out


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_short_gaps_are_interpolated_and_marked(stranger, extract, smoothing):
    pictures = list(stranger.pictures[:12])
    pictures[5] = pictures[6] = stranger.plate
    found = extract(pictures, smoothing=smoothing)
    assert found.columns["detected"].tolist() == [i not in (5, 6) for i in range(12)]
    assert found.columns["interpolated"][[5, 6]].all()
    ends = found.pose.body[[4, 7], :14, :2]
    straight = np.abs(found.pose.body[5, :14, :2] - (2 * ends[0] + ends[1]) / 3).max()
    assert straight < (5 if smoothing else 1e-3)
    assert np.median(off_by(found.pose[5:7], stranger.pose[5:7])) < 0.03


def test_no_person_at_all(stranger, extract):
    with pytest.raises(InputError, match="wave.mp4: no person in any of 4 frames"):
        extract([stranger.plate] * 4)


def test_frames_without_a_box_in_the_view_have_no_pose(stranger, extract):
    box = np.tile(box_of(stranger.pose), (8, 1))
    box[2:6] = np.nan
    found = extract(stranger.pictures[:8], box=box, max_gap_seconds=0.0)
    assert found.columns["detected"].tolist() == [True] * 2 + [False] * 4 + [True] * 2


def test_a_person_seen_from_behind_has_a_body_and_no_face(behind, extract):
    pictures, true = behind
    found = extract(pictures, box=box_of(true))
    assert found.columns["detected"].all()
    assert not found.pose.face[..., 2].any() and not found.pose.body[:, NOSE, 2].any()
    assert np.nanmedian(off_by(found.pose, true)) < 0.03
    assert (found.masks > 127).any((1, 2)).all()


@pytest.mark.parametrize("beyond", ["black", "edge"])
def test_points_beyond_the_border_are_unknown(stranger, extract, beyond):
    """The video ends at the knees; below, the square is black or repeats the edge."""
    knees = int(stranger.pose.body[:, [R_KNEE, L_KNEE], 1].min()) - 3
    rest = 256 - knees
    pictures = [np.concatenate([picture[:knees], np.repeat(picture[knees - 1 : knees], rest, 0) * (beyond == "edge")])
                for picture in stranger.pictures[:8]]
    left, top, right, _ = box_of(stranger.pose)
    found = extract(pictures, box=(left, top, right, knees), frame=(256, knees))
    assert not found.pose.body[:, [R_ANKLE, L_ANKLE], 2].any() and not found.pose.feet[..., 2].any()
    assert (found.pose.body[found.pose.body[..., 2] > 0][:, 1] <= knees + 3).all()
    assert np.median(off_by(found.pose, stranger.pose[:8])[:, :8]) < 0.03


def test_points_left_of_the_video_are_unknown(stranger, extract):
    """The square reaches beyond the video, which begins at the person's middle and is twice as large."""
    middle = int(stranger.pose.body[:, NECK, 0].mean())
    found = extract(stranger.pictures[:8], crop=(-2 * middle, 0, 512), frame=(512 - 2 * middle, 512))
    known, true = found.pose.body[..., 2] > 0, stranger.pose.body[:8, :, 0]
    assert not known[true < middle - 5].any() and known[true > middle + 5].all()


def test_a_monochrome_video(stranger, extract):
    grey = [np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2) for picture in stranger.pictures[:6]]
    found = extract(grey)
    assert (off_by(found.pose, stranger.pose[:6])[stranger.visible["body"][:6]] < 0.05).mean() > 0.95


@pytest.mark.parametrize("tall", [60, 40])
def test_a_small_person_is_found_with_a_warning(stranger, extract, tall, capsys):
    scale = tall / np.median(skeleton.person_height(stranger.pose.body))
    matrix = np.array([[scale, 0, 80 + (scale - 1) / 2], [0, scale, 90 + (scale - 1) / 2]])
    pictures = [cv2.warpAffine(picture, matrix, (256, 256), stranger.plate.copy(), cv2.INTER_AREA,
                               cv2.BORDER_REPLICATE) for picture in stranger.pictures[:6]]
    true = stranger.pose[:6].map(lambda points: points * [scale, scale, 1] + [80, 90, 0])
    found = extract(pictures, box=box_of(true, 4))
    assert found.columns["detected"].all() and np.nanmedian(off_by(found.pose, true)) < 0.04
    assert f"fewer than {pose_extraction.SMALL}: expect wrong joints" in capsys.readouterr().out


class Told:
    """An estimator that returns the ground truth with changes."""

    provides_silhouettes = False

    def __init__(self, true: Pose, change):
        self.coming = iter([PoseDetection(change(t, true[t])) for t in range(len(true))])

    def estimate(self, pictures, _):
        return [next(self.coming) for _ in pictures]


def test_poses_of_another_person_are_rejected(stranger, extract, monkeypatch):
    """The estimator jumps to a passer-by for two frames."""
    def drifting(t, pose):
        return pose.map(lambda points: points + np.float32([120 * (t in (3, 4)), 0, 0]))

    monkeypatch.setattr(pose_estimator, "build_pose_estimator", lambda params: Told(stranger.pose, drifting))
    found = extract(stranger.pictures[:8], people=2, smoothing=0.0)
    assert found.columns["detected"].tolist() == [True] * 3 + [False] * 2 + [True] * 3
    assert np.abs(found.pose.body - stranger.pose.body[:8])[..., :2].max() < 3
    assert found.about["silhouettes"] is None and not found.masks.any()


def test_a_jumping_wrist_and_swapped_sides_are_corrected(stranger, extract, monkeypatch):
    """With smoothing; without it they remain."""
    def wrong(t, pose):
        body, feet = pose.body.copy(), pose.feet.copy()
        if t in (5, 6):
            body[R_WRIST, 1] += 40
        if t in (10, 11):
            body[[*RIGHT_LEG, *LEFT_LEG]], feet = pose.body[[*LEFT_LEG, *RIGHT_LEG]], pose.feet[[2, 3, 0, 1]]
        return replace(pose, body=body, feet=feet)

    monkeypatch.setattr(pose_estimator, "build_pose_estimator", lambda params: Told(stranger.pose, wrong))
    raw, mended = (extract(stranger.pictures, smoothing=strength) for strength in (0.0, 1.0))
    assert np.array_equal(raw.pose.body, np.stack([wrong(t, stranger.pose[t]).body for t in range(len(raw.masks))]))
    assert off_by(mended.pose, stranger.pose).max() < 0.03 < off_by(raw.pose, stranger.pose).max()
    assert mended.columns["interpolated"].nonzero()[0].tolist() == [5, 6] and not raw.columns["interpolated"].any()


def test_frames_and_view_of_different_length(stranger, extract, lossless, config):
    files = extract(stranger.pictures[:4]).files
    with pytest.raises(InputError, match="more.mkv: not the 4 frames of its view; run frames again"):
        pose_extraction.run(frames=lossless("more.mkv", stranger.pictures[:5]), **files,
                            params=config.presets["demo"].pose_extraction)
