"""Paired differences compared with statistics of other libraries, verdicts on LPIPS, and the text of the table."""

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.comparison import MEASURES, caption, difference, format_scores, table, verdict
from tests.benchmarks.recipes import Experiment


LPIPS = "lpips_person_box"


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
    assert (found.verdict(0.1) == "better") == (expected.pvalue < 0.05 and expected.statistic > 0)


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


@pytest.mark.parametrize("base, other, mean, pairs, said", [
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
def test_what_is_compared(base, other, mean, pairs, said):
    found = difference(rows(base), rows(other), "psnr")
    assert found.mean == pytest.approx(mean)
    assert (found.pairs, found.verdict(0.1)) == (pairs, said)


@pytest.mark.parametrize("lpips, psnr, said", [
    ([0.19, 0.191, 0.189], [30, 30, 30], "better"),
    ([0.21, 0.211, 0.209], [30, 30, 30], "worse"),
    ([0.197, 0.1971, 0.1969], [30, 30, 30], "too small"),  # 1.5 % of the base
    ([0.195, 0.1951, 0.1949], [30, 30, 30], "better"),     # 2.5 %
    ([0.19, 0.22, 0.2], [32, 32, 32], "unclear"),          # PSNR does not decide
    ([0.19, 0.191, 0.189], [29, 29, 29], "better (PSNR worse)"),
    ([0.19, 0.191, 0.189], [29.95, 29.95, 29.95], "better"),
    ([0.19, 0.191], [30, 30], "2 seeds"),
    ([float("nan")] * 3, [31, 31, 31], "-"),
])
def test_lpips_judges_and_psnr_guards(lpips, psnr, said):
    base, other = rows({"a": [30, 30, 30]}), rows({"a": psnr})
    for key, row in base.items():
        row[LPIPS] = 0.2
    for (_, seed), row in other.items():
        row[LPIPS] = lpips[seed]
    assert verdict(base, other) == said


@pytest.mark.parametrize("other", [{}, {"b": [31]}, {"a": [float("nan")]}])
def test_without_common_seeds_there_is_no_difference(other):
    assert difference(rows({"a": [30]}), rows(other), "psnr") is None


def test_the_table():
    experiments = [Experiment(name, f"why {name}") for name in ("base", "adam", "bad", "absent")]
    kinds = {"a": "rendered", "b": "rendered", "clip": "real"}
    measured = {
        "base": rows({"a": [0.3, 0.3], "b": [0.2, 0.2], "clip": [0.25, 0.25]}, LPIPS),
        "adam": rows({"a": [0.31, 0.31], "b": [0.2, 0.202], "clip": [0.24, 0.255]}, LPIPS),
        "bad": rows({"a": [0.305]}, LPIPS) | {("b", 0): {"error": "no numbers in step 3"}},
    }
    lines = [line.strip("| ").split(" | ") for line in table(experiments, measured, kinds).splitlines()]
    half = stats.t.ppf(0.975, 2) * np.sqrt(2e-6 / 2 / 2 / 2)  # squares 1e-6 twice, two people of two seeds
    assert [line[0] for line in lines] == ["what", "---|---|---|---|---|---|---|---", "base", "adam", "bad"]
    assert lines[0][2] == ("rendered: LPIPS in the box, of face and hands, sharpness, aligned PSNR dB, TCM, PSNR dB, "
                           "SSIM")
    assert lines[0][-2] == "LPIPS is"
    assert lines[2][2:4] == ["0.2500, 0.5000, 0.500, 0.50, 0.500, 0.50, 0.5000"] * 2
    assert lines[3][1] == "why adam"
    assert lines[3][2].startswith(f"+0.0055 ± {half:.4f}, +0.0000 ± 0.0000, ")
    assert lines[3][4:] == ["100 (100 - 101)", "4 + 2", "2 seeds, 2 seeds", "no"]
    assert lines[4][2:] == ["+0.0050, +0.0000, +0.000, +0.00, +0.000, +0.00, +0.0000", "-, -, -, -, -, -, -",
                            "100 (100 - 100)", "1 + 0",
                            "one seed, -, 1 of 2 diverged", "no"]
    said = caption(measured, kinds, 300, "a machine")
    assert said.startswith("14 trainings, each as long as 300 steps of the base (40 to 40 CPU seconds, reading "
                           "included), one thread of a machine; people: 2 rendered, 1 real.")
    assert "difference is at least 2 % of the base's LPIPS, and there are at least 3 seeds" in said
    assert "where PSNR is worse by 0.1 dB or more" in said
    assert format_scores(dict.fromkeys(MEASURES, 0.5) | {LPIPS: float("nan")}) == (
        "LPIPS in the box -, of face and hands 0.5000, sharpness 0.500, aligned PSNR dB 0.50, TCM 0.500, PSNR dB 0.50, "
        "SSIM 0.5000")
