"""Difficult files are decoded in order with correct times, and damage is recorded."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags

from stages import InputError
from stages.media import footage
from stages.media.decoding import PacketLog, VideoDecoder

FPS = 25
QUIET = {"x265-params": "log-level=none"}
VP9 = {"b": "0", "crf": "20", "deadline": "realtime", "cpu-used": "8"}


def scene(count=60, size=(96, 128)):
    """Smooth colours that move to the left by two pixels per frame."""
    wide = np.random.default_rng(0).uniform(0, 255, (size[0], size[1] + 2 * count, 3))
    wide = cv2.normalize(cv2.GaussianBlur(wide, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, 2 * i : 2 * i + size[1]]) for i in range(count)]


def write(path, pictures, codec="libx264", kind="yuv420p", options=None, fields=None, times=None):
    """`fields`: field order of interlaced video, tff or bff; `times`: in frames."""
    marked = marker(pictures[0], kind, fields) if fields else lambda frame: frame
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.codec_context.bit_rate = kind, 4_000_000
        if fields:
            stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = marked(frame)
            frame.pts, frame.time_base = (i if times is None else times[i]), Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def marker(picture, kind, fields):
    """Marks frames as interlaced with field order `fields`."""
    graph = av.filter.Graph()
    height, width = picture.shape[:2]
    graph.link_nodes(graph.add_buffer(width=width, height=height, format=kind, time_base=Fraction(1, FPS)),
                     graph.add("setfield", fields), graph.add("buffersink")).configure()
    return lambda frame: (graph.push(frame.reformat(format=kind)), graph.pull())[1]


def packets(path):
    """(position, size, seconds) of every packet."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size, float(packet.pts * packet.time_base))
                for packet in container.demux(video=0) if packet.size]


def spoil(path, hits, start=0):
    """Overwrites these packets with noise, from byte `start` of each on (Matroska's begin with its own head); gives
    their times."""
    data, rng, places = bytearray(path.read_bytes()), np.random.default_rng(1), packets(path)
    for i in hits:
        position, size, _ = places[i]
        data[position + start : position + size] = rng.bytes(size - start)
    path.write_bytes(data)
    return sorted(places[i][2] for i in hits)


def off(picture, truth):
    return np.abs(picture.astype(int) - truth).mean()


@pytest.mark.parametrize("codec, name, kind, options", [
    ("libx265", "a.mp4", "yuv420p", QUIET), ("libx265", "a.mkv", "yuv420p10le", QUIET),
    ("libvpx-vp9", "a.webm", "yuv420p", VP9), ("libvpx", "a.webm", "yuv420p", {"b": "4M", "auto-alt-ref": "1",
                                                                               "lag-in-frames": "16"}),
    ("libsvtav1", "a.mp4", "yuv420p", {"preset": "10"}), ("libsvtav1", "a.webm", "yuv420p10le", {"preset": "10"}),
    ("mpeg4", "a.avi", "yuv420p", {}), ("mpeg4", "b.avi", "yuv420p", {"bf": "2"}), ("mpeg4", "a.mp4", "yuv420p", {}),
    ("mjpeg", "a.mov", "yuvj420p", {}), ("mjpeg", "a.avi", "yuvj422p", {}), ("mpeg2video", "a.ts", "yuv420p", {}),
    ("libx264", "a.ts", "yuv420p", {"bf": "3"}), ("libx264", "a.avi", "yuv420p", {"bf": "3"}),
    ("wmv2", "a.wmv", "yuv420p", {}), ("prores_ks", "a.mov", "yuv422p10le", {}), ("dnxhd", "a.mov", "yuv422p", {}),
])
def test_all_codecs_give_frames_in_order(tmp_path, codec, name, kind, options):
    pictures = scene(24, (240, 320)) if codec != "dnxhd" else scene(8, (1080, 1920))
    if codec == "dnxhd":
        options = {"b": "120M"}
    film = footage.open_footage(write(tmp_path / name, pictures, codec, kind, options), None)
    found = list(film.pictures())
    assert len(found) == len(pictures) and film.fps == FPS and film.remarks == {}
    assert max(off(a, b) for a, b in zip(found, pictures)) < 6
    other = min(off(found[i], pictures[i + 1]) for i in range(len(pictures) - 1))
    assert other > 1.5 * max(off(a, b) for a, b in zip(found, pictures))  # so that neighbouring frames could be distinguished


def interlaced(path, codec, kind, fields):
    """Fifty fields a second of a bar that moves four pixels a field; gives them, and the truth of every first field."""
    def picture(field):
        shown = np.full((96, 256, 3), 61, np.uint8)  # greys that limited range keeps
        shown[20:70, 10 + 4 * field : 40 + 4 * field] = 200
        return shown

    woven, first = [], [picture(2 * i) for i in range(20)]
    for i in range(20):
        later = slice(1, None, 2) if fields == "tff" else slice(0, None, 2)
        woven.append(first[i].copy())
        woven[i][later] = picture(2 * i + 1)[later]
    write(path, woven, codec, kind, {"crf": "8"} if codec == "libx264" else {}, fields)
    return woven, first


@pytest.mark.parametrize("codec, name, kind", [("libx264", "a.mp4", "yuv420p"), ("libx264", "a.mkv", "yuv422p"),
                                               ("mpeg2video", "a.ts", "yuv420p")])
@pytest.mark.parametrize("fields", ["tff", "bff"])
def test_interlaced_frames_are_deinterlaced(tmp_path, codec, name, kind, fields):
    woven, first = interlaced(tmp_path / name, codec, kind, fields)
    found = list(footage.open_footage(tmp_path / name, None).pictures())

    def combed(picture):
        return np.abs(np.diff(picture[20:70].astype(int), axis=0)).mean()

    assert len(found) == len(woven)
    for i in range(2, 18):  # the first and last frames lack neighbouring fields
        assert combed(found[i]) < 0.2 * combed(woven[i])
        assert off(found[i], first[i]) < 0.5 * off(woven[i], first[i])


def test_progressive_frames_are_unchanged(tmp_path):
    pictures = scene(8)
    path = write(tmp_path / "a.mkv", pictures, "ffv1", "bgr0")
    assert all((a == b).all() for a, b in zip(footage.open_footage(path, None).pictures(), pictures, strict=True))


def test_b_frames_behind_an_edit_list(tmp_path):
    """An edit list hides the decoder's delay and, here, five more frames."""
    pictures = scene(30)
    path = write(tmp_path / "a.mp4", pictures, options={"bf": "3", "g": "60", "crf": "12"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 4
    version, entries = data[at], int.from_bytes(data[at + 4 : at + 8])
    assert version == 0 and entries == 1
    media_time = int.from_bytes(data[at + 12 : at + 16])
    with av.open(str(path)) as container:
        tick = round(1 / FPS / container.streams.video[0].time_base)
    assert media_time == 2 * tick  # the delay
    data[at + 12 : at + 16] = (media_time + 5 * tick).to_bytes(4)
    path.write_bytes(data)
    film = footage.open_footage(path, None)
    found = list(film.pictures())
    assert len(found) == 25 and film.remarks == {}
    assert max(off(a, b) for a, b in zip(found, pictures[5:])) < 6


@pytest.mark.parametrize("times", [2, 0.25, 1000])
def test_a_wrong_duration_in_the_header(tmp_path, times):
    pictures = scene(30)
    path = write(tmp_path / "a.mp4", pictures, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    for box, skip in ((b"mvhd", 16), (b"mdhd", 16)):
        at = data.index(box) + 4 + skip
        data[at : at + 4] = round(int.from_bytes(data[at : at + 4]) * times).to_bytes(4)
    path.write_bytes(data)
    film = footage.open_footage(path, None)
    assert film.fps == FPS and len(list(film.pictures())) == 30 and film.remarks == {}
    with pytest.raises(InputError, match="its length is 1.20 s"):
        footage.open_footage(path, None, start=1.5)


@pytest.mark.parametrize("codec, name, kind, options", [
    ("libx264", "a.mp4", "yuv420p", {"bf": "3"}), ("libsvtav1", "a.mp4", "yuv420p", {"preset": "10"}),
    ("mpeg4", "a.avi", "yuv420p", {}), ("mpeg4", "a.mkv", "yuv420p", {}), ("mjpeg", "a.mov", "yuvj420p", {}),
])
def test_broken_packets_are_skipped_and_recorded(tmp_path, codec, name, kind, options):
    path = write(tmp_path / name, scene(), codec, kind, options)
    times = spoil(path, [31, 44], 16 if name.endswith("mkv") else 0)
    film = footage.open_footage(path, None)
    found = list(film.pictures())
    assert len(found) == 60  # the one before is held
    damage = film.remarks["damaged"]
    assert damage["broken"] == 2 and damage["decoded"] == 58
    assert damage["skipped"] == pytest.approx([time - film.start for time in times], abs=2e-3)


@pytest.mark.parametrize("codec, name, options", [("libx264", "a.mp4", {}), ("mpeg4", "a.avi", {}),
                                                  ("libx265", "a.mp4", QUIET)])
def test_too_much_damage_is_an_error(tmp_path, codec, name, options):
    path = write(tmp_path / name, scene(), codec, options=options)
    spoil(path, range(20, 26))
    film = footage.open_footage(path, None)
    with pytest.raises(InputError, match=r"a\.\w+: \d+ of \d+ frames cannot be decoded, at 0\.\d+.* at most 5%"):
        list(film.pictures())


def test_a_range_without_damage_can_be_used(tmp_path):
    path = write(tmp_path / "a.mp4", scene(100), "mpeg4")
    spoil(path, range(20, 30))
    film = footage.open_footage(path, None, start=2.0)
    assert len(list(film.pictures())) == 50 and film.remarks == {}


def test_damage_is_reported_in_every_pass(tmp_path):
    path = write(tmp_path / "a.mp4", scene(), "mpeg4")
    spoil(path, [31])
    film = footage.open_footage(path, None)
    damage = [list(film.pictures()) and film.remarks["damaged"] for _ in range(2)]
    assert damage[0] == damage[1]


def test_a_file_without_an_index_is_read_from_its_start(tmp_path, monkeypatch):
    pictures = scene(100)
    path = write(tmp_path / "a.mp4", pictures, options={"g": "50"})
    monkeypatch.setattr("stages.media.decoding._seek", lambda container, stream, seconds: container.seek(int(3.9e6)))
    found = list(footage.open_footage(path, None, start=1.0, end=1.4).pictures())
    assert len(found) == 10 and off(found[0], pictures[25]) < 6
    assert next(VideoDecoder(path, since=1.0).frames())[0] == 0


def test_the_size_may_change_while_deinterlacing(tmp_path):
    """Two concatenated interlaced streams of different sizes."""
    interlaced(tmp_path / "a.ts", "mpeg2video", "yuv420p", "tff")
    large = [np.pad(picture, ((0, 32), (0, 0), (0, 0))) for picture in scene(10, (96, 256))]
    write(tmp_path / "b.ts", large, "mpeg2video", fields="tff", times=range(100, 110))
    (tmp_path / "ab.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    heights = [frame.height for _, frame in VideoDecoder(tmp_path / "ab.ts").frames()]
    assert heights.count(96) >= 19 and heights.count(128) >= 9


def test_separate_packets_for_fields_are_not_lost_frames():
    """As in files from broadcast and camcorders: two packets half a frame apart give one frame."""
    log = PacketLog(tolerance=0.75 * 3600)
    for i in range(10):
        for half in (0, 1800):
            packet = av.Packet(b"field")
            packet.pts = 3600 * i + half
            log.add_packet(packet)
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts = 3600 * i
        if i != 4:  # no frame for this one
            assert log.add_frame(frame)
    assert log.lost() == {4 * 3600} and log.packets == 20
