"""Compares experiments with the base: paired differences with intervals, as the Markdown table of docs/experiments.md.

A difference is that between two trainings on the same person with the same seed. Differences are averaged over seeds,
then over people. The 95 % interval is by Student's t, with the standard deviation between seeds pooled over people. It
holds for further seeds of these people, not for other people: too few were measured for that.

An experiment is judged by LPIPS in the person's box. The verdict also says if PSNR becomes worse.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.paper_tables.verdicts import MIN_SEEDS, min_difference
from stages.evaluation.metric_names import ALIGNED_PSNR, LPIPS, SHARPNESS
from tests.benchmarks.held_out import FACE_AND_HANDS
from tests.benchmarks.recipes import Experiment

KINDS = ("rendered", "real")
PRIMARY, SECONDARY = LPIPS[1], "psnr"  # LPIPS in the person's box; PSNR of the frame
# Scores in the table: column title, number format
MEASURES = {PRIMARY: ("LPIPS in the box", "{:+.4f}"), FACE_AND_HANDS: ("of face and hands", "{:+.4f}"),
            SHARPNESS: ("sharpness", "{:+.3f}"), ALIGNED_PSNR: ("aligned PSNR dB", "{:+.2f}"), "tcm": ("TCM", "{:+.3f}"),
            SECONDARY: ("PSNR dB", "{:+.2f}"), "ssim": ("SSIM", "{:+.4f}")}

Rows = dict[tuple[str, int], dict]  # results by person and seed


@dataclass(frozen=True)
class Difference:
    """`half`: half the width of the interval; NaN if no person has two seeds. `seeds`: the minimum over people."""

    mean: float
    half: float
    pairs: int
    seeds: int

    def verdict(self, gain: float) -> str:
        """gain: the smallest difference that counts as better; negative where less is better."""
        if self.seeds < MIN_SEEDS:
            return "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        if abs(self.mean) <= self.half:
            return "unclear"
        return "too small" if abs(self.mean) < abs(gain) else "better" if self.mean * gain > 0 else "worse"


def difference(base: Rows, other: Rows, measure: str) -> Difference | None:
    """The mean difference of a measure. None if no person and seed has a finite value in both."""
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
    return Difference(mean, half, int(counts.sum()), int(counts.min()))


def verdict(base: Rows, other: Rows) -> str:
    """The verdict on LPIPS relative to the base, with a note if PSNR is worse."""
    judged, guarded = (difference(base, other, measure) for measure in (PRIMARY, SECONDARY))
    if judged is None:
        return "-"
    found = judged.verdict(-min_difference("lpips", _mean(base, PRIMARY)))
    return f"{found} (PSNR worse)" if guarded and guarded.verdict(min_difference("psnr", np.nan)) == "worse" else found


def table(experiments: Iterable[Experiment], measured: dict[str, Rows], kinds: dict[str, str]) -> str:
    """The Markdown table. The first experiment is the base, shown in absolute values. kinds: person -> rendered or
    real. Trainings that diverged (rows with `error`) are counted, and left out of the means."""
    base, *others = experiments
    shown = [kind for kind in KINDS if kind in kinds.values()]
    heads = [f"{kind}: {', '.join(name for name, _ in MEASURES.values())}" for kind in shown]
    lines = [f"| what | expected | {' | '.join(heads)} | steps | pairs | LPIPS is | kept |",
             "|" + "---|" * (6 + len(shown))]
    whole = {kind: _of_kind(measured.get(base.name, {}), kinds, kind) for kind in shown}
    lines.append(_line(base, [_means(rows) for rows in whole.values()], measured.get(base.name, {}), "", ""))
    for experiment in others:
        if not (rows := measured.get(experiment.name)):
            continue
        cells, pairs, verdicts = [], [], []
        for kind in shown:
            own = _of_kind(rows, kinds, kind)
            found = {measure: difference(whole[kind], own, measure) for measure in MEASURES}
            cells.append(_differences(found))
            pairs.append(str(found[PRIMARY].pairs if found[PRIMARY] else 0))
            verdicts.append(verdict(whole[kind], own))
        if failed := sum("error" in row for row in rows.values()):
            verdicts.append(f"{failed} of {len(rows)} diverged")
        lines.append(_line(experiment, cells, rows, " + ".join(pairs), ", ".join(verdicts)))
    return "\n".join(lines)


def caption(measured: dict[str, Rows], kinds: dict[str, str], steps: int, machine: str) -> str:
    """A sentence that describes the figures of the table."""
    rows = [row for rows in measured.values() for row in rows.values()]
    took = [row["took"] for row in rows if "took" in row]
    spent = f" ({min(took):.0f} to {max(took):.0f} CPU seconds, reading included)" if took else ""
    people = ", ".join(f"{sum(found == kind for found in kinds.values())} {kind}" for kind in KINDS)
    return (f"{len(rows)} trainings, each as long as {steps} steps of the base{spent}, one thread of {machine}; "
            f"people: {people}. "
            "The first row shows the base in absolute values, the others the difference from the base for the same "
            "person and seed, averaged over people. ± is half the width of the 95 % interval (Student's t, standard "
            "deviation between seeds pooled over people). It holds for further seeds of these people, not for other "
            "people. LPIPS (AlexNet, lower is better) counts as better or worse if its interval excludes zero, the "
            f"difference is at least {min_difference('lpips', 100):g} % of the base's LPIPS, and there are at least "
            f"{MIN_SEEDS} seeds. The table also says where PSNR is worse by {min_difference('psnr', np.nan):g} dB or "
            "more. Sharpness: 1 equals the truth. Steps: mean (smallest - largest).")


def format_scores(row: dict) -> str:
    """The scores of one training, in the order of the table."""
    return ", ".join(f"{name} {_plain(style, row[measure])}" for measure, (name, style) in MEASURES.items())


def _of_kind(rows: Rows, kinds: dict[str, str], kind: str) -> Rows:
    return {key: row for key, row in rows.items() if kinds.get(key[0]) == kind and "error" not in row}


def _mean(rows: Rows, measure: str) -> float:
    """The mean over people of each person's mean over finite values, as for the differences; NaN if there are none."""
    people: dict[str, list[float]] = {}
    for (person, _), row in rows.items():
        if np.isfinite(row[measure]):
            people.setdefault(person, []).append(row[measure])
    return float(np.mean([np.mean(values) for values in people.values()])) if people else np.nan


def _means(rows: Rows) -> str:
    return ", ".join(_plain(style, _mean(rows, measure)) for measure, (_, style) in MEASURES.items()) if rows else "-"


def _differences(found: dict[str, Difference | None]) -> str:
    texts = []
    for measure, (_, style) in MEASURES.items():
        if found[measure] is None:
            texts.append("-")
            continue
        half = "" if np.isnan(found[measure].half) else f" ± {_plain(style, found[measure].half)}"
        texts.append(style.format(found[measure].mean) + half)
    return ", ".join(texts)


def _plain(style: str, value: float) -> str:
    """The formatted value without a plus sign; `-` for NaN."""
    return "-" if np.isnan(value) else style.replace("+", "").format(value)


def _line(experiment: Experiment, cells: list[str], rows: Rows, pairs: str, verdicts: str) -> str:
    steps = [row["steps"] for row in rows.values() if "steps" in row]
    reached = f"{np.mean(steps):.0f} ({min(steps)} - {max(steps)})" if steps else "-"
    row = [experiment.name, experiment.expected, *cells, reached, pairs, verdicts, experiment.kept]
    return f"| {' | '.join(row)} |"
