"""Hostile media: playlists, names that look like URLs, decompression bombs, broken files."""

import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages import InputError
from stages.media import container, footage, images, takes, video_file

ROOT = Path(__file__).parents[3]
FRAMES = 8


@pytest.fixture
def asked():
    """The paths requested from a local server; `asked.address` is its address."""

    class Asked(list):
        address = ""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    paths = Asked()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    paths.address = f"127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield paths
    server.shutdown()
    server.server_close()


def film(path: Path, codec: str = "libx264") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w", format=None if path.suffix == ".ts" else "mp4") as file:
        stream = file.add_stream(codec, rate=8)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for i in range(FRAMES):
            picture = np.full((64, 64, 3), 20 * i, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode())
    return path


def count(path: Path) -> int:
    return sum(1 for _ in footage.open_footage(path, None).pictures())


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
SDP = ("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 45678 RTP/AVP 96\n"
       "a=rtpmap:96 H264/90000\n")
DASH = ('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>')


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".mpd", ".sdp", ".txt", ".ts"])
@pytest.mark.parametrize("text", [
    HLS.format("http://{address}/a.ts"), HLS.format("file://{folder}/other.ts"), HLS.format("other.ts"),
    "ffconcat version 1.0\nfile http://{address}/a.mp4\n", "ffconcat version 1.0\nfile other.ts\n", SDP,
    DASH.format("http://{address}/a.mp4"), DASH.format("other.ts"), "RTSPtext\r\nrtsp://{address}/a\r\n",
    "a secret\n" * 100, '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
], ids=["hls http", "hls file", "hls beside", "concat http", "concat beside", "sdp", "dash http", "dash beside", "rtsp",
        "text", "svg"])
def test_playlists_are_rejected(tmp_path, asked, text, suffix):
    film(tmp_path / "other.ts")
    path = tmp_path / f"video{suffix}"
    path.write_text(text.replace("{address}", asked.address).replace("{folder}", str(tmp_path)))
    with pytest.raises(InputError, match="not a video that can be read"):
        footage.open_footage(path, None)
    assert asked == []


def test_with_more_formats_another_file_would_be_read(tmp_path):
    """The list of formats prevents it."""
    film(tmp_path / "other.ts")
    (tmp_path / "video.mp4").write_text("ffconcat version 1.0\nfile other.ts\n")
    with container.open_media(tmp_path / "video.mp4", (*container.VIDEO_FORMATS, "concat")) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == FRAMES


@pytest.mark.parametrize("name", ["http://{address}/a.mp4", "rtsp://{address}/a", "concat:a.mp4|b.mp4", "pipe:0",
                                  "data:video/mp4;base64,AAAA", "file:a.mp4", "subfile,,start,0,end,0,,:a.mp4",
                                  "-", ""])
def test_names_are_names_of_files(tmp_path, monkeypatch, asked, name):
    """Never URLs or protocols, whether a file of that name exists or not."""
    monkeypatch.chdir(tmp_path)
    film(Path("a.mp4"))
    name = name.format(address=asked.address)
    if name:
        with pytest.raises(InputError, match="no such file"):
            footage.open_footage(name, None)
        film(Path(name), "mpeg4")
        assert count(Path(name)) == FRAMES
        with video_file.lossless(Path("copy.mkv"), 8, audio=Path(name)) as append:
            append(np.zeros((8, 8, 3), np.uint8))
        assert video_file.frame_rate(Path("copy.mkv")) == 8
    else:
        with pytest.raises(InputError, match="no images"):
            footage.open_footage(name, None)
    assert asked == []


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "/dev/null", "/proc/self/mem", "gone", "loop"])
def test_other_things_than_files_are_rejected(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("gone").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    with pytest.raises(InputError):
        footage.open_footage(path, None)


def png(path: Path, width: int, height: int, rows: int) -> None:
    """A PNG with a declared size and this number of black rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(3 * width + 1) * rows)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def tiff(path: Path, width: int, height: int) -> None:
    """A TIFF header for a grey image, with data for four pixels."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, height), (279, 4, 4)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<I", 12) + b"\0" * 4 + struct.pack("<H", len(tags)) + entries + bytes(4))


MAKE = {
    "bomb": lambda path: png(path, 20_000, 20_000, 20_000 // 100),
    "lie": lambda path: png(path, 60_000, 60_000, 0),
    "tiff": lambda path: tiff(path, 60_000, 60_000),
    "svg": lambda path: path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "playlist": lambda path: path.write_text(HLS.format("other.ts")),
    "empty": lambda path: path.touch(),
    "gone": lambda path: path.symlink_to("nowhere"),
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """The error for each folder with such an image, from a process with little memory, in which OpenCV reads its limit as
    in a stage."""
    folder = tmp_path_factory.mktemp("pictures")
    for kind, make in MAKE.items():
        (folder / kind).mkdir()
        cv2.imwrite(str(folder / kind / "000.png"), np.zeros((32, 32, 3), np.uint8))
        make(folder / kind / ("001.tif" if kind == "tiff" else "001.png"))
    code = """if True:
        import json, sys
        from stages import InputError
        from stages.media import footage
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
        for folder in sys.argv[1:]:
            try:
                for picture in footage.open_footage(folder, None).pictures():
                    pass
            except InputError as error:
                print(json.dumps([folder, str(error)]), flush=True)"""
    folders = [str(folder / kind) for kind in MAKE]
    done = subprocess.run([sys.executable, "-c", code, *folders], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr[-500:]
    errors = dict(map(json.loads, done.stdout.splitlines()))
    return {kind: errors.get(str(folder / kind), "") for kind in MAKE}


@pytest.mark.parametrize("make, suffix", [(kind, ".tif" if kind == "tiff" else ".png") for kind in MAKE])
def test_bad_images_are_rejected(refusals, make, suffix):
    assert f"{make}/001{suffix}" in refusals[make]


def test_links_in_a_folder_of_images_are_followed(tmp_path):
    """Links give no more access than the user already has."""
    cv2.imwrite(str(tmp_path / "else.png"), np.full((32, 32, 3), 7, np.uint8))
    (tmp_path / "clip").mkdir()
    for i in range(4):
        (tmp_path / f"clip/{i}.png").symlink_to(tmp_path / "else.png")
    assert count(tmp_path / "clip") == 4 and takes.list_takes(tmp_path / "clip") == [tmp_path / "clip"]
    assert images.read_image(tmp_path / "clip/0.png").mean() == 7


@pytest.mark.parametrize("width, height", [(40_000, 40_000), (16_000, 16_000)])
def test_videos_with_giant_frames_are_rejected(tmp_path, width, height):
    """FFmpeg itself rejects the first; a frame of the second takes 700 MB."""
    png(tmp_path / "a.png", width, height, 0)
    with av.open(str(tmp_path / "a.mov"), "w") as file:
        stream = file.add_stream("png", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        stream.codec_context.open()
        for i in range(4):
            packet = av.Packet((tmp_path / "a.png").read_bytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 8)
            file.mux(packet)
    with pytest.raises(InputError, match="pixels|no frame can be decoded"):
        count(tmp_path / "a.mov")


FUZZ = """
import json, random, resource, sys
from pathlib import Path
from stages import InputError
from stages.media import footage
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
original, folder, ends = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), []
draw = random.Random(0)
for number in range(int(sys.argv[3])):
    content = bytearray(original)
    if number % 4 == 0:
        del content[draw.randrange(len(content)) :]
    for _ in range(draw.choice((1, 4, 32, 256))):
        if content:
            content[draw.randrange(len(content))] = draw.choice((0, 255, 127, 128, draw.randrange(256)))
    file = folder / f"{number}{Path(sys.argv[1]).suffix}"
    file.write_bytes(content)
    resource.setrlimit(resource.RLIMIT_CPU, (int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + 10, -1))
    try:
        ends.append(sum(1 for _ in footage.open_footage(file, None).pictures()))
    except InputError:
        ends.append(None)
    file.unlink()
print(json.dumps(ends))
"""


@pytest.mark.parametrize("name, codec", [("a.mp4", "libx264"), ("a.mkv", "mpeg4"), ("a.ts", "mpeg2video")])
def test_broken_files_are_read_or_rejected(tmp_path, name, codec):
    """In a separate process, which must not crash or need more than 3 GB or 10 s per file."""
    film(tmp_path / name, codec)
    done = subprocess.run([sys.executable, "-c", FUZZ, str(tmp_path / name), str(tmp_path), "300"], cwd=ROOT,
                          capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"
    ends = json.loads(done.stdout.splitlines()[-1])
    assert len(ends) == 300 and None in ends and FRAMES in ends
