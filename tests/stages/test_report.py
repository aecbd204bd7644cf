"""The report on made-up artifacts: one file, everything in it, nothing fetched."""

import base64
import contextlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from stages import metrics, report
from stages.media import tables
from stages.params import Report
from tests.stages import toy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All artifacts of two transfers, and the params.yaml that they come from."""
    folder = tmp_path_factory.mktemp("report")
    toy.write_all(folder)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings |= {
        "videos": {name: {"file": f"{name}.mp4", "preset": "demo"} for name in ("ann", "bob")},
        "subjects": {"ann": {"preset": "demo", "consent": "synthetic"}},
        "transfers": {
            "ann_from_ann": {"target": "ann", "source": "ann", "preset": "demo", "truth": "ann.mp4"},
            "ann_from_bob": {"target": "ann", "source": "bob", "preset": "demo", "truth": "bob.mp4"},
        },
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    for key, entry in (("ann_from_ann", toy.RECONSTRUCTION), ("ann_from_bob", toy.IMITATION)):
        metrics.run(**toy.paths("metrics", key, entry, folder), params=toy.METRICS, entry=entry, key=key)
    return folder


class Page(HTMLParser):
    """What a page is made of: text, addresses, open tags."""

    def __init__(self, text):
        super().__init__()
        self.words, self.sources, self.stack = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def page(root, key, entry):
    with contextlib.chdir(root):
        files = toy.paths("report", key, entry, Path())
        report.run(**files, params=Report(frames=4), entry=entry, key=key)
        return Page(files["report"].read_text())


@pytest.fixture(scope="module")
def pages(root):
    entries = {"ann_from_ann": toy.RECONSTRUCTION, "ann_from_bob": toy.IMITATION}
    return {key: page(root, key, entry) for key, entry in entries.items()}


@pytest.mark.parametrize("key", ["ann_from_ann", "ann_from_bob"])
def test_one_file_that_needs_no_other(pages, key):
    found = pages[key]
    assert found.stack == []
    assert found.sources and all(source.startswith("data:") for source in found.sources)
    for wanted in ("AI-generated", "Consent for ann", "synthetic", "random", "outside of the target's square", "psnr",
                   "switched off by presets.demo.metrics.weights", "Poses", "Masks", "Background", "Faces", "Generator",
                   "after 50, 60 steps", "Local GANs", "Foreground", "Nearest faces", "generator_training@ann",
                   "learning_rate", "torch"):
        assert wanted in found.text, wanted


def test_videos_play_and_show_three_panels(pages, tmp_path):
    movies = [source for source in pages["ann_from_ann"].sources if source.startswith("data:video/mp4;base64,")]
    assert len(movies) == 2
    file = tmp_path / "beside.mp4"
    file.write_bytes(base64.b64decode(movies[0].split(",")[1]))
    with av.open(str(file)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 10 and frames[0].shape == (64, 192, 3)
    truth = toy.over(toy.figure(toy.pose(30)), toy.wall())
    assert np.abs(frames[0][:, :64].astype(float) - truth).mean() < 12


def test_pictures_decode(pages):
    pictures = [source for source in pages["ann_from_bob"].sources if source.startswith("data:image/")]
    assert len(pictures) >= 7
    for source in pictures:
        assert cv2.imdecode(np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8), cv2.IMREAD_COLOR).std() > 1


def test_losses_that_play_no_part_have_no_curve(tmp_path):
    """Switched off, all zero; or of a part that was never seen, all NaN; or of the first steps only not."""
    nan = float("nan")
    columns = {"step": [1, 2, 3], "l1": [0.3, 0.2, 0.1], "gw": [0.0] * 3, "d_face": [nan] * 3, "vgg": [nan, 2.0, 1.0]}
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    charts = report.loss_curves({"generator": tmp_path, "local_gans": tmp_path / "none"})
    assert list(charts) == ["generator"]
    assert [re.search('aria-label="(.*?)"', chart)[1] for chart in charts["generator"]] == ["l1", "vgg"]


def test_the_same_bytes_twice(root, pages):
    before = (root / "artifacts/ann_from_bob/report.html").read_bytes()
    page(root, "ann_from_bob", toy.IMITATION)
    assert before == (root / "artifacts/ann_from_bob/report.html").read_bytes()


def test_what_is_not_there_is_left_out_or_told(root, tmp_path):
    """No face, no pictures of training, two people, a frame without a person."""
    copy = tmp_path / "all"
    shutil.copytree(root, copy)
    empty = {name: [] for name in tables.FACES.names}
    tables.write(copy / "artifacts/ann/faces.parquet", tables.FACES, empty, {"reason": "only seen from behind"})
    for picture in (copy / "artifacts/ann").glob("*/preview*.png"):
        picture.unlink()
    rest = {"frame": range(40), "detected": [t != 7 for t in range(40)], "interpolated": [t == 7 for t in range(40)],
            "people": [2] * 12 + [1] * 28}
    tables.write(copy / "artifacts/ann/poses.parquet", tables.POSES, toy.poses().columns() | rest)
    found = page(copy, "ann_from_bob", toy.IMITATION)
    for wanted in ("only seen from behind", "12 of 40 frames", "no person found in 1 of 40 frames"):
        assert wanted in found.text
    for absent in ("Nearest faces", "Local GANs before"):
        assert absent not in found.text
