"""The paper's Tables 1 and 2 beside what this machine measured: one `Cell` a method and metric.

A value comes from the row's experiment or, where somebody has evaluated another system under the row's name, from that.
With several seeds a value is the mean over them. The difference of "Ours" and a row is taken seed by seed and frame by
frame; what is said of it stands in verdicts.py.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import yaml

from pipeline import graph
from pipeline.paper_tables import other_systems
from pipeline.paper_tables.experiments import plan_experiments
from pipeline.paper_tables.verdicts import verdict
from stages import layout
from stages.params import Params

PAPER = Path(__file__).with_name("paper.yaml")
EXTERNAL = -1  # in place of a seed: another system's frames, of which there is one set
Files = dict[str, Path]  # of scores: metrics, per_frame
DATASETS = {"complexmotion": "ComplexMotion", "iper": "iPER"}


@dataclass(frozen=True)
class Row:
    key: str
    name: str
    variant: str | None
    paper: dict[str, dict[tuple[str, str], float]]  # dataset -> (protocol, metric) -> value


@dataclass(frozen=True)
class Cell:
    method: str
    protocol: str                 # reconstruction, imitation
    metric: str
    value: float | None = None    # the mean over seeds
    low: float | None = None      # ends of the 95 % interval over frames; of several seeds, their means
    high: float | None = None
    trainings: float = 0          # how many seeds it is the mean of
    spread: float | None = None   # standard deviation between seeds, where there are several
    unit: str | None = None
    reason: str | None = None     # why there is no value
    complexmotion: float | None = None  # the paper's values
    iper: float | None = None
    difference: float | None = None     # ours, less this method's
    difference_low: float | None = None  # ends of its interval, of the seeds' and frames' own differences
    difference_high: float | None = None
    verdict: str | None = None


class Table:
    """One of the paper's, for a subject, a source and a preset."""

    def __init__(self, number: int, config: Params, preset: str, subject: str, source: str, seeds: int = 1):
        content = yaml.safe_load(PAPER.read_text(encoding="utf-8"))
        about = content[number]
        self.number, self.title, self.ours = number, about["title"], about["ours"]
        self.preset, self.subject, self.source, self.best = preset, subject, source, content["best"]
        self.seeds = seeds
        self.columns = {protocol: [*content["extra"][protocol], *names] for protocol, names in about["columns"].items()}
        places = [(protocol, name) for protocol, names in about["columns"].items() for name in names]
        self.rows = [Row(row["key"], row["name"], row.get("variant"),
                         {dataset: dict(zip(places, row[dataset], strict=True)) for dataset in DATASETS})
                     for row in about["rows"]]
        self.transfers = {"reconstruction": graph.transfer(config, subject, subject),
                          "imitation": graph.transfer(config, subject, source)}
        self.evaluated = self._evaluated(config)
        listed = {row.key for row in self.rows}
        self.rows += [Row(name, name, None, {}) for name in sorted({name for _, name in self.evaluated} - listed)]
        keys = tuple(self.transfers.values())
        taken = {name for _, name in self.evaluated}
        others = [row.variant for row in reversed(self.rows) if row.variant and row.key not in taken]
        wanted = [self.ours, *others]  # what all are compared with first, and EDN's long training last
        self.experiments = plan_experiments(config, preset, dict.fromkeys(wanted), keys, seeds)

    @property
    def name(self) -> str:
        return f"table_{self.number}_{self.preset}_{self.subject}_{self.source}"

    def cells(self, failures: dict[str, str]) -> list[Cell]:
        """failures: why experiments have failed, by name."""
        return [cell for row in self.rows for protocol in self.columns for cell in self._cells(row, protocol, failures)]

    def _evaluated(self, config: Params) -> dict[tuple[str, str], dict[str, Path]]:
        """The scores of other systems' frames, by protocol and name."""
        out = {}
        for protocol, key in self.transfers.items():
            folder = layout.system(key, "any")["metrics"].parent
            if config.transfers[key].preset == self.preset:  # otherwise they were measured at another size
                out |= {(protocol, file.stem): layout.system(key, file.stem) for file in sorted(folder.glob("*.json"))}
        return out

    def _cells(self, row: Row, protocol: str, failures: dict[str, str]) -> list[Cell]:
        """Of one row and protocol."""
        found, why = self._scores(row, protocol, failures)
        best = next(one for one in self.rows if one.key == self.ours)
        ours, _ = self._scores(best, protocol, failures)
        pairs = _pairs(ours, found) if row is not best else []
        apart = _differences(pairs) if pairs else {}
        read = [_metrics(files) for files in found.values()]
        cells = []
        for metric in self.columns[protocol]:
            place = protocol, metric
            printed = {dataset: values.get(place) for dataset, values in row.paper.items()}
            told = _over_seeds([one.get(metric, {"reason": "not measured"}) for one in read], why) | printed
            if metric in apart:
                difference, low, high = apart[metric]
                signs = [best.paper[dataset][place] - value for dataset, value in printed.items() if value is not None]
                told |= {"difference": difference, "difference_low": low, "difference_high": high,
                         "verdict": verdict(metric, told["value"] + difference, difference, low, high, signs,
                                            min(len(pairs), len(found)))}
            cells.append(Cell(row.name, protocol, metric, **told))
        return cells

    def _scores(self, row: Row, protocol: str, failures: dict[str, str]) -> tuple[dict[int, Files], str | None]:
        """The files of a row's scores by seed, or why there are none. Frames that were evaluated are of one seed."""
        key = self.transfers[protocol]
        mine = [one for one in self.experiments if one.variant == row.variant]
        again = f"python -m pipeline evaluate --frames FRAMES --as {row.key} {key}"
        if files := self.evaluated.get((protocol, row.key)):
            ours = next((one for one in self.experiments if one.variant == self.ours and one.finished), None)
            why = other_systems.outdated_reason(files["metrics"], ours.scores(key)["metrics"] if ours else None)
            return ({}, f"{why}; evaluate again: {again}") if why else ({EXTERNAL: files}, None)
        if done := {one.seed: one.scores(key) for one in mine if one.finished}:
            return done, None
        if mine:
            return {}, next((failures[one.name] for one in mine if one.name in failures), "not run yet")
        return {}, f"not evaluated: {again}"


def _pairs(ours: dict[int, Files], theirs: dict[int, Files]) -> list[tuple[Files, Files]]:
    """Seed by seed; frames that were evaluated are compared with every seed of ours."""
    if EXTERNAL in theirs:
        return [(files, theirs[EXTERNAL]) for files in ours.values()]
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _over_seeds(scores: list[dict], why: str | None) -> dict:
    """The fields of a cell, of the scores of each seed; why: the reason where there are none."""
    known = [score for score in scores if score.get("value") is not None]
    if not known:
        return {"value": None, "reason": scores[0]["reason"] if scores else why}
    ends = {name: mean(score[name] for score in known) for name in ("low", "high")
            if all(score.get(name) is not None for score in known)}
    values = [score["value"] for score in known]
    return {"value": mean(values), "unit": known[0].get("unit"), "trainings": float(len(known)),
            "spread": stdev(values) if len(values) > 1 else None} | ends


def _differences(pairs: list[tuple[Files, Files]]) -> dict[str, tuple]:
    """By metric that both have: ours less theirs, and the ends of its interval where frames or seeds give one."""
    from stages.evaluation.comparison import differences, seed_difference

    read = [tuple(map(_metrics, pair)) for pair in pairs]
    values = {metric: [tuple(one.get(metric, {}).get("value") for one in pair) for pair in read]
              for metric in read[0][0]}
    out = {metric: seed_difference([one - other for one, other in both]) for metric, both in values.items()
           if all(None not in pair for pair in both)}
    fps = json.loads(pairs[0][0]["metrics"].read_text(encoding="utf-8"))["fps"]
    return out | differences([tuple(files["per_frame"] for files in pair) for pair in pairs], fps)


def _metrics(files: Files) -> dict[str, dict]:
    return json.loads(files["metrics"].read_text(encoding="utf-8"))["metrics"]
