"""Describes artifacts in the terminal: the files of a stage, the results of a transfer."""

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
from stages.media.container import IMAGE_FORMATS, frame_count, open_media
from stages.media.files import human_size
from stages.params import Params

SPARKLINE_WIDTH = 32  # characters
MAX_LOSS_STEPS = 6    # steps of a training that `results` lists
BLOCKS = "▁▂▃▄▅▆▇█"


def describe(config: Params, address: str) -> str:
    """A table of all outputs of `stage@key`: path, size on disk and content."""
    stage, key = graph.split(address)
    config.entry(stage, key)
    rows = [row for path in layout.outputs(stage, key).values() for row in _rows(path)]
    return format_table(("artifact", "size", "content"), rows)


def show_sheet(address: str) -> str:
    """Writes a picture of the outputs of `stage@key`, and opens it, or the report page, if there is a screen. Returns
    what was done."""
    from stages.reporting import artifact_sheet

    file, made = layout.sheet(address), layout.outputs(*graph.split(address))
    kind = "picture"
    if not artifact_sheet.write(made.values(), file):
        kind, file = "page", made.get("report")
        if not (file and file.exists()):
            return "no picture: none of the outputs can be drawn"
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    opened = screen and sys.stdout.isatty() and webbrowser.open(file.resolve().as_uri())
    return f"{kind}: {file}{', opened' if opened else ''}"


def summary(key: str) -> str:
    """A text with the paths of a transfer's results and its most important scores: of video.mp4, and of the generated
    frames before label, watermark and video compression."""
    video, metrics, report = (
        layout.outputs(stage, key)[name]
        for stage, name in (("signing", "video"), ("metrics", "metrics"), ("report", "report"))
    )
    content = json.loads(metrics.read_text(encoding="utf-8"))
    scores, names = content["metrics"], content["headline"]
    rows = [(name, format_score(scores[f"video_{name}"]), format_score(scores[name])) for name in names
            if scores[name]["value"] is not None]
    lines = [format_table(("score", "video.mp4", "generated"), rows), *missing_scores(scores, names)]
    return f"\n{key}\n  video   {video}\n  report  {report}, with all scores\n" + "\n".join(lines)


def missing_scores(scores: dict[str, dict], names: Iterable[str]) -> list[str]:
    """A line for each reason why some of these scores of a metrics.json have no value."""
    reasons = {}
    for name in names:
        if scores[name]["value"] is None:
            reasons.setdefault(scores[name]["reason"], []).append(name)
    return [f"  not measured: {', '.join(group)}: {reason}" for reason, group in reasons.items()]


def results(address: str) -> list[dict[str, str]]:
    """The results of a stage as rows of a table: for a training the losses at some steps, for `metrics` the scores, for
    other stages nothing."""
    stage, key = graph.split(address)
    made = layout.outputs(stage, key)
    if stage == "metrics":
        return [
            {"score": name, "value": format_score(entry).removeprefix("-").strip(),
             "95 % interval": format_interval(entry)}
            for name, entry in json.loads(made["metrics"].read_text(encoding="utf-8"))["metrics"].items()
        ]
    return [_losses(file) for file in sorted(made["plots"].glob("*.tsv"))] if "plots" in made else []


def format_cost(address: str) -> str:
    """Time and memory of the stage's last run on this machine."""
    took = json.loads(layout.cost(*graph.split(address)).read_text(encoding="utf-8"))
    return f"{address}: {took['seconds']:g} s, {took['peak_gib']:g} GiB at most"


def _losses(file: Path) -> dict[str, str]:
    name, rows = _curve(file)
    count = min(MAX_LOSS_STEPS, len(rows))
    picks = [rows[len(rows) * (i + 1) // count - 1] for i in range(count)]
    return {"loss": file.stem} | {f"{name} {step}": f"{float(value):.4g}" for step, value in picks}


def _curve(file: Path) -> tuple[str, list[list[str]]]:
    """A .tsv file: the name of its x axis, and its points (x, value)."""
    with file.open(newline="", encoding="utf-8") as lines:
        (name, _), *rows = csv.reader(lines, delimiter="\t")
    return name, rows


def format_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Text columns, as wide as their widest cell. Cells of the last column may have several lines."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]
    lines = []
    for row in [head, *rows]:
        start = "  " + "".join(cell.ljust(width + 2) for cell, width in zip(row, widths))
        lines.append(start + row[-1].replace("\n", "\n" + " " * len(start)))
    return "\n".join(lines)


def format_score(entry: dict) -> str:
    """A score of metrics.json with its unit, or the reason why it has no value."""
    if entry["value"] is None:
        return f"-  {entry.get('reason') or ''}".rstrip()
    return f"{entry['value']:.4g} {entry.get('unit') or ''}".rstrip()


def format_interval(entry: dict) -> str:
    """The 95 % interval of a score, if it has one."""
    return f"{entry['low']:.4g} .. {entry['high']:.4g}" if entry.get("low") is not None else ""


def _rows(path: Path):
    """One row for a file, one for every file in a folder."""
    if not path.exists():
        yield str(path), "-", "missing; run its stage"
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield str(file), human_size(file.stat().st_size), _describe_content(file)
    else:
        yield str(path), human_size(path.stat().st_size), _describe_content(path)


def _describe_content(path: Path) -> str:
    """The content of a file in a line or a few. Raises InputError if it cannot be read."""
    try:
        if path.suffix == ".parquet":
            return _describe_table(path)
        if path.suffix in (".mkv", ".mp4"):
            return _describe_video(path)
        if path.suffix == ".png":
            return _describe_picture(path)
        if path.suffix == ".tsv":
            return sparkline([float(value) for _, value in _curve(path)[1]])
        if path.suffix == ".json":
            return ", ".join(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, av.FFmpegError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run its stage again") from None
    return path.suffix.lstrip(".")


def _describe_table(path: Path) -> str:
    file = pq.read_metadata(path)
    schema = file.schema.to_arrow_schema()
    about = json.loads((file.metadata or {}).get(b"about", b"{}"))
    if schema.names[:1] == ["step"]:
        columns = [f"{name}: {sparkline(pq.read_table(path)[name].to_pylist())}" for name in schema.names[1:]]
    else:
        columns = [f"{field.name}: {_type_name(field.type)}" for field in schema]
    notes = [f"{name} = {_shorten(value)}" for name, value in about.items()]
    return "\n".join([f"{file.num_rows} rows", *columns, *notes])


def sparkline(losses: list[float]) -> str:
    """A loss over the training as text: the means of its first and last part, and a line of at most SPARKLINE_WIDTH
    block characters, scaled to the largest value."""
    known = [loss for loss in losses if math.isfinite(loss)]
    if not any(known):
        return "not used"
    count = min(SPARKLINE_WIDTH, len(known))
    ends = [len(known) * i // count for i in range(count + 1)]
    means = [sum(known[a:b]) / (b - a) for a, b in zip(ends, ends[1:])]
    most = max(max(means), 1e-12)
    line = "".join(BLOCKS[max(0, min(len(BLOCKS) - 1, int(mean / most * len(BLOCKS))))] for mean in means)
    return f"{means[0]:.3g} .. {means[-1]:.3g}  {line}"


def _type_name(kind: pa.DataType) -> str:
    return f"{kind.list_size} {kind.value_type}" if pa.types.is_fixed_size_list(kind) else str(kind)


def _describe_video(path: Path) -> str:
    with open_media(path) as container:
        stream = container.streams.video[0]
        size, rate = f"{stream.width} x {stream.height}", float(stream.average_rate)
        frames = frame_count(container)
        sound = " with audio" if container.streams.audio else ""
        kind = f"{stream.codec_context.name} {stream.codec_context.pix_fmt}"
        return f"{frames} frames of {size}, {rate:g} fps, {kind}{sound}"


def _describe_picture(path: Path) -> str:
    with open_media(path, IMAGE_FORMATS) as container:
        stream = container.streams.video[0]
        return f"{stream.width} x {stream.height}, {stream.codec_context.pix_fmt}"


def _shorten(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
