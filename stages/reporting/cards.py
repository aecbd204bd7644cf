"""One card of the report for each stage: what it does, its results, pictures, losses, parameters and costs."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stages import layout, params
from stages.face.face_index import FaceIndex
from stages.media import png
from stages.reporting import figures, html_page
from stages.reporting.comparison_video import unseen_pixels
from stages.reporting.quality_warnings import about_of, known
from stages.reporting.report_inputs import ReportInputs

TEXTS = {  # stage: title, what it does
    "frames": ("Frames", "Crops a square around the person and compensates for camera motion."),
    "pose_extraction": ("Poses", "Finds body, hands, feet and face in every frame."),
    "mask_segmentation": ("Masks", "Separates the person from the background."),
    "background_inpainting": ("Background", "Reconstructs the background without the person."),
    "face_vector_indexing": ("Faces", "Indexes the training faces by orientation; the map is further down."),
    "generator_training": ("Generator", "Learns to draw the person in any pose."),
    "local_gan_training": ("Local GANs", "Learn to refine face, hands and feet."),
    "retargeting": ("Retargeting", "Moves and scales the source's poses to the target's body."),
    "pose_coverage": ("Pose coverage", "Measures how much of the motion is near the target's training poses."),
    "fusion": ("Fusion", "Generates the person in each pose and composites it over the background."),
    "signing": ("Signing", "Adds a signed record to the file: that it is AI-generated, and from what."),
    "metrics": ("Metrics", "Compares the result with the truth; the scores are further up."),
}
TRAINED = {"generator_training": "generator", "local_gan_training": "local_gans"}


@dataclass(frozen=True)
class StageCard:
    stage: str
    title: str
    text: str
    facts: list[tuple[str, str]]     # name, value
    pictures: list[tuple[str, str]]  # caption, data URL
    charts: list[str]                # of losses, SVG
    about: dict                      # about.json of trained weights
    blocks: dict[str, dict]          # parameters by address
    costs: dict[str, dict]           # seconds and peak_gib by address, of stages that ran on this machine


def cards(inputs: ReportInputs, count: int) -> list[StageCard]:
    """The cards in the order of the pipeline. count: columns of a contact sheet."""
    settings, out = params.load(), []
    for stage, (title, text) in TEXTS.items():
        addresses = {f"{stage}@{key}": key for key in keys(stage, inputs)}
        paths = {address: layout.cost(stage, key) for address, key in addresses.items()}
        trained = TRAINED.get(stage)
        out.append(StageCard(
            stage, title, text, facts=FACTS[stage](inputs) if stage in FACTS else [],
            pictures=[(caption, html_page.jpeg_url(picture)) for caption, picture in _pictures(stage, inputs, count)],
            charts=losses(inputs.paths[trained] / "log.parquet") if trained else [],
            about=about_of(inputs, trained) if trained else {},
            blocks={address: settings.block(stage, key).model_dump() for address, key in addresses.items()},
            costs={address: json.loads(path.read_text(encoding="utf-8"))
                   for address, path in paths.items() if path.exists()},
        ))
    return out


def keys(stage: str, inputs: ReportInputs) -> list[str]:
    """The videos, the subject or the transfer that the stage ran for."""
    entry = inputs.entry
    return {"videos": sorted({entry.target, entry.source}), "subjects": [entry.target],
            "transfers": [inputs.key]}[layout.KINDS[stage]]


def _pictures(stage: str, inputs: ReportInputs, count: int) -> figures.Figures:
    """The figures of a stage, of each video that it ran for."""
    of_video = layout.KINDS[stage] == "videos"
    for role, name in inputs.people().items() if of_video else [("target", "")]:
        own = {file: inputs.paths[f"{role}_{file}"] for file in ("frames", "timeline", "poses")}
        for caption, picture in figures.stage_figures(stage, inputs.paths | own, count):
            yield f"{caption} of {name}" if of_video else caption, picture


def losses(log: Path) -> list[str]:
    """SVG charts of all losses that are not zero throughout; none if there is no log."""
    if not log.exists():
        return []
    table = pq.read_table(log)
    steps, columns = table["step"].to_numpy(), {name: table[name].to_numpy() for name in table.column_names[1:]}
    charts = (html_page.line_chart(name, steps, values) for name, values in columns.items()
              if np.nansum(np.abs(values)))
    return [chart for chart in charts if chart]


def _frames(inputs: ReportInputs) -> list[tuple[str, str]]:
    out = []
    for role, name in inputs.people().items():
        timeline = inputs.timeline(role)
        total, fps, size = len(timeline.frame), timeline.about["fps"], timeline.about["size"]
        out.append((name, f"{total} frames, {total / fps:.1f} s at {fps:g} fps, {size} x {size}"))
        if role == "target" and timeline.is_split():
            training, test = len(timeline.training_frames()), (timeline.split == "test").sum()
            out.append(("split", f"{training} for training, {test} held out"))
    return out


def _poses(inputs: ReportInputs) -> list[tuple[str, str]]:
    out = []
    for role, name in inputs.people().items():
        pose, columns, about = inputs.poses(role)
        hands = (known(pose, "left_hand").mean() + known(pose, "right_hand").mean()) / 2
        by = f" by {about['estimator']}" if "estimator" in about else ""
        out.append((name, f"found in {columns['detected'].mean():.0%} of the frames{by}; "
                    f"hands in {hands:.0%}, face in {known(pose, 'face').mean():.0%}"))
    return out


def _background(inputs: ReportInputs) -> list[tuple[str, str]]:
    return [("never seen", f"{unseen_pixels(inputs.paths['seen']).mean():.1%} of the square, inpainted")]


def _faces(inputs: ReportInputs) -> list[tuple[str, str]]:
    return [("index", f"{len(FaceIndex.read(inputs.paths['faces']))} training faces")]


def _generator(inputs: ReportInputs) -> list[tuple[str, str]]:
    about = about_of(inputs, "generator")
    return [("training", f"{about['steps']} steps on {len(inputs.training_frames)} frames")]


def _local_gans(inputs: ReportInputs) -> list[tuple[str, str]]:
    about = about_of(inputs, "local_gans")
    off = [part.replace("_", " ") for part in about.get("off", [])]
    return [("training", f"{about['steps']} steps"),
            *([("switched off, because they gained nothing", ", ".join(off))] if off else [])]


def _retargeting(inputs: ReportInputs) -> list[tuple[str, str]]:
    if inputs.entry.reconstruction:
        return [("poses", f"{len(inputs.source_frames)} held-out ones, unchanged")]
    return [("poses", f"{len(inputs.source_frames)}"), ("scale", f"{inputs.about['scale']:.3f}")]


def _coverage(inputs: ReportInputs) -> list[tuple[str, str]]:
    return [("covered", f"{inputs.covered_share:.0%} of the poses are within {inputs.covered_distance:g} torso lengths "
             "of a training pose"),
            ("median distance", f"{np.nanmedian(inputs.pose_distance):.2f} torso lengths")]


def _fusion(inputs: ReportInputs) -> list[tuple[str, str]]:
    plate = png.read(inputs.paths["background"])
    return [("result", f"{len(inputs.source_frames)} frames of {plate.shape[1]} x {plate.shape[0]}, inserted into the "
             "full frame")]


FACTS = {
    "frames": _frames, "pose_extraction": _poses, "background_inpainting": _background, "face_vector_indexing": _faces,
    "generator_training": _generator, "local_gan_training": _local_gans, "retargeting": _retargeting,
    "pose_coverage": _coverage, "fusion": _fusion,
}
