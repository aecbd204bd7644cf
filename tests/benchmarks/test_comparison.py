"""Paired differences against statistics of other libraries, and the text of the table."""

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.comparison import MEASURES, about, difference, table
from tests.benchmarks.recipes import Experiment


def rows(values: dict[str, list[float]], measure: str = "psnr") -> dict:
    """Measured rows of people's seeds; the other measures stay the same."""
    return {(person, seed): dict.fromkeys(MEASURES, 0.5) | {"steps": 100 + seed, "took": 40.0, measure: value}
            for person, found in values.items() for seed, value in enumerate(found)}


def test_one_person_gives_the_paired_t_test():
    base, other = [30.1, 29.6, 30.4, 30.0], [30.9, 30.2, 30.3, 30.8]
    found = difference(rows({"a": base}), rows({"a": other}), "psnr")
    expected = stats.ttest_rel(other, base)
    low, high = expected.confidence_interval(0.95)
    np.testing.assert_allclose([found.mean - found.half, found.mean + found.half], [low, high])
    assert found.pairs == 4
    assert (found.sign == "better") == (expected.pvalue < 0.05 and expected.statistic > 0)


def test_several_people_give_a_regression_on_the_person():
    """The mean of the people's coefficients, by least squares; the seeds of c are fewer."""
    rng = np.random.default_rng(3)
    base = {person: rng.normal(30, 2, count).tolist() for person, count in (("a", 3), ("b", 3), ("c", 2))}
    gains = {"a": 0.5, "b": 1.5, "c": -0.2}
    other = {person: [value + gains[person] + rng.normal(0, 0.3) for value in found] for person, found in base.items()}
    d = np.concatenate([np.subtract(other[person], base[person]) for person in base])
    x = np.repeat(np.eye(3), [3, 3, 2], axis=0)  # (8, 3)
    coefficients, residual, *_ = np.linalg.lstsq(x, d, rcond=None)
    contrast = np.full(3, 1 / 3)
    error = np.sqrt(residual[0] / 5 * contrast @ np.linalg.inv(x.T @ x) @ contrast)
    found = difference(rows(base), rows(other), "psnr")
    np.testing.assert_allclose([found.mean, found.half], [contrast @ coefficients, stats.t.ppf(0.975, 5) * error])


def test_differences_between_people_are_not_noise():
    """The gain is the same for all seeds of a person, but differs between people: the spread is zero."""
    found = difference(rows({"a": [30, 31], "b": [20, 22]}), rows({"a": [31, 32], "b": [23, 25]}), "psnr")
    assert (found.mean, found.half) == (2.0, 0.0)


@pytest.mark.parametrize("base, other, mean, pairs, sign", [
    ({"a": [30, 31, 32]}, {"a": [31]}, 1.0, 1, "one seed"),
    ({"a": [30], "b": [20]}, {"a": [31], "b": [23]}, 2.0, 2, "one seed"),
    ({"a": [30, 30, 30], "b": [20]}, {"a": [31, 31.2, 30.8], "b": [24]}, 2.5, 4, "one seed"),  # people weigh the same
    ({"a": [30, 30]}, {"a": [29, 29.01]}, -0.995, 2, "2 seeds"),
    ({"a": [30, 30, 30]}, {"a": [29, 29.01, 29.02]}, -0.99, 3, "worse"),
    ({"a": [30, 30, 30]}, {"a": [31, 31.01, 31.02]}, 1.01, 3, "better"),
    ({"a": [30, 30, 30]}, {"a": [30.09, 30.09, 30.1]}, 0.28 / 3, 3, "too small"),
    ({"a": [30, 30, 30]}, {"a": [29, 32, 30.5]}, 0.5, 3, "unclear"),
    ({"a": [30, float("nan")]}, {"a": [31, 31]}, 1.0, 1, "one seed"),
])
def test_signs_and_pairs(base, other, mean, pairs, sign):
    found = difference(rows(base), rows(other), "psnr")
    assert found.mean == pytest.approx(mean)
    assert (found.pairs, found.sign) == (pairs, sign)


@pytest.mark.parametrize("other", [{}, {"b": [31]}, {"a": [float("nan")]}])
def test_without_common_seeds_there_is_no_difference(other):
    assert difference(rows({"a": [30]}), rows(other), "psnr") is None


def test_the_table():
    experiments = [Experiment(name, f"why {name}") for name in ("base", "adam", "bad", "absent")]
    kinds = {"a": "rendered", "b": "rendered", "clip": "real"}
    measured = {
        "base": rows({"a": [30, 30], "b": [20, 20], "clip": [25, 25]}),
        "adam": rows({"a": [31, 31], "b": [20, 20.2], "clip": [24, 25.5]}),
        "bad": rows({"a": [30.5]}) | {("b", 0): {"error": "no numbers in step 3"}},
    }
    lines = [line.strip("| ").split(" | ") for line in table(experiments, measured, kinds).splitlines()]
    half = stats.t.ppf(0.975, 2) * np.sqrt(0.02 / 2 / 2 / 2)  # squares .01 + .01, two freedoms, two people of two seeds
    assert [line[0] for line in lines] == ["what", "---|---|---|---|---|---|---|---", "base", "adam", "bad"]
    assert lines[2][2:4] == ["25.00, 0.50, 0.5000, 0.500", "25.00, 0.50, 0.5000, 0.500"]
    assert lines[3][1] == "why adam"
    assert lines[3][2].startswith(f"+0.55 ± {half:.2f}, +0.00 ± 0.00, ")
    assert lines[3][4:] == ["100 (100 - 101)", "4 + 2", "2 seeds, 2 seeds", "no"]
    assert lines[4][2:] == ["+0.50, +0.00, +0.0000, +0.000", "-, -, -, -", "100 (100 - 100)", "1 + 0",
                            "one seed, -, 1 of 2 diverged", "no"]
    said = about(measured, kinds, 300, "a machine")
    assert said.startswith("14 trainings, each as long as 300 steps of the base (40 to 40 CPU seconds, reading "
                           "included), one thread of a machine; people: 2 rendered, 1 real.")
