"""Experiments beside the base: paired differences with their intervals, as the Markdown table of docs/experiments.md.

A difference is that of two trainings of one person and seed. Differences are averaged over seeds, then over people.
Their 95 % interval is Student's t with the spread between seeds, pooled over people: it holds for more seeds of these
people, not for other people, of whom there are too few to say.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.paper_tables.verdicts import MIN_DIFFERENCE, MIN_SEEDS
from tests.benchmarks.recipes import Experiment

KINDS = ("rendered", "real")
MEASURES = {"psnr": "{:+.2f}", "box": "{:+.2f}", "ssim": "{:+.4f}", "tcm": "{:+.3f}"}
HEAD = "PSNR dB, in the box dB, SSIM, TCM"

Rows = dict[tuple[str, int], dict]  # what was measured, by person and seed


@dataclass(frozen=True)
class Difference:
    """`half`: of the interval; NaN where no person has two seeds. `seeds`: of who has the fewest. `least`: the smallest
    difference that counts."""

    mean: float
    half: float
    pairs: int
    seeds: int
    least: float

    @property
    def sign(self) -> str:
        if self.seeds < MIN_SEEDS:
            return "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        if abs(self.mean) <= self.half:
            return "unclear"
        return "too small" if abs(self.mean) < self.least else "better" if self.mean > 0 else "worse"


def difference(base: Rows, other: Rows, measure: str) -> Difference | None:
    """None where they have no person and seed in common, with finite values of both."""
    people: dict[str, list[float]] = {}
    for (person, seed), row in other.items():
        if (person, seed) in base:
            value = row[measure] - base[person, seed][measure]
            if np.isfinite(value):
                people.setdefault(person, []).append(value)
    if not people:
        return None
    counts = np.array([len(values) for values in people.values()])
    mean, freedom, half = float(np.mean([np.mean(values) for values in people.values()])), (counts - 1).sum(), np.nan
    if freedom:
        variance = sum(np.square(np.subtract(values, np.mean(values))).sum() for values in people.values()) / freedom
        half = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance * (1 / counts).sum()) / len(counts))
    return Difference(mean, half, int(counts.sum()), int(counts.min()), MIN_DIFFERENCE["psnr" if measure == "box" else measure])


def table(experiments: Iterable[Experiment], measured: dict[str, Rows], kinds: dict[str, str]) -> str:
    """The Markdown table; the first experiment is the base, given in absolute values. `kinds`: person -> rendered or
    real. A training that diverged (a row with `error`) is counted, and left out of the means."""
    base, *others = experiments
    shown = [kind for kind in KINDS if kind in kinds.values()]
    heads = [f"{kind}: {HEAD}" for kind in shown]
    lines = [f"| what | expected | {' | '.join(heads)} | steps | pairs | PSNR is | kept |",
             "|" + "---|" * (6 + len(shown))]
    whole = {kind: _of(measured.get(base.name, {}), kinds, kind) for kind in shown}
    lines.append(_line(base, [_means(rows) for rows in whole.values()], measured.get(base.name, {}), "", ""))
    for experiment in others:
        if not (rows := measured.get(experiment.name)):
            continue
        cells, pairs, signs = [], [], []
        for kind in shown:
            found = {name: difference(whole[kind], _of(rows, kinds, kind), name) for name in MEASURES}
            cells.append(_differences(found))
            pairs.append(str(found["psnr"].pairs if found["psnr"] else 0))
            signs.append(found["psnr"].sign if found["psnr"] else "-")
        if failed := sum("error" in row for row in rows.values()):
            signs.append(f"{failed} of {len(rows)} diverged")
        lines.append(_line(experiment, cells, rows, " + ".join(pairs), ", ".join(signs)))
    return "\n".join(lines)


def about(measured: dict[str, Rows], kinds: dict[str, str], steps: int, machine: str) -> str:
    """What the table's figures are, in words."""
    rows = [row for rows in measured.values() for row in rows.values()]
    took = [row["took"] for row in rows if "took" in row]
    spent = f" ({min(took):.0f} to {max(took):.0f} CPU seconds, reading included)" if took else ""
    people = ", ".join(f"{sum(found == kind for found in kinds.values())} {kind}" for kind in KINDS)
    return (f"{len(rows)} trainings, each as long as {steps} steps of the base{spent}, one thread of {machine}; people: "
            f"{people}. "
            "The base in absolute values, below it differences to it of one person and seed: the mean over people. "
            "± is half of a 95 % interval (Student's t, spread between seeds pooled over people): of more seeds of "
            "these people, not of others. Steps: the mean, and from where to where.")


def _of(rows: Rows, kinds: dict[str, str], kind: str) -> Rows:
    return {key: row for key, row in rows.items() if kinds.get(key[0]) == kind and "error" not in row}


def _means(rows: Rows) -> str:
    """Over each person's mean, as the differences are."""
    if not rows:
        return "-"
    people = {person: [row for key, row in rows.items() if key[0] == person] for person, _ in rows}
    values = {name: np.mean([np.nanmean([row[name] for row in found]) for found in people.values()])
              for name in MEASURES}
    return ", ".join(style.replace("+", "").format(values[name]) for name, style in MEASURES.items())


def _differences(found: dict[str, Difference | None]) -> str:
    texts = []
    for name, style in MEASURES.items():
        if found[name] is None:
            texts.append("-")
            continue
        half = "" if np.isnan(found[name].half) else f" ± {style.replace('+', '').format(found[name].half)}"
        texts.append(style.format(found[name].mean) + half)
    return ", ".join(texts)


def _line(experiment: Experiment, cells: list[str], rows: Rows, pairs: str, signs: str) -> str:
    steps = [row["steps"] for row in rows.values() if "steps" in row]
    reached = f"{np.mean(steps):.0f} ({min(steps)} - {max(steps)})" if steps else "-"
    told = [experiment.name, experiment.expected, *cells, reached, pairs, signs, experiment.kept]
    return f"| {' | '.join(told)} |"
