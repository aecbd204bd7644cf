"""The report: one HTML file with everything of one transfer, that opens from disk without a server.

Side by side as video: source, skeleton, generated and (imitation with a known truth) truth; contact sheets of every
intermediate; the scores with the reasons for missing ones; loss curves; the nearest real faces; parameters, consent,
versions and files. In: the artifacts of the transfer, its target and its source. Out: `report`.
"""

import json
import platform
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import jinja2
import numpy as np
import pyarrow.parquet as pq
import torch
from tqdm import tqdm

from stages import __version__, layout
from stages import params as config
from stages.media import clock as clocks
from stages.media import page, pictures, tables
from stages.media import video as videos
from stages.media.files import existing, replacing
from stages.media.seek import chosen
from stages.vision import blend, face_vectors, sheets, skeleton
from stages.vision.face_enhancement import FaceIndex
from stages.vision.skeleton import Pose, read_poses

if TYPE_CHECKING:
    from stages.params import Report, Transfer

PANEL = 320            # pixels, largest side of a panel of the side-by-side video
LONGEST = 500          # frames of it
HEAVIEST = 6_000_000   # bytes of a video.mp4 that is carried along; a larger one is only named
CRF = 24
GROWTH = 4             # previews of the training that are shown
FACES = 3              # driving frames whose nearest faces are shown, and faces for each
LEARNED = ("generator", "local_gans")
NOTICE = "AI-generated video made with FakeMotion"

Sheets = Iterator[tuple[str, str, np.ndarray]]  # title, what it shows, picture


def run(*, report: Path, params: "Report", entry: "Transfer", key: str, **paths: Path) -> None:
    """`paths` are the stage's inputs by their names in layout.INPUTS."""
    pose, columns, driving = read_poses(paths["driving"])
    rows, learned = columns["frame"], clocks.read_clock(paths["target_clock"]).usable()
    with tqdm(total=4, desc="report", unit="part") as progress:
        content = {"key": key, "entry": entry, "driving": driving, "frames": len(rows)}
        content["warnings"] = warnings(paths, driving)
        content |= side_by_side(paths, entry, pose, rows, driving["fps"])
        content["video"] = _carried(paths["video"])
        progress.update()
        content["sheets"] = [
            (title, text, page.picture(picture))
            for title, text, picture in (*target_sheets(paths, _spread(learned, params.frames)),
                                         *result_sheets(paths, pose, params.frames))
        ]
        progress.update()
        content["faces"] = nearest_faces(paths, rows)
        progress.update()
        content |= {
            "scores": json.loads(existing(paths["metrics"], "the metrics; run their stage").read_text()),
            "per_frame": per_frame_curves(paths["per_frame"]), "curves": loss_curves(paths),
            "trained": {name: _about(paths[name]) for name in LEARNED}, "blocks": blocks(key, entry),
            "versions": versions(), "costs": costs(key, entry), "files": files(paths),
        }
        progress.update()
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    ).get_template("report.html.jinja")
    text = template.render(content)
    with replacing(report) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"report: {report}, {len(text) / 1e6:.1f} MB; {'; '.join(content['warnings']) or 'nothing to warn of'}")


def warnings(paths: dict[str, Path], driving: dict) -> list[str]:
    """What the user should know before they believe the result."""
    out = []
    for who in ("target", "source") if not driving["reconstruction"] else ("target",):
        _, columns, _ = read_poses(paths[f"{who}_poses"])
        about = clocks.read_clock(paths[f"{who}_clock"]).about
        several, lost = int((columns["people"] > 1).sum()), int((~columns["detected"]).sum())
        filled = int((~columns["detected"] & columns["interpolated"]).sum())
        if several or about.get("people", 1) > 1:
            out.append(f"{who}: several people ({several} of {len(columns['frame'])} frames show more than one in the "
                       "square); the larger and steadier one was taken")
        if lost:
            out.append(f"{who}: no person found in {lost} of {len(columns['frame'])} frames, {filled} of them "
                       "interpolated")
        if about.get("split_reason"):
            out.append(f"{who}: no held-out part: {about['split_reason']}")
        for file, damage in about.get("damaged", {}).items():
            out.append(f"{who}: {file} is damaged: {damage['decoded']} frames could be decoded")
    faces, about = tables.read(paths["faces"], tables.FACES)
    if not len(faces["frame"]):
        out.append(f"target: no face in the index, so no face enhancement: {about.get('reason', 'none is visible')}")
    if driving.get("outside", 0) > 0.01:
        out.append(f"{driving['outside']:.1%} of the driving joints fall outside of the target's square")
    if _about(paths["generator"]).get("features") == "random":
        out.append("the generator was trained with random, not with pre-trained, VGG features")
    return out


# ------------------------------------------------------------------------------------------ videos


def side_by_side(paths: dict[str, Path], entry: "Transfer", pose: Pose, rows: np.ndarray, fps: float) -> dict:
    """`panels`: what stands side by side; `beside`: the video of at most LONGEST frames."""
    plate = pictures.read(paths["background"])
    streams = {
        f"{entry.source}, the held-out truth" if entry.reconstruction else f"{entry.source}, the source":
            chosen(videos.frames(paths["source_frames"]), rows, paths["source_frames"]),
        "skeleton that drives": (skeleton.draw(pose[t], len(plate), parts=skeleton.PARTS) for t in range(len(rows))),
        f"{entry.target}, generated":
            (blend.compose(rgba, plate) for rgba in videos.frames(paths["foreground"], "rgba")),
    }
    side = min(PANEL, len(plate)) // 2 * 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "beside.mp4"
        with videos.h264(path, fps, CRF, {"comment": NOTICE}) as show:
            for _, *panels in zip(range(LONGEST), *streams.values()):
                show(np.hstack([sheets.fit(picture, side) for picture in panels]))
        return {"panels": list(streams), "beside": page.movie(path), "cut": len(rows) > LONGEST}


def _carried(path: Path) -> str | None:
    """The final video, or None where it is too heavy for a page."""
    return page.movie(path) if path.stat().st_size <= HEAVIEST else None


# ------------------------------------------------------------------------------------------ sheets


def target_sheets(paths: dict[str, Path], picks: np.ndarray) -> Sheets:
    """What was found in the target's video."""
    frames, masks = videos.pick(paths["target_frames"], picks), videos.pick(paths["masks"], picks, "gray")
    pose, _, _ = read_poses(paths["target_poses"])
    yield "Poses", "the target's frames with the joints that were found", sheets.sheet(
        [[frames[i] for i in picks], [sheets.with_skeleton(frames[i], pose[i]) for i in picks]])
    yield "Masks", "alpha, and what it cuts out", sheets.sheet(
        [[cv2.cvtColor(masks[i], cv2.COLOR_GRAY2RGB) for i in picks],
         [sheets.cut_out(frames[i], masks[i]) for i in picks]])
    plate, seen = pictures.read(paths["background"]), cv2.imread(str(paths["seen"]), cv2.IMREAD_GRAYSCALE)
    yield "Background", f"in red the {(seen == 0).mean():.1%} that no frame shows, which is filled in", sheets.sheet(
        [[plate, sheets.never_seen(plate, seen)]], side=352)
    index = FaceIndex.read(paths["faces"])
    if len(index):
        shown = _spread(np.arange(len(index)), 2 * len(picks))
        tiles = [_large(*_face(index, i), side=176) for i in shown]
        yield "Faces", f"{len(index)} training faces with their orientation vectors (Fig. 3)", sheets.sheet(
            [tiles[: len(picks)], tiles[len(picks):]] if len(tiles) > len(picks) else [tiles])
    previews = sorted(paths["generator"].glob("preview_*.png"))
    for path in previews[-1:]:
        yield "Generator", f"{path.stem.replace('_', ' ')}: skeleton, generated and true foreground", pictures.read(path)
    if len(previews) > 1:
        shown = [previews[i] for i in _spread(np.arange(len(previews)), GROWTH)]
        rows = [np.array_split(pictures.read(path), 3)[1] for path in shown]  # of three: see generator_training
        steps = ", ".join(str(int(path.stem.removeprefix("preview_"))) for path in shown)
        yield "Learning", f"the generated foreground after {steps} steps, from top to bottom", np.vstack(rows)
    for path in sorted(paths["local_gans"].glob("preview*.png")):
        yield "Local GANs", "face, hands and feet before, after and as they are", pictures.read(path)


def result_sheets(paths: dict[str, Path], pose: Pose, count: int) -> Sheets:
    """What was made of the driving poses."""
    picks = _spread(np.arange(len(pose)), count)
    foreground, plate = videos.pick(paths["foreground"], picks, "rgba"), pictures.read(paths["background"])
    yield "Foreground", "driving pose, generated foreground, and over the background (Eq. 12)", sheets.sheet([
        [skeleton.draw(pose[i], len(plate), parts=skeleton.PARTS) for i in picks],
        [sheets.cut_out(foreground[i][..., :3], foreground[i][..., 3]) for i in picks],
        [blend.compose(foreground[i], plate) for i in picks],
    ])


def nearest_faces(paths: dict[str, Path], rows: np.ndarray) -> list[dict]:
    """For a few driving frames that show a face: that face, and the real ones that look the same way (Eq. 8)."""
    index, (pose, _, _) = FaceIndex.read(paths["faces"]), read_poses(paths["source_poses"])
    whole = [row for row in rows if (pose.face[row, :, 2] > 0).all()]
    if not len(index) or not whole:
        return []
    picks, out = _spread(np.array(whole), FACES), []
    frames = videos.pick(paths["source_frames"], picks)
    for row in picks:
        points = pose.face[row, :, :2]
        order, similarity = face_vectors.search(index.vectors, face_vectors.vectors(points), min(FACES, len(index)))
        reach = 4 * np.abs(points - points.mean(0)).max()
        crop, corner = sheets.square(frames[row], points.mean(0), reach)
        out.append({
            "frame": int(row), "picture": page.picture(_large(crop, points - corner)),
            "found": [(int(index.frames[i]), float(alike), page.picture(_large(*_face(index, i))))
                      for i, alike in zip(order, similarity)],
        })
    return out


def _large(crop: np.ndarray, points: np.ndarray, side: int = 132) -> np.ndarray:
    """A face in a tile, with its vectors drawn at the tile's size."""
    scale = side / max(crop.shape[:2])
    height, width = crop.shape[:2]
    offset = (side - np.array([width, height]) * scale) / 2
    return sheets.with_vectors(sheets.fit(crop, side), points * scale + offset)


def _face(index: FaceIndex, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop i of the index, and its points in pixels of the crop."""
    crop = index.picture(i)
    left, top, right, _ = index.boxes[i]
    return crop, (index.points[i] - [left, top]) * crop.shape[1] / (right - left)


# ------------------------------------------------------------------------------------------ numbers


def per_frame_curves(path: Path) -> list[str]:
    """Charts of the scores over the frames; none of a score that no frame has."""
    table = pq.read_table(path)
    names = ("psnr", "ssim", "psnr_person_box", "retrieval_psnr_person_box", "tcm")
    columns = {name: np.array(table[name].to_pylist(), float) for name in names}
    charts = (page.curve(name, table["frame"].to_numpy(), values, from_zero=False) for name, values in columns.items())
    return [chart for chart in charts if chart]


def loss_curves(paths: dict[str, Path]) -> dict[str, list[str]]:
    """Charts of every loss that played a part, by what was trained."""
    out = {}
    for name in LEARNED:
        if (log := paths[name] / "log.parquet").exists():
            table = pq.read_table(log)
            steps, losses = table["step"].to_numpy(), {loss: table[loss].to_numpy() for loss in table.column_names[1:]}
            charts = (page.curve(loss, steps, values) for loss, values in losses.items() if np.nansum(np.abs(values)))
            out[name] = [chart for chart in charts if chart]
    return out


def addresses(key: str, entry: "Transfer") -> list[tuple[str, str]]:
    """Stage and key of every stage that had a part in a transfer, in order."""
    keys = {"videos": sorted({entry.target, entry.source}), "subjects": [entry.target], "transfers": [key]}
    return [(stage, name) for stage, kind in layout.KINDS.items() if kind in keys for name in keys[kind]]


def blocks(key: str, entry: "Transfer") -> dict[str, dict]:
    """The parameters of those stages, by `stage@key`."""
    settings = config.load()
    return {f"{stage}@{name}": settings.block(stage, name).model_dump() for stage, name in addresses(key, entry)}


def costs(key: str, entry: "Transfer") -> dict[str, dict]:
    """Seconds and peak memory of those stages, by `stage@key`; without what this machine took from a cache."""
    paths = {f"{stage}@{name}": layout.cost(stage, name) for stage, name in addresses(key, entry)}
    return {address: json.loads(path.read_text()) for address, path in paths.items() if path.exists()}


def versions() -> dict[str, str]:
    return {"fakemotion": __version__, "python": platform.python_version(), "torch": torch.__version__,
            "opencv": cv2.__version__, "numpy": np.__version__}


def files(paths: dict[str, Path]) -> list[tuple[str, int, str]]:
    """Every artifact read: path, bytes, and when it was written (UTC)."""
    out = []
    for path in sorted(set(paths.values())):
        size = sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size
        written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
        out.append((path.as_posix(), size, f"{written:%Y-%m-%d %H:%M:%S}"))
    return out


def _about(folder: Path) -> dict:
    return json.loads(existing(folder / "about.json", "trained weights; run the training stage").read_text())


def _spread(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values, evenly spread."""
    return values[np.unique(np.linspace(0, len(values) - 1, count).round().astype(int))]
