"""A table of the paper as files: Markdown and HTML to read, Parquet (one row a cell) to compute with."""

import platform
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader

from pipeline.paper_tables.tables import DATASETS, Cell, Table
from pipeline.paper_tables.verdicts import CLOSE, LEAST, LEAST_SHARE, NOT, REPRODUCED, SEEDS, SMALL, UNTESTED
from stages import layout, processors

TEXT = ("method", "protocol", "metric", "unit", "reason", "verdict")
SCHEMA = pa.schema([(field.name, pa.string() if field.name in TEXT else pa.float64()) for field in fields(Cell)])
NAMES = {"ssim": "SSIM", "psnr": "PSNR", "lpips": "LPIPS", "fid": "FID", "is": "IS", "tcm": "TCM",
         "sharpness": "sharpness", "aligned_psnr": "aligned PSNR"}
ARROWS = {1: " ↑", -1: " ↓", 0: " → 1"}
TITLES = {"reconstruction": "Person Reconstruction", "imitation": "Action Imitation"}
SHADES = {REPRODUCED: "reproduced", NOT: "not", CLOSE: "close", SMALL: "close"}


@dataclass
class Shown:
    """A cell of a page."""

    text: str
    small: str = ""
    shade: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.small})" if self.small else self.text


@dataclass
class Section:
    title: str
    head: list[str]
    rows: list[list[Shown]]
    notes: list[str]


def write(table: Table, cells: list[Cell], into: Path | None) -> list[Path]:
    """The three files, and the Markdown also `into` a page of several tables, in place of what it had of this one."""
    title, about = f"Table {table.number}: {table.title}", _about(table, cells)
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
        into.write_text(replaced(page, f"## Table {table.number}:", markdown), encoding="utf-8")
        files.append(into)
    return files


def replaced(page: str, head: str, section: str) -> str:
    """A page with `section` in place of the one that begins with `head`, or after all that are there."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    kept = [part.rstrip("\n") + "\n" for part in parts if not part.startswith(head)]
    kept.append(section.rstrip("\n") + "\n")
    return "\n".join(sorted(kept, key=lambda part: part if part.startswith("## ") else ""))  # the head stays on top


def _about(table: Table, cells: list[Cell]) -> list[str]:
    verdicts = Counter(cell.verdict for cell in cells if cell.verdict)
    printed = sum(cell.complexmotion is not None for cell in cells) - sum(map(len, _printed(table).values()))
    said = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    rest = printed - verdicts.total()
    effects = ", ".join([*(f"{value:g}{' dB' * (name == 'psnr')} of {NAMES[name]}" for name, value in LEAST.items()),
                         *(f"{share:.0%} of our {NAMES[name]}" for name, share in LEAST_SHARE.items())])
    trainings = "one training" if table.seeds == 1 else f"{table.seeds} trainings with different seeds"
    return [
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine()}, commit {commit()}. Preset {table.preset}; "
        f"{table.subject} learned, {trainings} a method; Action Imitation moves like {table.source}.",
        f"Of the paper's {printed} differences to its own method: {said + ', ' if said else ''}{rest} not measured. "
        f"One training tells nothing of a method: a verdict needs {SEEDS} of both. A difference is then reproduced "
        f"where its 95 % interval here leaves out zero, it has the paper's sign, and it is at least {effects}.",
        "Intervals of a value are of a bootstrap over blocks of consecutive frames, those of FID and IS of leaving "
        "blocks out: they tell these frames from others of the same person, not this training from another. With "
        "several seeds a value is their mean ± their standard deviation. Differences are taken seed by seed and frame "
        "by frame; their intervals are of frames and seeds (Student's t) together, of one training those of frames "
        "alone, which FID and IS do not have.",
    ]


def _printed(table: Table) -> dict[str, list[str]]:
    """The metrics that the paper gives, by protocol."""
    ours = next(row for row in table.rows if row.key == table.ours)
    return {protocol: [name for name in names if (protocol, name) in ours.paper["iper"]]
            for protocol, names in table.columns.items()}


def _sections(table: Table, protocol: str, cells: list[Cell]) -> list[Section]:
    """Values, then differences."""
    metrics, printed = table.columns[protocol], _printed(table)[protocol]
    found = {(cell.method, cell.metric): cell for cell in cells if cell.protocol == protocol}
    head = ["method"]
    for name in metrics:
        head += [_head(name, table.best), "paper"] if name in printed else [_head(name, table.best)]
    values, apart = [], []
    for row in table.rows:
        mine = [found[row.name, name] for name in metrics]
        line = [Shown(row.name)]
        for cell in mine:
            line += [_value(cell), Shown(_paper(cell))] if cell.metric in printed else [_value(cell)]
        values.append(line)
        if any(cell.difference is not None for cell in mine):
            apart.append([Shown(row.name), *map(_difference, mine)])
    reasons = {}
    for row in table.rows:
        for cell in (found[row.name, name] for name in metrics):
            if cell.value is None:
                reason = " ".join(cell.reason.split()).replace(f"--as {row.key} ", "--as NAME ")
                reasons.setdefault(reason, {}).setdefault(row.name, []).append(_name(cell.metric))
    title, key = TITLES[protocol], table.transfers[protocol]
    sections = [Section(f"{title} ({key})", head, values, _notes(reasons, len(table.rows), len(metrics)))]
    if apart:
        ours = next(row.name for row in table.rows if row.key == table.ours)
        names = ["method", *(_head(name, table.best) for name in metrics)]
        sections.append(Section(f"{title}: {ours} less the method", names, apart, []))
    return sections


def _notes(reasons: dict[str, dict[str, list[str]]], rows: int, columns: int) -> list[str]:
    """Why which cells are empty, each reason once."""
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


def _value(cell: Cell) -> Shown:
    if cell.value is None:
        return Shown("–")
    if cell.spread is not None:
        return Shown(_number(cell.value, cell), f"± {_number(cell.spread, cell, 1)}")
    ends = f"{_number(cell.low, cell)} to {_number(cell.high, cell)}" if cell.low is not None else ""
    return Shown(_number(cell.value, cell), ends)


def _paper(cell: Cell) -> str:
    """ComplexMotion / iPER, as printed."""
    values = [getattr(cell, dataset) for dataset in DATASETS]
    return "" if None in values else " / ".join(_number(value, cell) for value in values)


def _difference(cell: Cell) -> Shown:
    if cell.difference is None:
        return Shown("–")
    low, high = cell.difference_low, cell.difference_high
    ends = f"{_number(low, cell, 1)} to {_number(high, cell, 1)}" if low is not None else ""
    verdict = f"{cell.verdict}: " if cell.verdict and not cell.verdict.startswith(UNTESTED) else ""
    sign = "+" if cell.difference >= 0 else ""
    return Shown(f"{verdict}{sign}{_number(cell.difference, cell, 1)}", ends, SHADES.get(cell.verdict, ""))


def _number(value: float, cell: Cell, more: int = 0) -> str:
    """With the paper's decimals and `more`."""
    return f"{value:.{(2 if _kind(cell.metric).endswith(('psnr', 'fid')) else 3) + more}f}"


def _markdown(section: Section) -> str:
    def line(row: Iterable) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"

    rule = f"|{'---|' * len(section.head)}"
    lines = [f"### {section.title}", "", line(section.head), rule, *map(line, section.rows), ""]
    return "\n".join([*lines, *(f"- {note}" for note in section.notes), *([""] if section.notes else [])])


@cache
def machine() -> str:
    """Processor, the cores that may be used, and graphics card of this one."""
    cpus = Path("/proc/cpuinfo")
    text = cpus.read_text(encoding="utf-8") if cpus.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        card = subprocess.run(query, capture_output=True, encoding="utf-8", check=True).stdout.split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        card = ""
    return f"{processors.count()} cores of {names[0] if names else platform.machine()}, {card or 'no GPU'}"


def commit() -> str:
    """The project's, and whether something is not in it."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8").stdout.strip()

    changes = " with changes" if git("status", "--porcelain", "-uno") else ""
    return (git("rev-parse", "--short", "--verify", "HEAD") or "none") + changes
