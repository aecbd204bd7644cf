"""The paper's Tables 1 and 2 beside what this machine measured: one `Cell` a method and metric.

A value comes from the row's experiment or, where somebody has evaluated another system under the row's name, from that.
The difference of "Ours" and a row is taken frame by frame. Only its sign is compared with the paper's, and only where
its 95 % interval leaves out zero; a metric that has no value for each frame has no such interval.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline import evaluation, graph
from pipeline.experiments import planned
from stages import layout
from stages.params import Params

PAPER = Path(__file__).with_name("paper.yaml")
DATASETS = {"complexmotion": "ComplexMotion", "iper": "iPER"}
REPRODUCED, NOT, CLOSE, BLIND = "reproduced", "not reproduced", "too close to tell", "no interval"


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
    value: float | None = None
    low: float | None = None      # ends of the 95 % interval
    high: float | None = None
    unit: str | None = None
    reason: str | None = None     # why there is no value
    complexmotion: float | None = None  # the paper's values
    iper: float | None = None
    difference: float | None = None     # ours, less this method's
    difference_low: float | None = None  # ends of its interval, of the frames' own differences
    difference_high: float | None = None
    verdict: str | None = None


class Table:
    """One of the paper's, for a subject, a source and a preset."""

    def __init__(self, number: int, config: Params, preset: str, subject: str, source: str):
        content = yaml.safe_load(PAPER.read_text(encoding="utf-8"))
        about = content[number]
        self.number, self.title, self.ours = number, about["title"], about["ours"]
        self.preset, self.subject, self.source, self.best = preset, subject, source, content["best"]
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
        self.experiments = {one.variant: one for one in planned(config, preset, dict.fromkeys(wanted), keys)}

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
        files, why = self._scores(row, protocol, failures)
        best = next(one for one in self.rows if one.key == self.ours)
        ours, _ = self._scores(best, protocol, failures)
        apart = _apart(ours, files) if files and ours and row is not best else {}
        scores = json.loads(files["metrics"].read_text(encoding="utf-8"))["metrics"] if files else {}
        cells = []
        for metric in self.columns[protocol]:
            place = protocol, metric
            printed = {dataset: values.get(place) for dataset, values in row.paper.items()}
            score = scores.get(metric, {"reason": why or "not measured"})
            found = {name: score.get(name) for name in ("value", "low", "high", "unit", "reason")} | printed
            if metric in apart:
                difference, low, high = apart[metric]
                signs = [best.paper[dataset][place] - value for dataset, value in printed.items() if value is not None]
                found |= {"difference": difference, "difference_low": low, "difference_high": high,
                          "verdict": verdict(low, high, signs)}
            cells.append(Cell(row.name, protocol, metric, **found))
        return cells

    def _scores(self, row: Row, protocol: str, failures: dict[str, str]) -> tuple[dict[str, Path] | None, str | None]:
        """The files of a row's scores, or why there are none."""
        key, one = self.transfers[protocol], self.experiments.get(row.variant)
        again = f"python -m pipeline evaluate --frames FRAMES --as {row.key} {key}"
        if files := self.evaluated.get((protocol, row.key)):
            ours = self.experiments[self.ours]
            why = evaluation.stale(files["metrics"], ours.scores(key)["metrics"] if ours.finished else None)
            return (None, f"{why}; evaluate again: {again}") if why else (files, None)
        if one and one.finished:
            return one.scores(key), None
        if one:
            return None, failures.get(one.name, "not run yet")
        return None, f"not evaluated: {again}"


def verdict(low: float | None, high: float | None, paper: list[float]) -> str | None:
    """Whether a difference, by the ends of its interval, has the sign of the paper's; None where the paper has none."""
    if not paper:
        return None
    if low is None:
        return BLIND
    if low <= 0 <= high:
        return CLOSE
    same = [low * one > 0 for one in paper]
    return REPRODUCED if all(same) else f"{REPRODUCED} in part" if any(same) else NOT


def _apart(ours: dict[str, Path], theirs: dict[str, Path]) -> dict[str, tuple]:
    """By metric that both have: ours less theirs, and the ends of its interval where it has a value for each frame."""
    from stages.measures.comparison import differences

    first, second = (json.loads(files["metrics"].read_text(encoding="utf-8")) for files in (ours, theirs))
    values = {metric: (score["value"], second["metrics"].get(metric, {}).get("value"))
              for metric, score in first["metrics"].items()}
    out = {metric: (one - other, None, None) for metric, (one, other) in values.items() if None not in (one, other)}
    return out | differences(ours["per_frame"], theirs["per_frame"], first["fps"])
