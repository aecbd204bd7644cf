"""The report: one HTML file about a transfer that opens from disk, on a phone too, and loads nothing from a network.

It shows source, skeleton, result and truth as one video, with a wipe between two of them and curves of the scores for
seeking; warnings and the worst frames; the final video; the scores, with reasons for missing ones; every stage with its
pictures, losses, parameters and costs; a map of the faces by orientation; consent, versions and files.

Input: the artifacts of the transfer, its target and its source. Output: `report`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from stages.media.files import atomic_write, existing, human_size, sha256
from stages.progress import Progress
from stages.reporting import cards, comparison_video, face_map, html_page, origin, quality_warnings, score_tables
from stages.reporting.report_inputs import ReportInputs
from stages.reporting.spans import worst_frames

if TYPE_CHECKING:
    from stages.params import Report, Transfer

WORST_FRAMES = 8             # that the report lists
MAX_VIDEO_BYTES = 6_000_000  # of a video.mp4 that is embedded; a larger one is only mentioned
TEMPLATES = Path(__file__).parent / "reporting"


def run(*, report: Path, params: "Report", entry: "Transfer", key: str, **paths: Path) -> None:
    """paths: the stage's inputs by their names in layout.INPUTS."""
    inputs = ReportInputs(paths, entry, key)
    with Progress(total=4, desc="report", unit="part") as progress:
        curves = score_tables.curves(inputs)
        ranking = score_tables.ranking(curves)
        curves.sort(key=lambda curve: curve is not ranking)  # the page shows the first one
        min_distance = round(inputs.about["fps"] / 2)
        worst = worst_frames(ranking.badness, WORST_FRAMES, min_distance) if ranking else []
        progress.update()
        comparison = comparison_video.make_comparison_video(inputs, set(worst))
        progress.update()
        warnings = quality_warnings.quality_warnings(inputs, comparison.unseen_background)
        stage_cards = cards.cards(inputs, params.frames)
        progress.update()
        scores = score_tables.read_metrics(inputs)
        content = {
            "key": key, "entry": entry, "about": inputs.about, "frames": len(inputs.source_frames),
            "comparison": comparison, "curves": [curve.for_page for curve in curves],
            "source_frames": inputs.source_frames.tolist(),
            "warnings": warnings, "ranking": ranking.for_page if ranking else None,
            "worst": [(frame, html_page.jpeg_url(comparison.stills[frame])) for frame in worst],
            "scores": scores, "descriptions": score_tables.DESCRIPTIONS, "compared_with": score_tables.COMPARED_WITH,
            **score_tables.tables(scores), "cards": stage_cards, "map": face_map.face_map(inputs),
            "map_size": (face_map.COLUMNS, face_map.ROWS), "faces": face_map.nearest(inputs),
            "consent": origin.consent(quality_warnings.about_of(inputs, "generator")), "versions": origin.versions(),
            "files": origin.files(paths), "checksum": sha256(paths["video"]), "video": _embedded(paths["video"]),
        }
        progress.update()
    text = _rendered(content)
    with atomic_write(report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    titles = "; ".join(dict.fromkeys(warning.title for warning in warnings)) or "no warnings"
    print(f"report: {report}, {human_size(report.stat().st_size)}; {titles}")


def _embedded(video: Path) -> str | None:
    """The unchanged file as a data URL; None if it is too large."""
    if existing(video, "the result; run fusion").stat().st_size > MAX_VIDEO_BYTES:
        return None
    return html_page.mp4_url(video)


def _rendered(content: dict) -> str:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("page.html.jinja").render(content)
