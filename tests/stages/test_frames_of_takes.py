"""Several takes of one person joined to one video: boundaries between takes, and takes that cannot be joined."""

import cv2
import numpy as np
import pytest

from stages import InputError
from stages.media import video_file
from stages.media.view import read_view
from tests.stages import turning
from tests.stages.filming import beside, images


def test_boxes_are_not_interpolated_between_takes(framed, tmp_path, capsys):
    """A person who walks to the right, twice."""
    pictures, _ = turning.filmed([turning.turned(0)] * 24, turning.room("stranger_7"))
    for take in ("1", "2"):
        images(tmp_path / "me" / take, pictures)
    timeline, paths = framed(tmp_path / "me")
    assert timeline.take.tolist() == [0] * 24 + [1] * 24 and "2 takes, 48 frames" in capsys.readouterr().out
    view, cut = read_view(paths["view"]), list(video_file.frames(paths["frames"]))
    assert not view.about["moving"] and all((a == b).all() for a, b in zip(cut[:24], cut[24:], strict=True))
    assert np.abs(view.box[:24] - view.box[24:]).max() < 1 and abs(view.box[23, 0] - view.box[24, 0]) > 15


def test_takes_of_a_camera_that_was_turned_are_stabilised_to_one_view(framed, tmp_path):
    cameras = [turning.turned(0)] * 12 + [turning.turned(0.05, 0.01)] * 12
    pictures, _ = turning.filmed(cameras, turning.room("stranger_7"))
    images(tmp_path / "me" / "1", pictures[:12])
    images(tmp_path / "me" / "2", pictures[12:])
    _, paths = framed(tmp_path / "me")
    view = read_view(paths["view"])
    assert view.about["moving"]
    corners = np.float64([[[0, 0]], [[319, 0]], [[319, 239]], [[0, 239]]])
    onto = cameras[view.about["reference"]] @ np.linalg.inv(view.camera[view.about["reference"]])
    for true, found in zip(cameras, view.camera):
        there = (cv2.perspectiveTransform(corners, matrix) for matrix in (true, onto @ found))
        assert np.linalg.norm(np.subtract(*there), axis=-1).max() < 1.5  # pixels


def test_the_person_of_the_first_take_is_tracked_in_the_next(stranger, other, framed, tmp_path):
    """In the second take a larger person in other clothes stands beside them."""
    larger = [cv2.resize(picture[20:], (260, 256), interpolation=cv2.INTER_LINEAR)[:, 20:240] for picture in other]
    images(tmp_path / "me" / "1", [beside(picture, right=220) for picture in stranger.pictures])
    images(tmp_path / "me" / "2", [np.hstack(pair) for pair in zip(stranger.pictures, larger)])
    timeline, paths = framed(tmp_path / "me")
    assert timeline.about["people"] == 2
    view, columns = read_view(paths["view"]), np.nonzero(stranger.alpha.max(0) > 127)[1]
    left, _, side = timeline.about["crop"]
    middles = (view.box[:, 0] + view.box[:, 2]) / 2 * side / 128 + left - view.camera[:, 0, 2]
    assert np.abs(middles - columns.mean()).max() < 30


@pytest.mark.parametrize("second, message", [
    (lambda pictures, other: [picture[:200] for picture in pictures],
     r"me/2: pictures of 256 x 200, but of 256 x 256 in .*me/1; all takes must have one size"),
    (lambda pictures, other: [*pictures, *reversed(other)],
     r"me/2: 2 shots, cut at frame 18; expected one. Make each of them a separate take(.|\n)*start: 0.72, end: 1.44"),
    (lambda pictures, other: other[::-1],
     r"me/2: frame \d+ .*the background (.|\n)*. A take of another place .* needs a video of its own"),
], ids=["size", "cut", "room"])
def test_errors_about_takes_name_the_take(stranger, other, framed, tmp_path, second, message):
    images(tmp_path / "me" / "1", stranger.pictures)
    images(tmp_path / "me" / "2", second(stranger.pictures, other))
    with pytest.raises(InputError, match=message):
        framed(tmp_path / "me")
