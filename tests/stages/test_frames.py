"""From the user's video to square frames: the crop, errors, and messages."""

import hashlib

import av
import cv2
import numpy as np
import pytest

from stages import InputError, frames
from stages.media import footage, parquet, video_file
from stages.media.view import read_view
from stages.samples import motion, people, render, scene
from stages.samples.body import Body
from tests.stages import turning
from tests.stages.filming import beside, record


def test_the_square_contains_the_person_in_every_frame(stranger, framed, tmp_path):
    file = record(tmp_path / "wide.mp4", [beside(p, 100, 60) for p in stranger.pictures])
    timeline, paths = framed(file)
    left, top, side = timeline.about["crop"]
    rows, columns = np.nonzero(stranger.alpha.max(0) > 127)
    assert left <= columns.min() + 100 and left + side > columns.max() + 100
    assert top <= rows.min() and top + side > rows.max()
    assert timeline.about["full_size"] == [416, 256] and timeline.about["size"] == 128 and timeline.about["people"] == 1
    assert timeline.about["sha256"] == {str(file): hashlib.sha256(file.read_bytes()).hexdigest()}
    assert side <= 256 and 0 <= left and left + side <= 416
    cut = list(video_file.frames(paths["frames"]))
    assert len(cut) == len(stranger.pictures) == len(timeline.frame) and cut[0].shape == (128, 128, 3)
    assert np.allclose(timeline.seconds, np.arange(len(cut)) / 25)
    whole = list(video_file.frames(paths["full_frames"]))
    assert len(whole) == len(timeline.about["full_frames"]) <= 32 and whole[0].shape == (256, 416, 3)
    again = cv2.resize(whole[0][top : top + side, left : left + side], (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(again.astype(int) - cut[0]).max() <= 1


def test_a_video_too_short_to_split_gives_a_reason_and_no_error(stranger_framed):
    timeline, _ = stranger_framed
    assert not timeline.is_split() and "too short" in timeline.about["split_reason"]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_frames(stranger, framed, tmp_path, count):
    with pytest.raises(InputError, match=f"{count} frames?, but at least 3"):
        framed(record(tmp_path / "short.mp4", stranger.pictures[:count]))


def test_no_person_in_any_frame(stranger, framed, tmp_path):
    file = record(tmp_path / "empty.mp4", [stranger.plate] * 5)
    with pytest.raises(InputError, match="empty.mp4: no person found"):
        framed(file)


def two(picture):
    """A smaller person to the left of the first one."""
    small = cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, 256 - len(small), 0, 0, 0, cv2.BORDER_REPLICATE)
    return beside(np.hstack([small[:, :178], picture]), right=2)


@pytest.fixture(scope="module")
def company(stranger, tmp_path_factory):
    """A video of both people."""
    return record(tmp_path_factory.mktemp("two") / "two.mp4", [two(picture) for picture in stranger.pictures])


@pytest.mark.parametrize("person", [1, (90.0, 180.0), (50.0, 100.0, 130.0, 250.0)])
def test_the_chosen_person_is_tracked(stranger, company, framed, person):
    timeline, paths = framed(company, {"person": person})
    left, _, side = timeline.about["crop"]
    x = np.nonzero(stranger.alpha.max(0) > 127)[1].mean() * 0.7
    assert abs(left + side / 2 - x) < 40
    box = read_view(paths["view"]).box * side / 128 + left
    assert (np.abs((box[:, 0] + box[:, 2]) / 2 - x) < 30).all()


def test_shots_are_listed_and_one_can_be_chosen(stranger, other, framed, tmp_path):
    file = record(tmp_path / "shots.mp4", [*stranger.pictures, *other])
    with pytest.raises(InputError, match=r"2 shots, cut at frame 18; (.|\n)*start: 0.00, end: 0.72(.|\n)*end: 1.44"):
        framed(file)
    timeline, paths = framed(file, {"start": 0.72, "end": 1.44})
    assert len(timeline.frame) == 18 and timeline.seconds[0] == 0
    whole = next(video_file.frames(paths["full_frames"])).astype(int)
    assert np.abs(whole - other[0]).mean() < 6 < np.abs(whole - stranger.pictures[0]).mean()


def test_a_shaking_camera_is_stabilised(framed, tmp_path):
    cameras = turning.shaking(16)
    pictures, _ = turning.filmed(cameras, turning.room("stranger_7"))
    timeline, paths = framed(record(tmp_path / "hand.mp4", pictures))
    view = read_view(paths["view"])
    assert view.about["moving"] and view.about["frame_size"] == [320, 240]
    assert timeline.about["full_size"][0] > 320 and timeline.about["full_size"][1] > 240
    corners = np.float64([[[0, 0]], [[319, 0]], [[319, 239]], [[0, 239]]])
    onto = cameras[view.about["reference"]] @ np.linalg.inv(view.camera[view.about["reference"]])
    for true, found in zip(cameras, view.camera):
        there = (cv2.perspectiveTransform(corners, matrix) for matrix in (true, onto @ found))
        assert np.linalg.norm(np.subtract(*there), axis=-1).max() < 2.5  # pixels
    assert np.isfinite(view.box).all() and (view.box[:, :2] > -20).all() and (view.box[:, 2:] < 148).all()


def test_flicker_is_corrected_and_a_steady_clip_is_unchanged(stranger, stranger_framed, framed, tmp_path):
    gains = 1 + 0.15 * np.sin(2.1 * np.arange(18))
    flickering = [np.clip(gain * 0.8 * picture, 0, 255).astype(np.uint8) for gain, picture
                  in zip(gains, stranger.pictures)]
    _, paths = framed(record(tmp_path / "flicker.mp4", flickering))
    empty = np.stack(list(video_file.frames(paths["frames"])))[:, :24].mean((1, 2, 3))  # the wall above the person
    assert empty.std() < 0.2 * np.std([picture[:24].mean() for picture in flickering])
    _, paths = stranger_framed
    assert (read_view(paths["view"]).light == np.repeat([1, 0], 3)).all()


def test_the_larger_of_two_people_is_chosen_and_reported(stranger, company, framed, capsys):
    timeline, _ = framed(company)
    left, _, side = timeline.about["crop"]
    columns = np.nonzero(stranger.alpha.max(0) > 127)[1] + 178
    assert left <= columns.min() and left + side > columns.max()
    assert abs(left + side / 2 - columns.mean()) < 40
    assert timeline.about["people"] == 2 and "2 people" in capsys.readouterr().out


def test_images_of_odd_and_of_different_sizes(stranger, framed, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for i, picture in enumerate(stranger.pictures[:5]):
        cv2.imwrite(str(folder / f"{i}.png"), picture[:251, :253, ::-1])
    timeline, _ = framed(folder)
    assert timeline.about["fps"] == timeline.about["assumed_fps"] == 25 and timeline.about["full_size"] == [253, 251]
    assert "taken as 25 frames/s" in capsys.readouterr().out
    cv2.imwrite(str(folder / "3.png"), stranger.pictures[0][:200])
    with pytest.raises(InputError, match="3.png is 256 x 200, 0.png 253 x 251"):
        framed(folder)
    assert not list(tmp_path.glob(".*"))  # nothing half-written stays


def test_audio_is_kept_and_starts_with_the_first_picture(stranger, framed, tmp_path):
    rng = np.random.default_rng(0)
    samples = rng.integers(-9000, 9000, 14000).astype(np.int16)
    file = record(tmp_path / "sound.mkv", stranger.pictures, audio=samples)
    _, paths = framed(file)
    with av.open(str(paths["frames"])) as container:
        heard = list(container.decode(audio=0))
    assert abs(heard[0].time) < 0.15
    at = round((heard[0].time + 1) * 8000)
    first = heard[0].to_ndarray().reshape(-1, heard[0].layout.nb_channels)[:400, 0]  # mono may have become stereo
    assert np.corrcoef(first, samples[at : at + 400])[0, 1] > 0.999


def test_a_truncated_video_is_used_with_a_warning(stranger, framed, tmp_path, capsys):
    whole = record(tmp_path / "whole.mp4", stranger.pictures)
    index_first = {"movflags": "faststart"}
    with av.open(str(whole)) as source, av.open(str(tmp_path / "fast.mp4"), "w", options=index_first) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 8 // 10])
    timeline, _ = framed(tmp_path / "cut.mp4")
    assert 3 <= len(timeline.frame) < 18
    assert timeline.about["damaged"][str(tmp_path / "cut.mp4")]["promised"] == 18
    assert "WARNING" in capsys.readouterr().err


@pytest.mark.parametrize("extent, full, margin, expected", [
    ((100, 20, 200, 220), (640, 360), 0.1, (30, 0, 240)),       # inside, with its margin, against the upper edge
    ((100, 60, 200, 260), (640, 360), 0.0, (50, 60, 200)),
    ((300, 10, 420, 350), (640, 360), 0.15, (180, 0, 360)),     # no higher than the picture
    ((100, 100, 600, 1150), (720, 1280), 0.0, (-165, 100, 1050)),  # taller than the picture is wide
])
def test_square_around(extent, full, margin, expected):
    assert frames.square_around(np.array(extent, float), full, margin) == expected


@pytest.mark.parametrize("extent, expected, expected_size", [
    ((100, 20, 200, 120), (100, 20, 100), 128),   # fewer pixels than the least S: enlarged
    ((100, 20, 200, 220), (22, 0, 256), 256),     # as many pixels as S can have: the square becomes S pixels
    ((100, 20, 200, 244), (22, 4, 256), 256),
    ((100, 20, 300, 350), (35, 20, 330), 256),    # more: reduced
])
def test_the_square_is_not_resampled_if_s_can_be_its_side(config, extent, expected, expected_size):
    block = config.presets["demo"].frames.model_copy(update={"size": 128, "max_size": 256, "margin": 0.0})
    crop, size = frames.choose_square(np.array(extent, float), (640, 400), block)
    assert (crop, size) == (expected, expected_size)


def test_frames_at_full_resolution_are_the_pixels_of_the_video(stranger, framed, tmp_path):
    file = record(tmp_path / "wide.mp4", [beside(p, 100, 60) for p in stranger.pictures])
    timeline, paths = framed(file, max_size=256)
    (left, top, side), size = timeline.about["crop"], timeline.about["size"]
    assert 128 < side == size <= 256
    for square, picture in zip(video_file.frames(paths["frames"]), footage.open_footage(file, None).pictures(), strict=True):
        assert (square == footage.crop_square(picture, (left, top, side), side)).all()
        inside = picture[max(top, 0) : top + side, left : left + side]
        assert (square[max(-top, 0) :][: len(inside)] == inside).all()


def test_the_timeline_table_is_the_declared_one(stranger, framed):
    _, paths = framed(stranger.file, fps=12.5)
    columns, about = parquet.read(paths["timeline"], parquet.TIMELINE)
    assert about["fps"] == 12.5 and len(columns["frame"]) == 9


@pytest.mark.parametrize("keep", [(slice(0, 170), slice(None)), (slice(None), slice(122, None)),
                                  (slice(80, None), slice(None))], ids=["legs", "an arm", "head"])
def test_the_square_of_a_person_at_the_border_reaches_it(stranger, framed, tmp_path, keep):
    file = record(tmp_path / "cut.mp4", [picture[keep] for picture in stranger.pictures])
    timeline, paths = framed(file)
    rows, columns = np.nonzero(stranger.alpha.max(0)[keep] > 127)
    left, top, side = timeline.about["crop"]
    assert left <= columns.min() + 3 and left + side >= columns.max() - 3
    assert top <= rows.min() + 3 and top + side >= rows.max() - 3
    box = read_view(paths["view"]).box
    assert np.isfinite(box).all() and (box[:, 2] > box[:, 0]).all()


def test_a_person_too_small_to_be_found_is_an_error(stranger, framed, tmp_path):
    """Fifty pixels high in a room of 640 x 360."""
    room = np.ascontiguousarray(cv2.resize(stranger.plate, (640, 360)))
    pictures = []
    for picture in stranger.pictures[:6]:
        small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
        pictures.append(room.copy())
        pictures[-1][150:214, 300:364] = small
    with pytest.raises(InputError, match=r"small.mp4: no person .*at least a quarter of the picture high"):
        framed(record(tmp_path / "small.mp4", pictures))


def test_a_person_seen_from_behind_is_found(framed, tmp_path):
    """Ten frames of a turn in which the face is hidden."""
    who = people.person("stranger_7")
    bodies = list(Body(who).pose(motion.perform(("turn",), 5, 4.0)))[36:46]
    camera, plate = scene.Camera.from_room(who.room, 256), scene.plate(who.room, 256)
    pictures = []
    for body in bodies:
        rgb, cover, kept = render.draw([body], camera, who.room.light)
        picture = 255 * (cover * rgb + (1 - cover) * plate * kept[..., None])
        pictures.append(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    timeline, paths = framed(record(tmp_path / "behind.mp4", pictures))
    assert len(timeline.frame) == 10 and np.isfinite(read_view(paths["view"]).box).all()


def test_a_monochrome_video(stranger, stranger_framed, framed, tmp_path):
    colour, _ = stranger_framed
    grey = [cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for p in stranger.pictures]
    mono, paths = framed(record(tmp_path / "mono.mp4", grey, kind="gray"))
    assert np.abs(np.subtract(mono.about["crop"], colour.about["crop"])).max() <= 12
    cut = next(video_file.frames(paths["frames"])).astype(int)
    assert np.ptp(cut, axis=2).max() <= 2 and cut.std() > 10


def test_a_black_second_is_not_a_cut_and_has_no_person(stranger, framed, tmp_path):
    black = [np.zeros_like(stranger.plate)] * 25
    timeline, paths = framed(record(tmp_path / "black.mp4", [*stranger.pictures, *black, *stranger.pictures]))
    present = np.isfinite(read_view(paths["view"]).box).all(1)
    assert len(timeline.frame) == 61 and present[:16].all() and present[45:].all() and not present[24:36].any()
    rows, columns = np.nonzero(stranger.alpha.max(0) > 127)
    left, top, side = timeline.about["crop"]
    assert left <= columns.min() and left + side > columns.max() and top <= rows.min() and top + side > rows.max()
