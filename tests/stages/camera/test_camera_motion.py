"""Camera motion and registration on rendered rooms, for a camera with known rotation."""

import cv2
import numpy as np
import pytest

from stages import InputError
from stages.camera import camera_motion
from stages.media.view import warp_to_canvas
from tests.stages import turning


def registered(frames, covered, most=0.006):
    registration = camera_motion.Registration("hand.mp4", frames[0].shape[1::-1], 25.0, most, str)
    for frame, hidden in zip(frames, covered):
        registration.add(frame, hidden)
    return registration.path()


def apart(track, true):
    """Error of the frames' corners in the reference frame, (T,): the largest of the four."""
    corners = np.float32([[[0, 0]], [[319, 0]], [[319, 239]], [[0, 239]]])
    found, right = (np.linalg.inv(cameras[track.reference]) @ np.stack(cameras) for cameras in (track.cameras, true))
    there, expected = (np.stack([cv2.perspectiveTransform(corners, one) for one in each]) for each in (found, right))
    return np.linalg.norm(there - expected, axis=-1).max((1, 2))


def compressed(frame):
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def swaying(frames):
    """Leaves move back and forth in a quarter of the picture."""
    leaves = np.random.default_rng(3).integers(0, 255, (130, 180, 3), np.uint8)
    leaves = cv2.GaussianBlur(leaves, (0, 0), 1.5)
    for t, frame in enumerate(frames):
        x = round(6 + 5 * np.sin(t))
        frame[:120, 160:] = leaves[:120, x : x + 160]
    return frames


@pytest.mark.parametrize("spoil", [
    lambda frames: frames,
    lambda frames: [compressed(frame) for frame in frames],
    lambda frames: [np.clip(frame * (1 + 0.15 * np.sin(t)), 0, 255).astype(np.uint8) for t, frame in enumerate(frames)],
    lambda frames: [frame // 60 if 3 < t < 8 else frame for t, frame in enumerate(frames)],
    swaying,
], ids="plain compressed flicker black leaves".split())
@pytest.mark.parametrize("hide", [True, False])
def test_a_still_camera_is_still(spoil, hide):
    """Also if the people's boxes cover the whole picture."""
    frames, covered = turning.filmed([turning.turned(0.03)] * 12, turning.room("stranger_101"), noise=3.0)
    covered = covered if hide else [np.ones_like(one) for one in covered]
    assert camera_motion.background_motion(spoil(frames), covered) < 0.002


@pytest.mark.parametrize("angle, least, most", [(0.004, 0.005, 0.009), (0.02, 0.03, 0.045)])
def test_motion_is_a_share_of_the_longer_side(angle, least, most):
    cameras = [turning.turned(angle * (t % 2), angle * 0.1) for t in range(9)]  # 560 * angle pixels of 320
    assert least < camera_motion.background_motion(*turning.filmed(cameras, turning.room("ben"))) < most


def test_another_scene_is_infinite_motion_and_a_bare_wall_is_nan():
    frames, covered = turning.filmed([turning.turned(0)] * 3, turning.room("stranger_7"), person=False)
    other, _ = turning.filmed([turning.turned(0.1, 0.05)], turning.room("ben")[::-1], person=False)
    assert np.isinf(camera_motion.background_motion(frames[:2] + other, covered))
    assert np.isnan(camera_motion.background_motion([np.full_like(frames[0], 128)] * 3, covered))


@pytest.mark.parametrize("room", ["ben", "stranger_7"])
@pytest.mark.parametrize("path", [turning.shaking, turning.panning])
def test_registration(room, path):
    true = path(30)
    frames, covered = turning.filmed(true, turning.room(room))
    track = registered(frames, covered)
    error = apart(track, true)
    assert np.median(error) < 0.5 and error.max() < 1.5
    assert np.nanmax(track.residual) < 1.0 and not np.isnan(track.residual).any()
    assert np.allclose(track.cameras[track.reference], np.round(track.cameras[track.reference]), atol=1e-9)
    edges = np.float32([[[0, 0]], [[319, 0]], [[319, 239]], [[0, 239]]])
    there = np.stack([cv2.perspectiveTransform(edges, one)[:, 0] for one in track.cameras])  # (T, 4, 2)
    assert -0.5 <= there.min() < 1.5 and (there.max((0, 1)) < np.array(track.size)).all()


def test_the_plate_of_a_panned_room():
    """The median of the frames warped to the canvas, compared with the room itself."""
    true = turning.panning(24)
    frames, covered = turning.filmed(true, turning.room("ben"), person=False)
    track = registered(frames, covered)
    white = np.full(frames[0].shape[:2], 255, np.uint8)
    seen = np.stack([cv2.warpPerspective(white, one, track.size) > 254 for one in track.cameras])
    drawn = [warp_to_canvas(frame, one, track.size) for frame, one in zip(frames, track.cameras)]
    drawn = np.stack(drawn).astype(np.float32)
    drawn[~seen] = np.nan
    often = seen.sum(0) >= 5
    plate = np.nanmedian(drawn[:, often], 0)
    back = true[track.reference] @ np.linalg.inv(track.cameras[track.reference])  # canvas -> room
    wanted = cv2.warpPerspective(turning.room("ben"), back, track.size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    assert 10 * np.log10(255**2 / np.mean((plate - wanted[often]) ** 2)) > 32


def test_people_everywhere_and_black_seconds_are_bridged():
    true = turning.shaking(60)
    frames, covered = turning.filmed(true, turning.room("ben"))
    for t in range(20, 45):
        frames[t] = np.zeros_like(frames[t])
    track = registered(frames, [np.ones_like(one) for one in covered])
    error, dark = apart(track, true), np.isnan(track.residual)
    assert (np.flatnonzero(dark) == np.arange(20, 45)).all()
    assert np.median(error[~dark]) < 0.5 and error[~dark].max() < 1.5


def test_a_longer_video_needs_no_more_keyframes():
    frames, covered = turning.filmed(turning.panning(24), turning.room("ben"), person=False)
    registration, keyframes = camera_motion.Registration("hand.mp4", turning.FRAME, 25.0, 0.006, str), []
    for _ in range(3):
        for frame, hidden in zip(frames, covered):
            registration.add(frame, hidden)
        keyframes.append(len(registration.keyframes))
    assert 2 <= keyframes[0] == keyframes[2]


def walking(step):
    """A distant wall with a fence in front of it; the camera moves sideways."""
    wall = turning.room("stranger_7")[:, step : step + 320][:240]
    fence = turning.room("ben")[200:440, 2 * step : 2 * step + 320]
    return np.where((np.arange(240)[:, None, None] > 110), fence, wall)


@pytest.mark.parametrize("frames, message", [
    ([walking(t) for t in range(40)], r"walk.mp4: frame \d+: the background does not move as a whole: "
                                      r".* residual of \d+\.\d pixels \(\d+\.\d% of the longer side\)"),
    ([walking(4 * t) for t in range(18)], "walk.mp4: frame .* the background does not move as a whole"),
    ([turning.room("ben")[:240, :320]] * 6 + [cv2.flip(turning.room("stranger_7"), 0)[:240, :320]] * 20,
     "walk.mp4: frame 6: the background is not found in the frames before"),
], ids=["parallax", "running", "cut"])
def test_motion_that_no_homography_describes(frames, message):
    registration = camera_motion.Registration("walk.mp4", (320, 240), 25.0, 0.006, "walk.mp4: frame {}".format)
    with pytest.raises(InputError, match=message):
        for frame in frames:
            registration.add(frame, np.zeros(frame.shape[:2], bool))
        registration.path()


def test_a_pan_that_is_too_wide():
    wide = np.hstack([turning.room(name)[:240] for name in ("ben", "stranger_7", "stranger_101", "ava")])
    frames = [np.ascontiguousarray(wide[:, x : x + 320]) for x in range(0, 1590, 24)]
    with pytest.raises(InputError, match="turns too far.*19.. x 2.. pixels"):
        registered(frames, [np.zeros((240, 320), bool)] * len(frames))


def test_reduced_pictures_give_cameras_of_the_full_size():
    true = turning.shaking(12)
    frames, covered = turning.filmed(true, turning.room("ben"), person=False)
    half = [cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA) for frame in frames]
    registration = camera_motion.Registration("hand.mp4", turning.FRAME, 25.0, 0.006, str)
    for picture in half:
        registration.add(picture, np.zeros(picture.shape[:2], bool))
    assert np.median(apart(registration.path(), true)) < 0.6
