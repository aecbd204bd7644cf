"""The studio in a real browser, from upload to download. It runs the miniature project."""

import os
import re
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pipeline.dvc_backend.digests import write_digests
from pipeline.studio import app, jobs
from stages import InputError, layout, params
from stages.media import png, video_file
from tests.server import Command, alive, wait_for

if not find_spec("gradio"):
    pytest.skip("requirements-studio.txt is not installed", allow_module_level=True)

MADE = 120_000  # milliseconds in which a run of the miniature is done
CONSENT = {"Who agreed": "Ana Ruiz", "When": "2026-01-31", "To what": "one dance",
           "Where this is recorded, or what they said": "a form"}
CUT_OFF = ("AbortError: signal is aborted", "Error: Connection errored out")  # Gradio's streams, by a reload
START = '            if name == "plots":\n'  # of what a stage of the miniature does with an output


def film(path: Path, shade: int = 0) -> Path:
    """Two seconds of a square that moves."""
    with video_file.h264(path, 10.0, 20, {}) as add:
        for i in range(20):
            frame = np.full((64, 64, 3), shade, np.uint8)
            frame[20:40, i * 2 : i * 2 + 20] = 220
            add(frame)
    return path


@pytest.fixture
def clips(tmp_path) -> dict[str, Path]:
    (tmp_path / "clips").mkdir()
    names = {"target": "Ana dances (1).mp4", "source": "Cho.mp4"}
    return {side: film(tmp_path / "clips" / name, 90 * i) for i, (side, name) in enumerate(names.items())}


@pytest.fixture
def seeing(project, tmp_path):
    """Makes the miniature's last stages write a real video, and the background a real picture."""
    film(project.folder / "film.mp4", 40)
    png.write(project.folder / "plate.png", np.full((64, 64, 3), (200, 30, 30), np.uint8))
    copies = {"film.mp4": ("video",), "plate.png": ("background", "seen", "full_background")}
    real = "".join(f"            if name in {names}:\n"
                   f"                temporary.write_bytes((here / '{file}').read_bytes())\n"
                   "                continue\n" for file, names in copies.items())
    for stage in ("background_inpainting", *(stage for stage, kind in layout.KINDS.items() if kind == "transfers")):
        path = project.folder / f"stages/{stage}.py"
        path.write_text(path.read_text().replace(START, real + START))
    write_digests(project.folder)
    return project


@pytest.fixture
def studio(seeing, server, tmp_path):
    """Starts the command as a user does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "nobody").mkdir()
    with Command(seeing.folder, server, "studio", "--port", str(port), CUDA_VISIBLE_DEVICES="",
                 HOME=str(tmp_path / "nobody"), HTTP_PROXY="http://127.0.0.1:1", GRADIO_SERVER_NAME="0.0.0.0", GRADIO_ALLOWED_PATHS="/") as running:
        running.says("open this address in your browser")
        running.address = f"http://127.0.0.1:{port}"
        running.door = re.search(rf"studio: ({running.address}/\?key=\S+)\n", running.said)[1]
        yield running


@pytest.fixture
def watched(page):
    """The page. It must send requests only to the studio and have no errors."""
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert {urlsplit(url).hostname for url in asked if url.startswith(("http", "ws"))} == {"127.0.0.1"}
    assert [error for error in errors if not error.startswith(CUT_OFF)] == []


def drop(page: Page, side: str, file: Path) -> None:
    page.locator(f"#{side} input[type=file]").set_input_files(file)


def fill(page: Page, clips: dict[str, Path]) -> None:
    for side, file in clips.items():
        drop(page, side, file)
    expect(page.locator(".clip video")).to_have_count(2)
    for label, text in CONSENT.items():
        page.get_by_label(label).fill(text)
    page.get_by_label("demo: up to 640 x 640").check()
    page.get_by_label("This person has agreed").check()


def order(page: Page) -> None:
    page.get_by_role("button", name="Make the video").click()


def test_from_upload_to_download(studio, watched, clips, seeing, tmp_path):
    page = watched
    before = set(os.listdir())
    page.goto(studio.door)
    (tmp_path / "notes.mp4").write_text("not a video\n" * 99)
    drop(page, "target", tmp_path / "notes.mp4")
    expect(page.get_by_role("alert")).to_contain_text("notes.mp4: not a video that can be read")
    page.locator("#target").get_by_role("button").first.click()
    expect(page.get_by_role("alert")).to_have_count(0)

    order(page)
    expect(page.get_by_role("alert")).to_contain_text("the target video is missing")
    for side, file in clips.items():
        drop(page, side, file)
    expect(page.locator(".clip video")).to_have_count(2)
    order(page)
    expect(page.get_by_role("alert")).to_contain_text("consent: write who agreed")
    for label, text in CONSENT.items():
        page.get_by_label(label).fill(text)
    order(page)
    expect(page.get_by_role("alert")).to_contain_text("required before a video of this person is made")
    assert not set(params.load().subjects) - {"ava", "ben"} and not list(Path("studio").glob("videos/*"))
    page.get_by_label("demo: up to 640 x 640").check()
    page.get_by_label("This person has agreed").check()
    order(page)

    expect(page.get_by_role("heading", name="ana_dances_1 moves like cho")).to_be_visible()
    expect(page.get_by_role("button", name="Stop this run")).to_be_visible()
    link = page.get_by_role("link", name="Download the video")
    expect(link).to_be_visible(timeout=MADE)
    key = "ana_dances_1_from_cho"
    expect(page.locator(".steps li.done")).to_have_count(len(seeing.ran()))
    expect(page.get_by_role("button", name="Stop this run")).to_be_hidden()
    picture = page.get_by_alt_text("Output of background inpainting for ana_dances_1")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 64
    player = page.locator(".result video")
    player.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function("document.querySelector('.result video').currentTime > 0.5")
    made = jobs.result_files(key)
    for name, path in made.items():
        with page.expect_download() as waiting:
            page.get_by_role("link", name=f"Download the {name}").click()
        assert waiting.value.suggested_filename == f"{key}{path.suffix}"
        assert Path(waiting.value.path()).read_bytes() == path.read_bytes()

    config = params.load()
    assert config.videos["ana_dances_1"].file == "studio/videos/ana_dances_1.mp4"
    assert Path("studio/videos/cho.mp4").read_bytes() == clips["source"].read_bytes()
    consent = config.subjects["ana_dances_1"].consent
    assert (consent.who, consent.when, consent.scope, consent.record) == tuple(CONSENT.values())

    page.reload()
    expect(page.get_by_role("link", name="Download the video")).to_be_visible()
    fill(page, clips)
    order(page)
    expect(page.get_by_text("of 15 stages are done")).to_be_visible()
    expect(page.locator(".steps li.up-to-date").nth(12)).to_be_visible(timeout=MADE)
    assert seeing.ran() == [] and len(params.load().transfers) == 2
    assert set(os.listdir()) - before <= {"home"}  # Prefect's


def test_one_at_a_time_and_it_can_be_stopped(studio, watched, clips, seeing):
    page = watched
    hanging = seeing.order("frames@ana_dances_1", "hang")
    page.goto(studio.door)
    another = page.context.browser.new_page()  # which only watches
    another.goto(studio.door)
    fill(page, clips)
    order(page)
    stage = studio.hangs()
    expect(another.get_by_role("heading", name="ana_dances_1 moves like cho")).to_be_visible()
    another.close()
    drop_again = dict(clips, source=clips["target"])
    page.reload()
    fill(page, drop_again)
    order(page)
    expect(page.get_by_text("Waiting: 1 run before it. One runs at a time")).to_be_visible()
    page.get_by_label("ana_dances_1 like cho").check()
    expect(page.locator(".steps li.running")).to_contain_text("frames")
    page.get_by_role("button", name="Stop this run").click()
    expect(page.get_by_text("Stopped. Finished stages are kept")).to_be_visible(timeout=MADE)
    assert not alive(stage)
    hanging.write_text("refuse")
    page.get_by_label("ana_dances_1 like ana_dances_1").check()
    expect(page.get_by_role("alert")).to_contain_text("nobody is in this video", timeout=MADE)
    expect(page.get_by_role("alert")).not_to_contain_text("Traceback")


def test_only_this_machine_has_access_and_ctrl_c_stops_it(studio, seeing, server, tmp_path):
    port = urlsplit(studio.address).port
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    assert [line[1] for line in lines if line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port] == [
        f"0100007F:{port:04X}"]
    assert status(studio) == status(studio, "/config") == status(studio, "/?key=wrong") == 401
    cookie = {"Cookie": f"studio_{port}={studio.door.rpartition('=')[2]}"}
    assert status(studio, **cookie) == 200
    for header in ({"Host": f"evil.example:{port}"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                   {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"}):
        assert status(studio, **cookie, **header) == 403, header
    for path in ("params.yaml", "artifacts/ava/generator", "studio/shown/../../params.yaml", "/etc/passwd"):
        assert status(studio, f"/gradio_api/file={(seeing.folder / path)}", **cookie) == 403, path
    with Command(seeing.folder, server, "studio", "--port", "1") as second:
        assert "another studio, or a run that it started" in second.ends(1)
    os.killpg(studio.process.pid, signal.SIGINT)
    wait_for(lambda: studio.process.poll() is not None, 30)
    assert "interrupted" in studio.said and "Traceback" not in studio.said
    assert sorted(path.name for path in Path("studio").iterdir()) == ["lock"]
    assert list((tmp_path / "nobody").iterdir()) == []
    again = ("studio", "--port", str(port))
    with socket.create_server(("127.0.0.1", port)), Command(seeing.folder, server, *again) as late:
        assert f"port {port} is in use" in late.ends(1)


@pytest.mark.parametrize("port", [0, 65536])
def test_an_invalid_port_is_rejected(port):
    with pytest.raises(InputError, match=f"--port {port}: expected one of 1 to 65535"):
        app.serve(port)


def test_without_gradio(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(InputError, match="pip install -r requirements-studio.txt"):
        app._gradio(tmp_path)


def status(studio, path: str = "/", **headers: str) -> int:
    try:
        return urlopen(Request(studio.address + path, headers=headers), timeout=10).status
    except HTTPError as error:
        return error.code
