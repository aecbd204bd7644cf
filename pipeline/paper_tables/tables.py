"""The paper's Tables 1 and 2 next to what was measured on this machine: one `Cell` per method and metric.

The value of a row comes from its experiment or, if another system was evaluated under the row's name, from that
evaluation. With several seeds it is the mean. The difference between "Ours" and a row is computed per seed and per
frame; verdicts.py decides whether it reproduces the paper's difference."""

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
EXTERNAL = -1  # stands for the seed if the frames come from another system, of which there is one set
Files = dict[str, Path]  # score files: metrics, per_frame
DATASETS = {"complexmotion": "ComplexMotion", "iper": "iPER"}


@dataclass(frozen=True)
class Row:
    """A method: its variant, and the paper's values."""
    key: str
    name: str
    variant: str | None
    paper: dict[str, dict[tuple[str, str], float]]  # dataset -> (protocol, metric) -> value


@dataclass(frozen=True)
class Cell:
    """A method's value of a metric, the paper's values, and the difference to ours."""
    method: str
    protocol: str                 # reconstruction, imitation
    metric: str
    value: float | None = None    # mean over seeds
    low: float | None = None      # 95 % interval over frames; with several seeds the mean of their intervals
    high: float | None = None
    trainings: float = 0          # number of seeds
    spread: float | None = None   # standard deviation between seeds, if there are several
    unit: str | None = None
    reason: str | None = None     # why there is no value
    complexmotion: float | None = None  # the paper's values
    iper: float | None = None
    difference: float | None = None      # ours minus this method
    difference_low: float | None = None  # 95 % interval over seeds and frames
    difference_high: float | None = None
    verdict: str | None = None


class Table:
    """A table of the paper for a subject, a source and a preset."""

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
        wanted = [self.ours, *others]  # ours first, and EDN's long training last
        self.experiments = plan_experiments(config, preset, dict.fromkeys(wanted), keys, seeds)

    @property
    def name(self) -> str:
        return f"table_{self.number}_{self.preset}_{self.subject}_{self.source}"

    def cells(self, failures: dict[str, str]) -> list[Cell]:
        """All cells. failures: the errors of failed experiments, by name."""
        return [cell for row in self.rows for protocol in self.columns for cell in self._cells(row, protocol, failures)]

    def _evaluated(self, config: Params) -> dict[tuple[str, str], dict[str, Path]]:
        """The scores of other systems' frames, by protocol and name."""
        out = {}
        for protocol, key in self.transfers.items():
            folder = layout.system(key, "any")["metrics"].parent
            if config.transfers[key].preset == self.preset:  # otherwise the frames have another size
                out |= {(protocol, file.stem): layout.system(key, file.stem) for file in sorted(folder.glob("*.json"))}
        return out

    def _cells(self, row: Row, protocol: str, failures: dict[str, str]) -> list[Cell]:
        """The cells of one row and protocol."""
        found, reason = self._scores(row, protocol, failures)
        best = next(one for one in self.rows if one.key == self.ours)
        ours, _ = self._scores(best, protocol, failures)
        pairs = _pairs(ours, found) if row is not best else []
        differences = _differences(pairs) if pairs else {}
        read = [_metrics(files) for files in found.values()]
        cells = []
        for metric in self.columns[protocol]:
            place = protocol, metric
            printed = {dataset: values.get(place) for dataset, values in row.paper.items()}
            fields = _over_seeds([one.get(metric, {"reason": "not measured"}) for one in read], reason) | printed
            if metric in differences:
                difference, low, high = differences[metric]
                signs = [best.paper[dataset][place] - value for dataset, value in printed.items() if value is not None]
                fields |= {"difference": difference, "difference_low": low, "difference_high": high,
                           "verdict": verdict(metric, fields["value"] + difference, difference, low, high, signs,
                                              min(len(pairs), len(found)))}
            cells.append(Cell(row.name, protocol, metric, **fields))
        return cells

    def _scores(self, row: Row, protocol: str, failures: dict[str, str]) -> tuple[dict[int, Files], str | None]:
        """The score files of a row by seed, or the reason why there are none. Evaluated frames of another system count
        as one seed."""
        key = self.transfers[protocol]
        mine = [one for one in self.experiments if one.variant == row.variant]
        again = f"python -m pipeline evaluate --frames FRAMES --as {row.key} {key}"
        if files := self.evaluated.get((protocol, row.key)):
            ours = next((one for one in self.experiments if one.variant == self.ours and one.finished), None)
            outdated = other_systems.outdated_reason(files["metrics"], ours.scores(key)["metrics"] if ours else None)
            return ({}, f"{outdated}; evaluate again: {again}") if outdated else ({EXTERNAL: files}, None)
        if done := {one.seed: one.scores(key) for one in mine if one.finished}:
            return done, None
        if mine:
            return {}, next((failures[one.name] for one in mine if one.name in failures), "not run yet")
        return {}, f"not evaluated: {again}"


def _pairs(ours: dict[int, Files], theirs: dict[int, Files]) -> list[tuple[Files, Files]]:
    """The files of both methods, seed by seed. Evaluated frames are compared with every seed of ours."""
    if EXTERNAL in theirs:
        return [(files, theirs[EXTERNAL]) for files in ours.values()]
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _over_seeds(scores: list[dict], reason: str | None) -> dict:
    """The fields of a cell from the scores of each seed. reason: why there are no scores."""
    known = [score for score in scores if score.get("value") is not None]
    if not known:
        return {"value": None, "reason": scores[0]["reason"] if scores else reason}
    ends = {name: mean(score[name] for score in known) for name in ("low", "high")
            if all(score.get(name) is not None for score in known)}
    values = [score["value"] for score in known]
    return {"value": mean(values), "unit": known[0].get("unit"), "trainings": float(len(known)),
            "spread": stdev(values) if len(values) > 1 else None} | ends


def _differences(pairs: list[tuple[Files, Files]]) -> dict[str, tuple]:
    """Ours minus theirs, by metric that both have: (difference, low, high). The interval is None if neither frames nor
    seeds give one."""
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
