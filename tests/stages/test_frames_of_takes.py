"""Several takes of one person become one video: what lies on either side of a join, and what cannot be joined."""

import cv2
import numpy as np
import pytest

from stages import InputError, samples
from stages.media import video
from stages.media.view import read_view
from tests.stages import turning
from tests.stages.filming import beside, images


def test_where_takes_meet_nobody_is_on_the_way_from_one_to_the_other(framed, tmp_path, capsys):
    """Somebody who goes to the right, twice."""
    pictures, _ = turning.filmed([turning.turned(0)] * 30, turning.room("stranger_7"))
    for take in ("1", "2"):
        images(tmp_path / "me" / take, pictures)
    clock, paths = framed(tmp_path / "me")
    assert clock.take.tolist() == [0] * 30 + [1] * 30 and "2 takes, 60 frames" in capsys.readouterr().out
    view, cut = read_view(paths["view"]), list(video.frames(paths["frames"]))
    assert not view.about["moving"] and all((a == b).all() for a, b in zip(cut[:30], cut[30:], strict=True))
    assert np.abs(view.box[:30] - view.box[30:]).max() < 1 and abs(view.box[29, 0] - view.box[30, 0]) > 15


def test_takes_of_a_camera_that_was_turned_are_brought_into_one_picture(framed, tmp_path):
    cameras = [turning.turned(0)] * 25 + [turning.turned(0.05, 0.01)] * 25
    pictures, _ = turning.filmed(cameras, turning.room("stranger_7"))
    images(tmp_path / "me" / "1", pictures[:25])
    images(tmp_path / "me" / "2", pictures[25:])
    _, paths = framed(tmp_path / "me")
    view = read_view(paths["view"])
    assert view.about["moving"]
    corners = np.float64([[[0, 0]], [[319, 0]], [[319, 239]], [[0, 239]]])
    onto = cameras[view.about["reference"]] @ np.linalg.inv(view.camera[view.about["reference"]])
    for true, found in zip(cameras, view.camera):
        there = (cv2.perspectiveTransform(corners, matrix) for matrix in (true, onto @ found))
        assert np.linalg.norm(np.subtract(*there), axis=-1).max() < 1.5  # pixels


def test_the_person_of_the_first_take_is_followed_in_the_next(stranger, framed, tmp_path):
    """In which somebody larger, in other clothes, stands beside them."""
    other = [picture for picture, *_ in samples.frames("stranger_12", ("wave",), 3, 0.72, 256)]
    larger = [cv2.resize(picture[20:], (260, 256), interpolation=cv2.INTER_LINEAR)[:, 20:240] for picture in other]
    images(tmp_path / "me" / "1", [beside(picture, right=220) for picture in stranger.pictures])
    images(tmp_path / "me" / "2", [np.hstack(pair) for pair in zip(stranger.pictures, larger)])
    clock, paths = framed(tmp_path / "me")
    assert clock.about["people"] == 2
    view, columns = read_view(paths["view"]), np.nonzero(stranger.alpha.max(0) > 127)[1]
    left, _, side = clock.about["crop"]
    middles = (view.box[:, 0] + view.box[:, 2]) / 2 * side / 128 + left - view.camera[:, 0, 2]
    assert np.abs(middles - columns.mean()).max() < 30


def other_room(stranger):
    return list(reversed([picture for picture, *_ in samples.frames("stranger_12", ("wave",), 3, 0.72, 256)]))


@pytest.mark.parametrize("second, told", [
    (lambda stranger: [picture[:200] for picture in stranger.pictures],
     r"me/2: pictures of 256 x 200, but of 256 x 256 in .*me/1; all takes must have one size"),
    (lambda stranger: stranger.pictures + other_room(stranger),
     r"me/2: 2 shots, cut at frame 18; expected one. Make each of them a take(.|\n)*start: 0.72, end: 1.44"),
    (other_room, r"me/2: frame \d+ .*the background (.|\n)*. A take of another place .* needs a video of its own"),
], ids=["size", "cut", "room"])
def test_what_takes_cannot_be_is_told_with_the_take(stranger, framed, tmp_path, second, told):
    images(tmp_path / "me" / "1", stranger.pictures)
    images(tmp_path / "me" / "2", second(stranger))
    with pytest.raises(InputError, match=told):
        framed(tmp_path / "me")
