"""Writes a table of the paper in three formats: Markdown and HTML for reading, Parquet (one row per cell) for
analysis."""

import platform
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader

from pipeline import git, nvidia_smi
from pipeline.paper_tables.tables import DATASETS, Cell, Table
from pipeline.paper_tables.verdicts import (
    INCONCLUSIVE, MIN_DIFFERENCE, MIN_RELATIVE_DIFFERENCE, MIN_SEEDS, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, TOO_SMALL,
)
from stages import layout, processors

TEXT = ("method", "protocol", "metric", "unit", "reason", "verdict")
SCHEMA = pa.schema([(field.name, pa.string() if field.name in TEXT else pa.float64()) for field in fields(Cell)])
NAMES = {"ssim": "SSIM", "psnr": "PSNR", "lpips": "LPIPS", "fid": "FID", "is": "IS", "tcm": "TCM",
         "sharpness": "sharpness", "aligned_psnr": "aligned PSNR"}
ARROWS = {1: " ↑", -1: " ↓", 0: " → 1"}
TITLES = {"reconstruction": "Person Reconstruction", "imitation": "Action Imitation"}
SHADES = {REPRODUCED: "reproduced", NOT_REPRODUCED: "not", INCONCLUSIVE: "close", TOO_SMALL: "close"}


@dataclass
class PageCell:
    """A cell of a page: its text, a smaller text below it, and its background."""

    text: str
    small: str = ""
    shade: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.small})" if self.small else self.text


@dataclass
class Section:
    """A table of a page with its notes."""
    title: str
    head: list[str]
    rows: list[list[PageCell]]
    notes: list[str]


def write(table: Table, cells: list[Cell], into: Path | None) -> list[Path]:
    """Writes the three files, and the Markdown also `into` a page with several tables, where it replaces this table's
    section. Returns the paths."""
    title, about = f"Table {table.number}: {table.title}", _introduction(table, cells)
    sections = [one for protocol in table.columns for one in _sections(table, protocol, cells)]
    markdown = "\n".join([f"## {title}", "", *(f"{line}\n" for line in about), *map(_markdown, sections)])
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = environment.get_template("tables.html.jinja").render(title=title, about=about, sections=sections)
    layout.TABLES.mkdir(parents=True, exist_ok=True)
    files = [layout.TABLES / f"{table.name}{end}" for end in (".md", ".html", ".parquet")]
    files[0].write_text(markdown, encoding="utf-8")
    files[1].write_text(page, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([asdict(cell) for cell in cells], SCHEMA), files[2])
    if into:
        page = into.read_text(encoding="utf-8") if into.exists() else "# Results\n"
        into.write_text(replace_section(page, f"## Table {table.number}:", markdown), encoding="utf-8")
        files.append(into)
    return files


def replace_section(page: str, head: str, section: str) -> str:
    """The page with `section` in place of the section that begins with `head`. A new section is added in order."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    kept = [part.rstrip("\n") + "\n" for part in parts if not part.startswith(head)]
    kept.append(section.rstrip("\n") + "\n")
    return "\n".join(sorted(kept, key=lambda part: part if part.startswith("## ") else ""))  # the title stays on top


def _introduction(table: Table, cells: list[Cell]) -> list[str]:
    """The paragraphs above the tables: date, machine, preset, and how the verdicts and intervals are defined."""
    verdicts = Counter(cell.verdict for cell in cells if cell.verdict)
    printed = sum(cell.complexmotion is not None for cell in cells) - sum(map(len, _paper_metrics(table).values()))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    rest = printed - verdicts.total()
    effects = ", ".join([
        *(f"{value:g}{' dB' * (name == 'psnr')} of {NAMES[name]}" for name, value in MIN_DIFFERENCE.items()),
        *(f"{share:.0%} of our {NAMES[name]}" for name, share in MIN_RELATIVE_DIFFERENCE.items())])
    trainings = "one training" if table.seeds == 1 else f"{table.seeds} trainings with different seeds"
    return [
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine()}, commit {commit()}. Preset {table.preset}; "
        f"trained on {table.subject}, {trainings} per method; Action Imitation copies the motion of {table.source}.",
        f"Of the paper's {printed} differences to its own method: {counts + ', ' if counts else ''}{rest} not measured. "
        f"One training is not enough to judge a method: a verdict needs {MIN_SEEDS} of both methods. A difference is "
        "reproduced if its 95 % interval here excludes zero, it has the paper's sign, and it is at least "
        f"{effects}.",
        "The interval of a value comes from a bootstrap over blocks of consecutive frames, for FID and IS from leaving "
        "out one block at a time. It covers the choice of frames, not the variation between trainings. With several "
        "seeds a value is their mean ± their standard deviation. Differences are computed per seed and per frame. Their "
        "intervals cover frames and seeds (Student's t); with one training they cover frames only, and FID and IS "
        "have none.",
    ]


def _paper_metrics(table: Table) -> dict[str, list[str]]:
    """The metrics that the paper reports, by protocol."""
    ours = next(row for row in table.rows if row.key == table.ours)
    return {protocol: [name for name in names if (protocol, name) in ours.paper["iper"]]
            for protocol, names in table.columns.items()}


def _sections(table: Table, protocol: str, cells: list[Cell]) -> list[Section]:
    """The table of values, then the table of differences."""
    metrics, printed = table.columns[protocol], _paper_metrics(table)[protocol]
    found = {(cell.method, cell.metric): cell for cell in cells if cell.protocol == protocol}
    head = ["method"]
    for name in metrics:
        head += [_head(name, table.best), "paper"] if name in printed else [_head(name, table.best)]
    values, differences = [], []
    for row in table.rows:
        mine = [found[row.name, name] for name in metrics]
        line = [PageCell(row.name)]
        for cell in mine:
            line += [_value(cell), PageCell(_paper(cell))] if cell.metric in printed else [_value(cell)]
        values.append(line)
        if any(cell.difference is not None for cell in mine):
            differences.append([PageCell(row.name), *map(_difference, mine)])
    reasons = {}
    for row in table.rows:
        for cell in (found[row.name, name] for name in metrics):
            if cell.value is None:
                reason = " ".join(cell.reason.split()).replace(f"--as {row.key} ", "--as NAME ")
                reasons.setdefault(reason, {}).setdefault(row.name, []).append(_name(cell.metric))
    title, key = TITLES[protocol], table.transfers[protocol]
    sections = [Section(f"{title} ({key})", head, values, _notes(reasons, len(table.rows), len(metrics)))]
    if differences:
        ours = next(row.name for row in table.rows if row.key == table.ours)
        names = ["method", *(_head(name, table.best) for name in metrics)]
        sections.append(Section(f"{title}: {ours} minus the method", names, differences, []))
    return sections


def _notes(reasons: dict[str, dict[str, list[str]]], rows: int, columns: int) -> list[str]:
    """The reasons for empty cells, each once."""
    out = []
    for reason, methods in reasons.items():
        metrics = list(dict.fromkeys(name for names in methods.values() for name in names))
        what = [", ".join(metrics)] if len(metrics) < columns else []
        what += [", ".join(methods)] if len(methods) < rows else []
        out.append(f"{' of '.join(what) or 'all'}: {reason}")
    return out


def _name(metric: str) -> str:
    """psnr_person_box -> PSNR person box"""
    kind = _kind(metric)
    return f"{NAMES[kind]} {metric.removeprefix(kind).replace('_', ' ').strip()}".rstrip()


def _kind(metric: str) -> str:
    """psnr_person_box -> psnr"""
    return next(kind for kind in NAMES if metric == kind or metric.startswith(f"{kind}_"))


def _head(metric: str, best: dict[str, int]) -> str:
    return _name(metric) + ARROWS[best[_kind(metric)]]


def _value(cell: Cell) -> PageCell:
    if cell.value is None:
        return PageCell("–")
    if cell.spread is not None:
        return PageCell(_number(cell.value, cell), f"± {_number(cell.spread, cell, 1)}")
    ends = f"{_number(cell.low, cell)} to {_number(cell.high, cell)}" if cell.low is not None else ""
    return PageCell(_number(cell.value, cell), ends)


def _paper(cell: Cell) -> str:
    """The paper's values: ComplexMotion / iPER."""
    values = [getattr(cell, dataset) for dataset in DATASETS]
    return "" if None in values else " / ".join(_number(value, cell) for value in values)


def _difference(cell: Cell) -> PageCell:
    if cell.difference is None:
        return PageCell("–")
    low, high = cell.difference_low, cell.difference_high
    ends = f"{_number(low, cell, 1)} to {_number(high, cell, 1)}" if low is not None else ""
    verdict = f"{cell.verdict}: " if cell.verdict and not cell.verdict.startswith(NOT_TESTED) else ""
    sign = "+" if cell.difference >= 0 else ""
    return PageCell(f"{verdict}{sign}{_number(cell.difference, cell, 1)}", ends, SHADES.get(cell.verdict, ""))


def _number(value: float, cell: Cell, more: int = 0) -> str:
    """A value with as many decimals as in the paper, and `more`."""
    return f"{value:.{(2 if _kind(cell.metric).endswith(('psnr', 'fid')) else 3) + more}f}"


def _markdown(section: Section) -> str:
    def line(row: Iterable) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"

    rule = f"|{'---|' * len(section.head)}"
    lines = [f"### {section.title}", "", line(section.head), rule, *map(line, section.rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in section.notes), *([""] if section.notes else [])])


@cache
def machine() -> str:
    """Processor, number of cores that may be used, and GPU of this machine."""
    cpus = Path("/proc/cpuinfo")
    text = cpus.read_text(encoding="utf-8") if cpus.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    gpu = next(iter(nvidia_smi.query("name")), "no GPU")
    return f"{processors.count()} cores of {names[0] if names else platform.machine()}, {gpu}"


def commit() -> str:
    """The commit of the project, and whether there are uncommitted changes."""
    changes = " with changes" if git.run("status", "--porcelain", "-uno", check=False).strip() else ""
    return (git.short_commit() or "none") + changes
