"""Curves are readable with the csv module."""

import csv

import numpy as np
import pytest

from stages.media import curves


def read(path) -> tuple[list[str], np.ndarray]:
    head, *rows = csv.reader(path.open(newline=""), delimiter="\t")
    return head, np.array(rows, float)


def test_round_trip(tmp_path):
    values = {"l1": np.float32([0.1, 0.25, 1e-9]), "gw": [3.0, 1 / 3, 2.0]}
    curves.write(tmp_path / "plots", "step", np.array([1, 2, 3]), values)
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["gw.tsv", "l1.tsv"]
    for name, wanted in values.items():
        head, found = read(tmp_path / f"plots/{name}.tsv")
        assert head == ["step", name] and found[:, 0].tolist() == [1, 2, 3]
        assert (found[:, 1] == np.asarray(wanted, float)).all()  # exactly
    assert (tmp_path / "plots/gw.tsv").read_bytes() == b"step\tgw\n1\t3.0\n2\t0.3333333333333333\n3\t2.0\n"


@pytest.mark.parametrize("values, rows", [
    ([0.0, 0.0, 0.0], None), ([np.nan] * 3, None), ([], None),
    ([np.nan, 2.0, 0.0], [[8, 2.0], [9, 0.0]]), ([1.0, np.inf, 3.0], [[7, 1.0], [9, 3.0]]),
])
def test_nan_and_unused_curves_are_omitted(tmp_path, values, rows):
    curves.write(tmp_path / "plots", "frame", np.array([7, 8, 9])[: len(values)], {"tcm": np.array(values)})
    files = list((tmp_path / "plots").iterdir())
    assert [read(file)[1].tolist() for file in files] == ([rows] if rows else [])


@pytest.mark.parametrize("count, points", [(400, 400), (401, 400), (1000, 400), (18_000, 400)])
def test_long_curves_are_reduced_to_means(tmp_path, count, points):
    steps = np.arange(count) + 1
    curves.write(tmp_path / "plots", "step", steps, {"l1": 2.0 * steps})
    _, found = read(tmp_path / "plots/l1.tsv")
    assert len(found) == points and found[-1, 0] == count
    before = np.concatenate([[0], found[:-1, 0]])
    assert found[:, 1] == pytest.approx(before + 1 + found[:, 0])  # twice the middle of the steps between
    assert set(found[:, 0] - before) <= {count // points, count // points + 1}


def test_output_is_reproducible_and_replaces_the_folder(tmp_path):
    x, y = np.arange(5000), np.random.default_rng(0).normal(size=5000)
    curves.write(tmp_path / "a", "step", x, {"l1": y, "old": y})
    curves.write(tmp_path / "a", "step", x, {"l1": y})
    curves.write(tmp_path / "b", "step", x, {"l1": y})
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["l1.tsv"]
    assert (tmp_path / "a/l1.tsv").read_bytes() == (tmp_path / "b/l1.tsv").read_bytes()
