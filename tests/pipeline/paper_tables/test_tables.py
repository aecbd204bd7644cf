"""The paper's tables with known scores."""

import json
import re
import shutil
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.paper_tables import other_systems, pages, tables
from pipeline.paper_tables.verdicts import verdict
from stages import layout, params
from stages.evaluation.scoring import FRAME_SCORES, PER_FRAME
from tests.miniature import Project

ROOT = Path(__file__).parents[3]
PAPER = yaml.safe_load(tables.PAPER.read_text())
FPS, FRAMES, SEEDS = 10.0, 60, 3


def write(files: dict[str, Path], psnr: float, fid: float | None = None) -> None:
    """Writes scores that vary from frame to frame in the same way for all methods."""
    noise = np.random.default_rng(round(1000 * psnr)).normal(0, 0.05, FRAMES)
    values = psnr + 3 * np.sin(np.arange(FRAMES) / 7) + noise
    columns = {field.name: pa.nulls(FRAMES, field.type) for field in PER_FRAME}
    columns |= {"frame": list(range(FRAMES)), "psnr": values}
    metrics = {name: {"value": None, "unit": None, "reason": "no truth", "low": None, "high": None} for name in FRAME_SCORES}
    metrics["psnr"] = {"value": values.mean(), "unit": "dB", "reason": None, "low": psnr - 2, "high": psnr + 2}
    metrics["fid"] = {"value": fid, "unit": None, "reason": None if fid else "no weights", "low": None, "high": None}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, PER_FRAME), files["per_frame"])
    files["metrics"].write_text(json.dumps({
        "fps": FPS, "against": "the truth", "flow": "dis", "code": other_systems.code_checksum(), "metrics": metrics}))


code = cache(other_systems.code_checksum)  # no test here changes the code


@pytest.fixture(scope="module")
def known(computed, tmp_path_factory) -> tuple[Path, tables.Table]:
    """Table 1 and its folder. Ours, EDN, SS-FR and MLG have run, and LWGAN was evaluated in one protocol."""
    project = Project(shutil.copytree(computed.folder, tmp_path_factory.mktemp("table") / "project", symlinks=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        patch.setattr(other_systems, "code_checksum", code)
        return project.folder, filled(project)


@pytest.fixture
def table(known, tmp_path, monkeypatch) -> tables.Table:
    """The table, in a copy of that folder."""
    folder, found = known
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "project", symlinks=True))
    monkeypatch.setattr(other_systems, "code_checksum", code)
    return found


def filled(project: Project) -> tables.Table:
    itself = dict(target="ava", source="ava", preset="demo", truth="artifacts/samples/ava.mp4")
    known = yaml.safe_load((ROOT / "params.yaml").read_text())["variants"]
    project.change(transfers={"ava_from_ava": itself}, variants=known)
    for name in ("lwgan", "mine"):
        write(layout.system("ava_from_ava", name), 24.0)
    found = table_of(SEEDS)
    levels = {"complete": 25.0, "edn": 24.7, "ss_fr": 25.001, "mlg": 25.4}
    for one in found.experiments:
        if one.variant in levels:
            psnr = levels[one.variant] + 0.003 * one.seed * len(one.variant) % 0.04  # each seed differs a little
            for key in one.transfers:
                write(one.scores(key), psnr, fid=50 + psnr)
    return found


def table_of(seeds: int, preset: str = "demo") -> tables.Table:
    return tables.Table(1, params.load(), preset, "ava", "ben", seeds)


def named(table: tables.Table, variant: str, seed: int = 0) -> str:
    return next(one.name for one in table.experiments if (one.variant, one.seed) == (variant, seed))


def cell(table, method, protocol, metric, failures=()):
    return next(one for one in table.cells(dict(failures))
                if (one.method, one.protocol, one.metric) == (method, protocol, metric))


@pytest.mark.parametrize("method, verdict, sign", [
    ("EDN", "reproduced", 1), ("SS-FR", "too close to tell", 0), ("MLG", "not reproduced", -1),
    ("LWGAN", "not tested: one training", 1),
])
def test_a_small_difference_has_its_sign(table, method, verdict, sign):
    found = cell(table, method, "reconstruction", "psnr")
    assert found.verdict == verdict
    ours = cell(table, "Ours", "reconstruction", "psnr")
    assert found.high > ours.low and ours.high > found.low  # overlapping intervals do not decide it
    assert sign == (found.difference_low > 0) - (found.difference_high < 0)


@pytest.mark.parametrize("seeds, verdict", [(1, "not tested: one training"), (2, "not tested: 2 trainings")])
def test_fewer_than_three_seeds_have_no_verdict(table, seeds, verdict):
    found = cell(table_of(seeds), "EDN", "reconstruction", "psnr")
    assert found.verdict == verdict and found.difference > 0.2 and found.trainings == seeds
    assert found.difference_low > 0 and (found.spread is None) == (seeds == 1)


def test_missing_seeds_are_ignored(table):
    shutil.rmtree(layout.experiment(named(table, "edn", seed=1)))
    found = cell(table, "EDN", "reconstruction", "psnr")
    assert (found.trainings, found.verdict) == (2, "not tested: 2 trainings")
    assert cell(table, "MLG", "reconstruction", "psnr").verdict == "not reproduced"


def test_values_and_differences_are_means_over_seeds(table):
    values = {name: [json.loads(one.scores("ava_from_ava")["metrics"].read_text())["metrics"]["psnr"]["value"]
                     for one in table.experiments if one.variant == name] for name in ("complete", "edn")}
    ours, edn = (cell(table, method, "reconstruction", "psnr") for method in ("Ours", "EDN"))
    assert (ours.value, ours.spread) == pytest.approx((np.mean(values["complete"]), np.std(values["complete"], ddof=1)))
    assert edn.difference == pytest.approx(np.mean(np.subtract(*values.values())))


def test_values_of_the_paper(table):
    found = cell(table, "EDN", "reconstruction", "psnr")
    assert (found.complexmotion, found.iper, found.unit) == (24.36, 24.48, "dB")
    ours = cell(table, "Ours", "reconstruction", "psnr")
    assert (ours.complexmotion, ours.difference, ours.verdict) == (27.15, None, None)
    assert found.difference == pytest.approx(ours.value - found.value)
    extra = cell(table, "EDN", "imitation", "psnr")  # not in the paper
    assert (extra.complexmotion, extra.verdict) == (None, None) and extra.difference > 0


def test_without_per_frame_values_seeds_give_the_interval(table):
    found = cell(table, "EDN", "imitation", "fid")
    assert found.difference_low < found.difference < found.difference_high
    assert found.verdict == "too small to count"  # 0.3 of 75
    alone = cell(table_of(1), "EDN", "imitation", "fid")
    assert (alone.difference_low, alone.verdict) == (None, "not tested: one training")


@pytest.mark.parametrize("method, protocol, metric, reason", [
    ("EDN", "reconstruction", "lpips", "no truth"),
    ("FSV2V", "imitation", "fid", "not evaluated: python -m pipeline evaluate --frames FRAMES --as fsv2v ava_from_ben"),
    ("LWGAN", "imitation", "fid", "not evaluated: python -m pipeline evaluate --frames FRAMES --as lwgan ava_from_ben"),
    ("TD", "reconstruction", "psnr", "it diverged"),
])
def test_an_empty_cell_has_a_reason(table, method, protocol, metric, reason):
    found = cell(table, method, protocol, metric, {named(table, "td"): "it diverged"})
    assert (found.value, found.difference, found.reason) == (None, None, reason)


def test_a_system_that_is_not_in_the_paper_is_a_row_too(table):
    found = cell(table, "mine", "reconstruction", "psnr")
    assert found.value is not None and found.complexmotion is None
    assert found.difference == pytest.approx(1.0, abs=0.1) and found.verdict is None


def test_an_evaluated_row_needs_no_experiment(table):
    write(layout.system("ava_from_ava", "edn"), 10.0)
    again = table_of(SEEDS)
    assert {one.variant for one in again.experiments} == {"complete", "ss_fr", "mlg", "td"}
    assert 9 < cell(again, "EDN", "reconstruction", "psnr").value < 12
    other = table_of(1, "paper")
    assert [one.variant for one in other.experiments] == ["complete", "td", "mlg", "ss_fr", "edn"]
    assert "mine" not in {row.name for row in other.rows}


@pytest.mark.parametrize("change, message", [
    ({"against": "another truth"}, "scored against other frames than ours: the truth or the transfer has changed"),
    ({"flow": "raft"}, "scored with another flow model than ours, dis"),
    ({"code": "an earlier one's"}, "scored with an older version of the code"),
])
def test_outdated_scores_are_not_shown(table, change, message):
    path = layout.system("ava_from_ava", "lwgan")["metrics"]
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found = cell(table, "LWGAN", "reconstruction", "psnr")
    assert (found.value, found.difference) == (None, None)
    again = "python -m pipeline evaluate --frames FRAMES --as lwgan ava_from_ava"
    assert found.reason == f"{message}; evaluate again: {again}"
    assert cell(table, "mine", "reconstruction", "psnr").value is not None


def test_other_systems_are_shown_without_ours(table):
    for seed in range(SEEDS):
        shutil.rmtree(layout.experiment(named(table, "complete", seed)))
    assert cell(table, "LWGAN", "reconstruction", "psnr").value is not None


@pytest.mark.parametrize("metric, low, high, paper, trainings, message", [
    ("psnr", 0.1, 0.3, [1.0, 2.0], 3, "reproduced"), ("psnr", -0.3, -0.1, [-1.0, -0.1], 3, "reproduced"),
    ("psnr", -0.3, -0.1, [1.0, 2.0], 3, "not reproduced"), ("psnr", 0.1, 0.3, [-1.0], 5, "not reproduced"),
    ("psnr", -0.1, 0.5, [1.0, 2.0], 3, "too close to tell"), ("psnr", 0.0, 0.3, [1.0, 2.0], 3, "too close to tell"),
    ("psnr", 0.1, 0.3, [1.0, -2.0], 3, "reproduced in part"), ("psnr", None, None, [1.0], 3, "no interval"),
    ("psnr", 0.1, 0.3, [], 3, None), ("psnr", 0.1, 0.3, [1.0], 2, "not tested: 2 trainings"),
    ("psnr", 0.1, 0.3, [1.0], 1, "not tested: one training"), ("psnr", 0.08, 0.11, [1.0], 3, "too small to count"),
    ("psnr", -0.11, -0.08, [1.0], 3, "too small to count"), ("ssim", 0.002, 0.003, [1.0], 3, "reproduced"),
    ("ssim", 0.001, 0.002, [1.0], 3, "too small to count"), ("tcm", 0.01, 0.03, [1.0], 3, "reproduced"),
    ("lpips", -0.2, -0.1, [-1.0], 3, "reproduced"), ("lpips", -0.1, -0.05, [-1.0], 3, "too small to count"),
])
def test_verdicts(metric, low, high, paper, trainings, message):
    """With a score of 5, a relative minimum of 2 % is 0.1."""
    difference = 0.2 if low is None else (low + high) / 2
    assert verdict(metric, 5.0, difference, low, high, paper, trainings) == message


def test_every_metric_of_the_paper_has_a_minimum_difference():
    names = {name for number in (1, 2) for columns in PAPER[number]["columns"].values() for name in columns}
    assert all(verdict(name, 5.0, 9.0, 8.0, 10.0, [1.0], 3) == "reproduced" for name in names)


class Reader(HTMLParser):
    """The cells of every table of a page, and that every tag that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.rows = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "html", "p", "li"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag not in ("meta", "html", "p", "li"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_the_three_files_have_the_same_content(table):
    cells = table.cells({})
    markdown, page, parquet = pages.write(table, cells, None)
    kept = pq.read_table(parquet).to_pylist()
    assert len(kept) == len(cells) == 10 * (12 + 8)
    assert [row["value"] for row in kept] == [one.value for one in cells]
    reader = Reader()
    reader.feed(page.read_text())
    lines = [line for line in markdown.read_text().splitlines() if line.startswith("|") and "---" not in line]
    assert not reader.open and len(lines) == len(reader.rows)
    for line, row in zip(lines, reader.rows):
        cells = [re.sub(r" \((.*)\)$", r"\1", text.strip()) for text in line[1:-1].split("|")]  # in HTML it is a small text below
        assert cells == [text.strip() for text in row]
    edn = next(line for line in lines if line.startswith("| EDN"))
    assert edn.split(" | ")[13] == "24.36 / 24.48" and "(± 0.0" in edn
    assert "3 trainings with different seeds per method" in markdown.read_text()


def test_with_one_training_a_page_has_no_verdict(table):
    alone = table_of(1)
    markdown, page, _ = pages.write(alone, alone.cells({}), None)
    for text in (markdown.read_text(), page.read_text()):
        assert "one training per method" in text and "not tested: one training, " in text
        assert "to 26.70" in text and "reproduced: " not in text and "too close" not in text


def test_a_page_of_several_tables_keeps_the_others(tmp_path):
    page = "# Results\n\nIn words.\n"
    for head, text in (("## Table 2:", "two"), ("## Table 1:", "one"), ("## Table 2:", "changed")):
        page = pages.replace_section(page, head, f"{head} t\n\n{text}\n")
    assert page == "# Results\n\nIn words.\n\n## Table 1: t\n\none\n\n## Table 2: t\n\nchanged\n"


def test_the_papers_values_are_consistent(config):
    """Values that are in both tables are equal, and Ours is the best in every column, as the paper says."""
    both = {}
    for number in (1, 2):
        about = PAPER[number]
        names = [name for columns in about["columns"].values() for name in columns]
        ours = next(row for row in about["rows"] if row["key"] == about["ours"])
        for row in about["rows"]:
            assert row.get("variant") in {None, *config.variants}
            for dataset in tables.DATASETS:
                values = dict(zip(names, row[dataset], strict=True))
                assert both.setdefault((row["key"], dataset), values).items() >= values.items()
                if row is not ours:
                    best = dict(zip(names, ours[dataset]))
                    assert all((best[name] - values[name]) * PAPER["best"][name] > 0 for name in names), row["name"]
    assert [len(PAPER[number]["rows"]) for number in (1, 2)] == [9, 10]
