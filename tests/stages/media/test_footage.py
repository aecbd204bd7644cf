"""Footage with known frames at known times is read upright, in order and at the right times."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from stages import InputError
from stages.media import footage, video_file


def write(path, pictures, times=None, fps=10, rotation=0, aspect=None, options=None, keys=250):
    """A lossless H.264 (RGB) video with frames at `times`, in units of 1 / fps."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264rgb", rate=fps, options={"crf": "0", "g": str(keys)})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.time_base = "rgb24", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for picture, time in zip(pictures, times if times is not None else range(len(pictures))):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time * 1000 / fps), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def levels(count, size=(48, 64)):
    """Grey images; image i has the value 10 i."""
    return [np.full((*size, 3), 10 * i, np.uint8) for i in range(count)]


def seen(film):
    return [round(picture.mean() / 10) for picture in film.pictures()]


@pytest.mark.parametrize("times, fps", [
    (np.arange(8), None),
    (np.arange(8) + 31, 10),                               # starts late
    ([0, 1, 2, 6.1, 7, 8.1, 9, 14], 10),                   # variable rate: held where frames are missing
    ([0, 0.3, 0.9, 2.2, 2.4, 4.8, 5.3, 6.8], 20),          # faster than the video
    (np.arange(8), 3),                                     # slower: frames are left out
])
def test_the_frame_nearest_in_time_is_selected(tmp_path, times, fps):
    film = footage.open_footage(write(tmp_path / "a.mp4", levels(8), times), fps)
    taken = seen(film)
    elapsed = np.asarray(times, float) / 10
    elapsed -= elapsed[0]
    expected = [int(np.abs(elapsed - n / film.fps).argmin()) for n in range(len(taken))]
    assert taken == expected
    assert abs(len(taken) / film.fps - (elapsed[-1] + 1 / film.fps)) <= 1 / film.fps
    if fps is None:
        assert film.fps == 10 and taken == list(range(8))


@pytest.mark.parametrize("rotation, turns", [(90, 1), (180, 2), (-90, 3)])
def test_rotation(tmp_path, rotation, turns):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    film = footage.open_footage(write(tmp_path / "a.mp4", [picture] * 3, rotation=rotation), None)
    assert all((upright == np.rot90(picture, turns)).all() for upright in film.pictures())


@pytest.mark.parametrize("rotation, size", [(0, (48, 128)), (90, (128, 48))])
def test_pixels_become_square(tmp_path, rotation, size):
    film = footage.open_footage(write(tmp_path / "a.mp4", levels(3), aspect=Fraction(2), rotation=rotation), None)
    assert next(film.pictures()).shape[:2] == size


def test_odd_sizes(tmp_path):
    pictures = list(np.random.default_rng(0).integers(0, 256, (3, 47, 63, 3), np.uint8))
    film = footage.open_footage(write(tmp_path / "a.mkv", pictures), None)
    assert all((a == b).all() for a, b in zip(film.pictures(), pictures, strict=True))


def test_a_folder_is_read_in_natural_order(tmp_path):
    for i, name in enumerate(("f1.png", "f2.png", "f10.jpg", "f11.png")):
        cv2.imwrite(str(tmp_path / name), levels(4)[i])
    (tmp_path / "notes.txt").write_text("not an image")
    film = footage.open_footage(tmp_path, None)
    assert seen(film) == [0, 1, 2, 3]
    assert film.fps == film.remarks["assumed_fps"] == 25
    assert "assumed_fps" not in footage.open_footage(tmp_path, 12).remarks


def missing(tmp_path):
    return tmp_path / "nobody.mp4"


def empty_folder(tmp_path):
    return tmp_path


def text(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("this is not a video\n" * 100)
    return path


def empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    return path


def sound_only(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut_before_its_index(tmp_path):
    whole = write(tmp_path / "whole.mp4", levels(8)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def no_frames(tmp_path):
    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    return path


@pytest.mark.parametrize("make, message", [
    (missing, "no such file"), (empty_folder, "no images"), (text, "not a video"), (empty_file, "not a video"),
    (sound_only, "no video stream"), (cut_before_its_index, "cut off"), (no_frames, "no frame can be decoded"),
])
def test_errors_for_unreadable_files(tmp_path, make, message):
    path = make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        footage.open_footage(path, None)
    assert str(path) in str(error.value)


def test_an_unreadable_image_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), levels(1)[0])
    (tmp_path / "2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="2.png"):
        list(footage.open_footage(tmp_path, 25).pictures())


def test_truncated_videos_are_read_up_to_the_end(tmp_path):
    pictures = list(np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8))
    whole = write(tmp_path / "whole.mp4", pictures, options={"movflags": "faststart"}).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    film = footage.open_footage(path, None)
    taken = list(film.pictures())
    assert 8 <= len(taken) < 14
    assert (taken[3] == pictures[3]).all()
    assert film.remarks["damaged"]["promised"] == 20 and film.remarks["damaged"]["decoded"] < 14


@pytest.mark.parametrize("keys", [5, 250])
@pytest.mark.parametrize("start, end, expected", [
    (None, 1.0, range(10)), (0.0, 0.3, range(3)), (0.5, None, range(5, 60)), (3.2, 4.0, range(32, 40)),
    (5.0, 6.0, range(50, 60)), (3.24, 3.5, [32, 33, 34]), (5.9, None, [59]),
])
def test_a_range(tmp_path, keys, start, end, expected):
    pictures = [np.full((48, 64, 3), 4 * i, np.uint8) for i in range(60)]
    path = write(tmp_path / "a.mp4", pictures, np.arange(60) + 7, options={"movflags": "faststart"}, keys=keys)
    film = footage.open_footage(path, None, start, end)
    assert [round(picture.mean() / 4) for picture in film.pictures()] == list(expected)
    assert film.begin == (start or 0) and film.start == pytest.approx(0.7 + (start or 0))


def test_a_range_of_a_variable_rate(tmp_path):
    times = [0, 1, 2, 6.1, 7, 8.1, 9, 14, 15, 16]
    film = footage.open_footage(write(tmp_path / "a.mp4", levels(10), times), 10, start=0.4, end=0.9)
    assert seen(film) == [2, 3, 3, 4, 5]


def test_a_range_of_images(tmp_path):
    for i, picture in enumerate(levels(20)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    film = footage.open_footage(tmp_path, 10, start=0.5, end=0.8)
    assert seen(film) == [5, 6, 7]
    with pytest.raises(InputError, match="its length is 2.00 s"):
        footage.open_footage(tmp_path, 10, start=0.5, end=2.5)


@pytest.mark.parametrize("start, end", [(6.1, None), (6.1, 7), (0, 6.3), (None, 100), (3, 8), (100, None)])
def test_a_range_outside_of_the_video(tmp_path, start, end):
    path = write(tmp_path / "a.mp4", levels(20) * 3)
    with pytest.raises(InputError, match=r"a.mp4: the range .* is not in it: its length is 6.00 s; .*params.yaml"):
        footage.open_footage(path, None, start, end)


def test_the_sound_of_a_range(tmp_path):
    """Eight seconds of a rising tone; the output has the sound of the range."""
    rate, seconds = 8000, np.arange(64000) / 8000
    samples = (9000 * np.sin(2 * np.pi * (200 + 100 * seconds) * seconds)).astype(np.int16)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for i in range(80):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels(1, (32, 32))[0], format="rgb24")))
            frame = av.AudioFrame.from_ndarray(samples[None, 800 * i : 800 * (i + 1)], format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, 800 * i
            container.mux(sound.encode(frame))
        container.mux(stream.encode())
        container.mux(sound.encode())
    film = footage.open_footage(tmp_path / "a.mkv", None, 5.0, 6.5)
    with video_file.lossless(tmp_path / "cut.mkv", film.fps, audio=film.path, start=film.start) as add:
        count = sum(add(picture) is None for picture in film.pictures())
    with av.open(str(tmp_path / "cut.mkv")) as container:
        frames = list(container.decode(audio=0))
    heard = np.concatenate([frame.to_ndarray().reshape(-1, frame.layout.nb_channels)[:, 0] for frame in frames])
    at = round((frames[0].time + 5) * rate)
    assert count == 15 and abs(frames[0].time) < 0.05 and abs(len(heard) / rate - 1.5) < 0.05
    assert np.corrcoef(heard[:4000], samples[at : at + 4000])[0, 1] > 0.999


@pytest.mark.parametrize("rotation, aspect, size", [(0, None, (40, 30)), (90, None, (30, 40)),
                                                    (0, Fraction(2), (40, 15)), (90, Fraction(2), (15, 40))])
def test_a_thumbnail_is_the_reduced_picture(tmp_path, rotation, aspect, size):
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8), (0, 0), 16)
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
    path = write(tmp_path / "a.mp4", [picture] * 3, rotation=rotation, aspect=aspect)
    shot = next(footage.open_footage(path, None).frames())
    small = cv2.resize(shot.picture(), size, interpolation=cv2.INTER_AREA)
    assert np.abs(shot.thumbnail(40).astype(int) - small).mean() <= 4
    assert (shot.thumbnail(10000) == shot.picture()).all()


def test_a_thumbnail_of_an_image(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), levels(3, (60, 80))[2])
    shot = next(footage.open_footage(tmp_path, 25).frames())
    assert shot.thumbnail(20).shape == (15, 20, 3) and (shot.thumbnail(20) == 20).all()


def test_images_of_several_sizes(tmp_path):
    for i, size in enumerate([(48, 64), (48, 64), (64, 48), (10, 10)]):
        cv2.imwrite(str(tmp_path / f"{i}.png"), levels(1, size)[0])
    film = footage.open_footage(tmp_path, 25)
    with pytest.raises(InputError, match=r"2\.png is 48 x 64, 0\.png 64 x 48; all images of a folder"):
        [shot.thumbnail(16) for shot in film.frames()]


@pytest.mark.parametrize("crop, size", [((10, 5, 32), 32), ((-8, 4, 40), 40), ((40, 20, 48), 48)])
def test_squares_outside_of_the_image_repeat_its_border(crop, size):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    left, top, side = crop
    rows, columns = np.clip(np.arange(top, top + side), 0, 47), np.clip(np.arange(left, left + side), 0, 63)
    assert (footage.crop_square(picture, crop, size) == picture[rows][:, columns]).all()
