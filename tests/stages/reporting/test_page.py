"""The report in a real browser, from disk and without a network: playing, seeking, comparing, accessibility."""

import base64
import re

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import VIEW, chromium

QUARTER = """view => {  // RGB of a quarter of the comparison video, or of the whole canvas, (64, 64, 3)
    const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
    canvas.width = canvas.height = 64;
    const wipe = document.getElementById('wipe'), comparison = document.getElementById('comparison');
    if (view === 'wipe') context.drawImage(wipe, 0, 0, 64, 64);
    else context.drawImage(comparison, view % 2 * 64, Math.floor(view / 2) * 64, 64, 64, 0, 0, 64, 64);
    return [...context.getImageData(0, 0, 64, 64).data];
}"""
SOURCE, SKELETON, RESULT, TRUTH = range(4)


@pytest.fixture(scope="module")
def browser():
    """For all tests of this file, none of which runs asyncio."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser):
    """A page that shares nothing with those of other tests."""
    context = browser.new_context(viewport=VIEW)
    yield context.new_page()
    context.close()


@pytest.fixture
def report(page, reports):
    """The page with its requests and console messages, in reduced motion, so that it does not play by itself."""
    page.messages, page.requests = [], []
    page.on("console", lambda message: page.messages.append(message.text))
    page.on("pageerror", lambda error: page.messages.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.context.set_offline(True)
    page.emulate_media(reduced_motion="reduce")
    page.goto(reports["ann_from_bob"].as_uri())
    until(page, "document.getElementById('comparison').readyState >= 2")
    return page


@pytest.fixture(scope="module")
def comparison_frames(reports, tmp_path_factory):
    """The frames of the comparison video as PyAV decodes them, (T, 128, 128, 3)."""
    file = tmp_path_factory.mktemp("comparison") / "comparison.mp4"
    page = reports["ann_from_bob"].read_text()
    source = re.search('id="comparison"[^>]*src="data:video/mp4;base64,([^"]*)"', page)[1]
    file.write_bytes(base64.b64decode(source))
    with av.open(str(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)


def picture(page, view) -> np.ndarray:
    return np.reshape(page.evaluate(QUARTER, view), (64, 64, 4))[..., :3].astype(float)


def until(page, expression: str) -> None:
    """Waits up to ten seconds for a JavaScript expression to be true. The page's CSP forbids wait_for_function."""
    for _ in range(500):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {expression}")


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    return np.abs(a - b).mean()


def shown_frame(page, comparison_frames) -> int:
    """The frame that the comparison video shows: the one with the most similar source."""
    until(page, "!document.getElementById('comparison').seeking")
    return int(np.abs(comparison_frames[:, :64, :64] - picture(page, SOURCE)).mean((1, 2, 3)).argmin())


def displayed_frame(page) -> int:
    """The frame number that the page displays."""
    return int(re.match(r"frame (\d+) ", page.inner_text("#where"))[1])


def settled(page, comparison_frames) -> int:
    """The frame number that the page displays, once it is the frame that is shown: after a pause a last one may
    come."""
    for _ in range(100):
        if (frame := displayed_frame(page)) == shown_frame(page, comparison_frames) == displayed_frame(page):
            return frame
        page.wait_for_timeout(20)
    raise AssertionError(f"the page displays {displayed_frame(page)} and shows {shown_frame(page, comparison_frames)}")


def test_it_plays_all_views_in_sync(report, comparison_frames):
    report.click("#play")
    report.wait_for_selector("#play[aria-label=Pause]")
    until(report, "document.getElementById('comparison').currentTime > 0.3")
    report.click("#play")
    frame = settled(report, comparison_frames)
    assert frame > 5
    for view in (SKELETON, RESULT, TRUTH):
        row, column = divmod(view, 2)
        wanted = comparison_frames[frame, 64 * row :, 64 * column :][:64, :64]
        assert mean_difference(picture(report, view), wanted) < 4
    report.focus("#play")
    report.keyboard.press("End")
    report.keyboard.press("Space")  # on a button: as it is clicked
    video = "document.getElementById('comparison')"
    until(report, f"{video}.currentTime < 1 && !{video}.paused")
    assert report.get_attribute("#play", "aria-label") == "Pause"
    report.emulate_media(reduced_motion="no-preference")
    report.reload()  # without reduced motion it plays by itself
    until(report, "document.getElementById('comparison').currentTime > 0.1")
    assert report.messages == [] and all(url.startswith(("file:", "data:", "blob:")) for url in report.requests)


def test_keyboard_and_single_steps(report, comparison_frames):
    reached = []
    for _ in range(20):
        report.keyboard.press("Tab")
        reached.append(report.evaluate("document.activeElement.id"))
    wanted = ["edge", "against", "difference", "back", "play", "on", "speed", "frame"]
    assert [name for name in reached if name in wanted] == wanted
    for action, wanted in (("on", 1), ("on", 2), ("back", 1)):
        report.click(f"#{action}")
        assert displayed_frame(report) == wanted == shown_frame(report, comparison_frames)
    report.focus("#on")
    for key, wanted in (("ArrowRight", 2), ("Shift+ArrowRight", 12), ("ArrowLeft", 11), ("End", 39), ("ArrowRight", 39),
                        ("Home", 0)):
        report.keyboard.press(key)
        assert displayed_frame(report) == wanted == shown_frame(report, comparison_frames)
    report.focus("#frame")
    report.keyboard.press("ArrowRight")
    assert displayed_frame(report) == 1


def test_the_curve_shows_the_score_and_seeks(report, reports, comparison_frames):
    table = pq.read_table(reports["ann_from_bob"].parent / "per_frame.parquet")
    curve = report.locator("#chart .plane")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    report.mouse.click(box["x"] + box["width"] * 20 / 39, box["y"] + 30)
    assert displayed_frame(report) == 20 == shown_frame(report, comparison_frames)
    value = table["psnr_person_box"][20].as_py()
    assert f"PSNR, person {value:.3g} dB" in report.get_attribute("#frame", "aria-valuetext")
    report.locator("#curves label", has_text="TCM").click()
    assert f"TCM {table['tcm'][20].as_py():.3g}" in report.get_attribute("#frame", "aria-valuetext")
    report.mouse.move(box["x"] + 1, box["y"] + 30)
    report.mouse.down()
    report.mouse.move(box["x"] + box["width"] - 1, box["y"] + 30)
    report.mouse.up()
    assert displayed_frame(report) == 39


def test_the_wipe_shows_both_sides(report, comparison_frames):
    """All truth, all result, half of each; and against another view, or as a difference."""
    report.click("#on")
    result, truth = comparison_frames[1, 64:, :64], comparison_frames[1, 64:, 64:]
    canvas = report.locator("#wipe").bounding_box()

    def drag(share: float) -> np.ndarray:
        report.mouse.click(canvas["x"] + canvas["width"] * share, canvas["y"] + 20)
        shown_frame(report, comparison_frames)
        return picture(report, "wipe")

    assert mean_difference(drag(0.002), truth) < 0.5 * mean_difference(drag(0.002), result)
    assert mean_difference(drag(0.998), result) < 0.5 * mean_difference(drag(0.998), truth)
    half = drag(0.5)
    for side, own, other in ((np.s_[:, :31], result, truth), (np.s_[:, 33:], truth, result)):
        assert mean_difference(half[side], own[side]) < 0.5 * mean_difference(half[side], other[side])
    report.select_option("#against", "source")
    assert mean_difference(picture(report, "wipe")[:, 33:], comparison_frames[1, :64, 33:64]) < 3
    report.select_option("#against", "truth")
    report.check("#difference")
    assert mean_difference(picture(report, "wipe"), np.abs(result - truth)) < 3


def test_warnings_and_worst_frames_seek_and_pictures_open_enlarged(report, comparison_frames):
    values = report.locator("#worst b").all_inner_texts()
    assert all(re.fullmatch(r"\d+\.\d\d dB", value) for value in values)  # equal precision
    assert values == sorted(values, key=lambda value: float(value.split()[0]))
    worst = report.locator("#worst .seek").first
    worst.click()
    assert displayed_frame(report) == int(worst.get_attribute("data-frame")) == shown_frame(report, comparison_frames)
    spot = report.locator("#warnings li", has_text="Background never seen").locator(".seek").last
    spot.click()
    assert displayed_frame(report) == int(spot.get_attribute("data-frame")) == shown_frame(report, comparison_frames)
    report.locator("#stages .zoom").first.focus()
    report.keyboard.press("Enter")
    assert report.locator("#large img").is_visible()
    report.keyboard.press("Escape")
    assert not report.locator("#large").is_visible()


def test_no_tag_covers_the_label_of_the_result(report):
    """The label is in the lower left corner."""
    for width in (1280, 390):
        report.set_viewport_size({"width": width, "height": 800})
        canvas = report.locator("#wipe").bounding_box()
        for tag in report.locator("#compare .tag").all():
            box = tag.bounding_box()
            assert canvas["y"] <= box["y"] and box["y"] + box["height"] < canvas["y"] + canvas["height"] / 4


def scrolling_ended(page) -> None:
    """Waits until the page has not scrolled for 0.3 seconds."""
    before, now = None, page.evaluate("scrollY")
    while now != before:
        page.wait_for_timeout(300)
        before, now = now, page.evaluate("scrollY")


def test_keys_outside_of_the_players_keep_their_function(report):
    """Space scrolls if the players are not visible, and home and end go to the ends of the page."""
    report.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    report.evaluate("document.getElementById('stages').scrollIntoView()")
    before = report.evaluate("scrollY")
    report.keyboard.press("Space")
    until(report, f"scrollY > {before}")
    scrolling_ended(report)  # keys are lost while the page scrolls
    report.keyboard.press("Home")
    until(report, "scrollY === 0")
    assert report.evaluate("document.getElementById('comparison').paused") and displayed_frame(report) == 0
    report.keyboard.press("ArrowRight")  # the players are visible
    assert displayed_frame(report) == 1


def test_print_is_bright_and_has_no_controls(report):
    report.emulate_media(media="print", color_scheme="dark")
    paper, ink = (report.evaluate(f"getComputedStyle(document.body).{part}") for part in ("backgroundColor", "color"))
    bright, dark = (max(map(int, re.findall(r"\d+", color)[:3])) for color in (paper, ink))
    assert bright > 200 and dark < 60
    assert report.evaluate("getComputedStyle(document.getElementById('player')).printColorAdjust") == "exact"
    for part in ("#play", "#edge", "nav a >> nth=0", "#whole"):
        assert not report.locator(part).is_visible(), part
    assert report.locator("#wipe").is_visible() and report.locator("#worst img").first.is_visible()


def test_without_javascript_the_comparison_video_can_be_played(page, reports):
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(reports["ann_from_bob"].as_uri())
    assert plain.get_attribute("#comparison", "controls") is not None and plain.locator("noscript").is_visible()
    assert not plain.locator("#play").is_visible()


@pytest.mark.parametrize("key, width, scheme", [
    ("ann_from_bob", 1280, "light"), ("ann_from_ann", 360, "dark"), ("ann_like_bob", 360, "light"),
])
def test_accessibility(report, reports, key, width, scheme):
    """axe-core finds no violation, in light and dark mode, and there is no horizontal scrolling on a phone."""
    report.set_viewport_size({"width": width, "height": 800})
    report.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    report.goto(reports[key].as_uri())
    report.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    found = Axe().run(report).response
    assert [(wrong["id"], [node["target"] for node in wrong["nodes"]]) for wrong in found["violations"]] == []
    assert report.evaluate("document.documentElement.scrollWidth") <= width
    assert report.messages == []
