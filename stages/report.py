"""The report: one HTML file with everything of one transfer, that opens from disk, on a phone too, and fetches nothing.

Source, skeleton, result and truth play as one, with a wipe between two of them and a curve of scores to jump about in;
the frames that are worst, and what to beware of; scores with the reasons for missing ones; every stage with its
pictures, losses, parameters and costs; the faces by where they look; consent, versions and files. In: the artifacts of
the transfer, its target and its source. Out: `report`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from stages.media.files import atomic_write, existing, human_size, sha256
from stages.progress import Progress
from stages.reporting import cards, cautions, face_map, html_page, origin, reel, score_tables
from stages.reporting.report_inputs import Inputs
from stages.reporting.spans import peaks

if TYPE_CHECKING:
    from stages.params import Report, Transfer

WORST = 8             # frames that are shown first
HEAVIEST = 6_000_000  # bytes of a video.mp4 that is carried along; a larger one is only named
TEMPLATES = Path(__file__).parent / "reporting"


def run(*, report: Path, params: "Report", entry: "Transfer", key: str, **paths: Path) -> None:
    """`paths` are the stage's inputs by their names in layout.INPUTS."""
    inputs = Inputs(paths, entry, key)
    with Progress(total=4, desc="report", unit="part") as progress:
        curves = score_tables.curves(inputs)
        ranking = score_tables.ranking(curves)
        curves.sort(key=lambda curve: curve is not ranking)  # what the page shows first
        apart = round(inputs.about["fps"] / 2)
        worst = peaks(ranking.badness, WORST, apart) if ranking else []
        progress.update()
        film = reel.film(inputs, set(worst))
        progress.update()
        found = cautions.cautions(inputs, film.bare)
        shown = cards.cards(inputs, params.frames)
        progress.update()
        content = {
            "key": key, "entry": entry, "about": inputs.about, "frames": len(inputs.rows), "reel": film,
            "curves": [curve.told for curve in curves], "rows": inputs.rows.tolist(), "cautions": found,
            "ranking": ranking.told if ranking else None,
            "worst": [(frame, html_page.picture(film.stills[frame])) for frame in worst],
            "scores": score_tables.read(inputs), "words": score_tables.WORDS, "beside": score_tables.BESIDE, "cards": shown,
            "map": face_map.chart(inputs), "size": (face_map.COLUMNS, face_map.ROWS), "faces": face_map.nearest(inputs),
            "consent": origin.consent(cautions.about_of(inputs, "generator")), "versions": origin.versions(),
            "files": origin.files(paths), "checksum": sha256(paths["video"]),
            "video": _carried(paths["video"]),
        }
        content |= score_tables.table(content["scores"])
        progress.update()
    text = _rendered(content)
    with atomic_write(report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    told = "; ".join(dict.fromkeys(caution.title for caution in found)) or "nothing to warn of"
    print(f"report: {report}, {human_size(report.stat().st_size)}; {told}")


def _carried(video: Path) -> str | None:
    """The result as it is, byte for byte, for the page; None where it is too large."""
    return html_page.movie(video) if existing(video, "the result; run fusion").stat().st_size <= HEAVIEST else None


def _rendered(content: dict) -> str:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("page.html.jinja").render(content)
