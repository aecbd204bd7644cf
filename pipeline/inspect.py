"""What lies in artifacts/, told in the terminal: a stage's files, a transfer's results."""

import csv
import json
import math
import os
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path

import av
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import graph
from stages import InputError, layout
from stages.media.container import IMAGE_FORMATS, open_media
from stages.media.files import human_size
from stages.params import Params

WIDE = 32              # characters of a loss's line
STEPS = 6              # of a training, at which its losses are told
BLOCKS = "▁▂▃▄▅▆▇█"


def inspect(config: Params, address: str) -> str:
    """Every artifact of `stage@key`: its path, size on disk and what is in it."""
    stage, key = graph.split(address)
    config.entry(stage, key)
    rows = [row for path in layout.outputs(stage, key).values() for row in _rows(path)]
    return table(("artifact", "size", "holds"), rows)


def look(address: str) -> str:
    """Writes a picture of what `stage@key` wrote, and opens it, or the page, where there is a screen; what was done."""
    from stages.reporting import artifact_sheet

    file, made = layout.sheet(address), layout.outputs(*graph.split(address))
    kind = "a picture of it"
    if not artifact_sheet.write(made.values(), file):
        kind, file = "a page", made.get("report")
        if not (file and file.exists()):
            return "nothing of it can be shown as a picture"
    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opened = screen and sys.stdout.isatty() and webbrowser.open(file.resolve().as_uri())
    return f"{kind}: {file}{', opened' if opened else ''}"


def summary(key: str) -> str:
    """Where a transfer's results lie, and its scores, the most telling ones first: of what the video shows, and of what
    was generated."""
    video, metrics, report = (
        layout.outputs(stage, key)[name]
        for stage, name in (("signing", "video"), ("metrics", "metrics"), ("report", "report"))
    )
    content = json.loads(metrics.read_text(encoding="utf-8"))
    scores, names = content["metrics"], content["headline"]
    rows = [(name, figure(scores[f"video_{name}"]), figure(scores[name])) for name in names
            if scores[name]["value"] is not None]
    lines = [table(("score", "video.mp4", "generated"), rows), *missing(scores, names)]
    return f"\n{key}\n  video   {video}\n  report  {report}, with all scores\n" + "\n".join(lines)


def missing(scores: dict[str, dict], names: Iterable[str]) -> list[str]:
    """Which of the named scores of a metrics.json have no value, a line for each reason."""
    reasons = {}
    for name in names:
        if scores[name]["value"] is None:
            reasons.setdefault(scores[name]["reason"], []).append(name)
    return [f"  not measured: {', '.join(some)}: {reason}" for reason, some in reasons.items()]


def results(address: str) -> list[dict[str, str]]:
    """What came out of a training, its losses at some steps, or of metrics, the scores; of other stages nothing."""
    stage, key = graph.split(address)
    made = layout.outputs(stage, key)
    if stage == "metrics":
        return [
            {"score": name, "value": figure(entry).removeprefix("-").strip(), "95 % interval": interval(entry)}
            for name, entry in json.loads(made["metrics"].read_text(encoding="utf-8"))["metrics"].items()
        ]
    return [_losses(file) for file in sorted(made["plots"].glob("*.tsv"))] if "plots" in made else []


def cost(address: str) -> str:
    """What its last run on this machine took."""
    took = json.loads(layout.cost(*graph.split(address)).read_text(encoding="utf-8"))
    return f"{address}: {took['seconds']:g} s, {took['peak_gib']:g} GiB at most"


def _losses(file: Path) -> dict[str, str]:
    name, rows = _curve(file)
    count = min(STEPS, len(rows))
    picks = [rows[len(rows) * (i + 1) // count - 1] for i in range(count)]
    return {"loss": file.stem} | {f"{name} {step}": f"{float(value):.4g}" for step, value in picks}


def _curve(file: Path) -> tuple[str, list[list[str]]]:
    """What runs along, and the points: where, and the value."""
    with file.open(newline="", encoding="utf-8") as lines:
        (name, _), *rows = csv.reader(lines, delimiter="\t")
    return name, rows


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell; the last one may have several lines."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]
    lines = []
    for row in [head, *rows]:
        start = "  " + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths))
        lines.append(start + row[-1].replace("\n", "\n" + " " * len(start)))
    return "\n".join(lines)


def figure(entry: dict) -> str:
    """A score of metrics.json, or why there is none."""
    if entry["value"] is None:
        return f"-  {entry.get('reason') or ''}".rstrip()
    return f"{entry['value']:.4g} {entry.get('unit') or ''}".rstrip()


def interval(entry: dict) -> str:
    """The ends of a score's 95 % interval, where it has one."""
    return f"{entry['low']:.4g} .. {entry['high']:.4g}" if entry.get("low") is not None else ""


def _rows(path: Path):
    """One row for a file, one for every file of a folder."""
    if not path.exists():
        yield str(path), "-", "not there; run its stage"
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield str(file), human_size(file.stat().st_size), _holds(file)
    else:
        yield str(path), human_size(path.stat().st_size), _holds(path)


def _holds(path: Path) -> str:
    """What a file holds, in a line or a few."""
    try:
        if path.suffix == ".parquet":
            return _table(path)
        if path.suffix in (".mkv", ".mp4"):
            return _video(path)
        if path.suffix == ".png":
            return _picture(path)
        if path.suffix == ".tsv":
            return course([float(value) for _, value in _curve(path)[1]])
        if path.suffix == ".json":
            return ", ".join(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, av.FFmpegError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run its stage again") from None
    return path.suffix.lstrip(".")


def _table(path: Path) -> str:
    file = pq.read_metadata(path)
    schema = file.schema.to_arrow_schema()
    about = json.loads((file.metadata or {}).get(b"about", b"{}"))
    if schema.names[:1] == ["step"]:
        columns = [f"{name}: {course(pq.read_table(path)[name].to_pylist())}" for name in schema.names[1:]]
    else:
        columns = [f"{field.name}: {_kind(field.type)}" for field in schema]
    notes = [f"{name} = {_short(value)}" for name, value in about.items()]
    return "\n".join([f"{file.num_rows} rows", *columns, *notes])


def course(losses: list[float]) -> str:
    """How a loss went: the means of its first and last steps, and a line of at most WIDE blocks, the largest full."""
    known = [loss for loss in losses if math.isfinite(loss)]
    if not any(known):
        return "not used"
    count = min(WIDE, len(known))
    ends = [len(known) * i // count for i in range(count + 1)]
    means = [sum(known[a:b]) / (b - a) for a, b in zip(ends, ends[1:])]
    most = max(max(means), 1e-12)
    line = "".join(BLOCKS[max(0, min(len(BLOCKS) - 1, int(mean / most * len(BLOCKS))))] for mean in means)
    return f"{means[0]:.3g} .. {means[-1]:.3g}  {line}"


def _kind(kind: pa.DataType) -> str:
    return f"{kind.list_size} {kind.value_type}" if pa.types.is_fixed_size_list(kind) else str(kind)


def _video(path: Path) -> str:
    with open_media(path) as container:
        stream = container.streams.video[0]
        size, rate = f"{stream.width} x {stream.height}", float(stream.average_rate)
        frames = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        sound = " with sound" if container.streams.audio else ""
        kind = f"{stream.codec_context.name} {stream.codec_context.pix_fmt}"
        return f"{frames} frames of {size}, {rate:g} a second, {kind}{sound}"


def _picture(path: Path) -> str:
    with open_media(path, IMAGE_FORMATS) as container:
        stream = container.streams.video[0]
        return f"{stream.width} x {stream.height}, {stream.codec_context.pix_fmt}"


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
