"""The report on made-up artifacts: one file that contains everything and loads nothing."""

import base64
import re
import shutil
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from stages import report
from stages.imaging import compositing
from stages.media import parquet, video_file
from stages.provenance.label import Label
from stages.reporting import comparison_video
from tests.stages import toy
from tests.stages.reporting import made

VOID = {"meta", "img", "input"}


class Page(HTMLParser):
    """Text, URLs and open tags of a page."""

    def __init__(self, text):
        super().__init__()
        self.words, self.sources, self.stack = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def pages(reports):
    return {key: Page(path.read_text()) for key, path in reports.items()}


def decoded(source: str, folder) -> list[np.ndarray]:
    """The frames of an MP4 in a data URL."""
    file = folder / "carried.mp4"
    file.write_bytes(base64.b64decode(source.split(",")[1]))
    return list(video_file.frames(file))


def movies(page) -> list[str]:
    return [source for source in page.sources if source.startswith("data:video/mp4;base64,")]


@pytest.mark.parametrize("key, name", [("ann_from_bob", "PSNR, person"), ("ann_like_bob", "Pose distance")])
def test_the_curve_that_ranks_the_frames_is_shown_first(reports, key, name):
    text = reports[key].read_text()
    assert re.search(r'name="curve" value="0" checked><span>([^<]+) <b>', text)[1] == name
    assert re.search(r"<p class=\"soft\">By ([^:]+):", text)[1] == name


@pytest.mark.parametrize("key", made.ENTRIES)
def test_one_file_that_needs_no_other(pages, key):
    found = pages[key]
    assert found.stack == []
    assert found.sources and all(source.startswith(("data:", "#")) for source in found.sources)
    for wanted in ("AI-generated", "Consent for ann", "synthetic", "Random features", "Out of the picture",
                   "Background never seen", "switched off by presets.demo.metrics.weights", "Worst frames", "Masks",
                   "Background", "Learns to draw", "after 50, 60 steps", "Faces by orientation", "Nearest faces",
                   "generator_training@ann", "learning_rate", "torch"):
        assert wanted in found.text, wanted


def test_the_quarters_of_the_comparison_video_are_source_skeleton_result_and_truth(pages, folder, tmp_path):
    frames = decoded(movies(pages["ann_from_bob"])[0], tmp_path)
    assert len(frames) == toy.FRAMES and frames[0].shape == (128, 128, 3)
    made_by = video_file.pick(folder / "artifacts/ann_from_bob/foreground.mkv", [3, 33], "rgba")
    source = video_file.pick(folder / "artifacts/bob/frames.mkv", [3, 33])
    for t in (3, 33):
        result = Label((64, 64)).apply(compositing.compose(made_by[t], toy.wall()))
        wanted = {(0, 0): source[t], (1, 0): result, (1, 1): made.true_picture(t)}
        for (row, column), picture in wanted.items():
            quarter = frames[t][64 * row :, 64 * column :][:64, :64].astype(float)
            error = quarter - picture  # (64, 64, 3): noise, compressed
            assert np.abs(error).mean() < 15 and np.abs(error.mean((0, 1))).max() < 1, (t, row, column)
        assert (frames[t][:64, 64:].max(-1) < 40).mean() > 0.5  # lines on black


def test_without_a_truth_the_nearest_training_frame_is_shown(pages, folder, tmp_path):
    """The driving poses are the target's own: each is nearest to itself."""
    frames = decoded(movies(pages["ann_like_bob"])[0], tmp_path)
    training = video_file.pick(folder / "artifacts/ann/frames.mkv", [5, 20])
    for t, picture in training.items():
        assert np.abs(frames[t][64:, 64:].astype(float) - picture).mean() < 12
    assert "nearest training frame" in pages["ann_like_bob"].text


def test_a_reconstruction_shows_the_held_out_part_once(pages, tmp_path):
    frames = decoded(movies(pages["ann_from_ann"])[0], tmp_path)
    assert len(frames) == 10
    filmed = toy.over(toy.figure(toy.pose(30)), toy.wall())
    assert np.abs(frames[0][:64, :64].astype(float) - filmed).mean() < 12


def test_the_video_is_embedded_byte_for_byte(pages, folder):
    for key, page in pages.items():
        assert base64.b64decode(movies(page)[1].split(",")[1]) == (folder / f"artifacts/{key}/video.mp4").read_bytes()


def test_a_large_video_is_not_embedded_and_a_long_comparison_video_is_cut(folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "all")
    monkeypatch.setattr(report, "MAX_VIDEO_BYTES", 100)
    monkeypatch.setattr(comparison_video, "SIDES", ((20, 64),))
    found = Page(made.write_report(copy, "ann_from_bob").read_text())
    assert "too large for this page" in found.text and "the first 20 of 40 frames" in found.text
    assert [len(decoded(movie, tmp_path)) for movie in movies(found)] == [20]


def test_pictures_decode(pages):
    pictures = [source for source in pages["ann_from_bob"].sources if source.startswith("data:image/")]
    assert len(pictures) >= 20
    for source in pictures:
        assert cv2.imdecode(np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8), cv2.IMREAD_COLOR).size


def test_the_same_bytes_twice(folder, reports):
    before = reports["ann_from_bob"].read_bytes()
    assert made.write_report(folder, "ann_from_bob").read_bytes() == before


def test_missing_things_are_left_out_or_explained(folder, tmp_path):
    """No face, no pictures of training, two people, a frame without a person."""
    copy = tmp_path / "all"
    shutil.copytree(folder, copy)
    empty = {name: [] for name in parquet.FACES.names}
    parquet.write(copy / "artifacts/ann/faces.parquet", parquet.FACES, empty, {"reason": "only seen from behind"})
    for picture in (copy / "artifacts/ann").glob("*/preview*.png"):
        picture.unlink()
    rest = {"frame": range(40), "detected": [t != 7 for t in range(40)], "interpolated": [t == 7 for t in range(40)],
            "people": [2] * 12 + [1] * 28}
    parquet.write(copy / "artifacts/ann/poses.parquet", parquet.POSES, toy.poses().columns() | rest)
    found = Page(made.write_report(copy, "ann_from_bob").read_text())
    for wanted in ("only seen from behind", "12 of 40 frames", "no person found in 1 of 40 frames"):
        assert wanted in found.text
    for absent in ("Nearest faces", "generated, refined and true"):
        assert absent not in found.text
