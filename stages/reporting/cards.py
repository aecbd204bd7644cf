"""The stages that had a part in a transfer: what each does, what it found, took and was told to do."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stages import layout, params
from stages.face.face_index import FaceIndex
from stages.media import png
from stages.reporting import figures, html_page
from stages.reporting.cautions import about_of, known
from stages.reporting.reel import hidden
from stages.reporting.report_inputs import Inputs

TEXTS = {  # stage: title, what it does
    "frames": ("Frames", "The square around the one person who is followed, from a camera made still."),
    "pose_extraction": ("Poses", "Body, hands, feet and face in every frame."),
    "mask_segmentation": ("Masks", "Which pixels are the person."),
    "background_inpainting": ("Background", "The room without the person."),
    "face_vector_indexing": ("Faces", "Every training face, filed by where it looks; the map is further down."),
    "generator_training": ("Generator", "Learns to draw the person in any pose."),
    "local_gan_training": ("Local GANs", "Refine face, hands and feet."),
    "retargeting": ("Retargeting", "The motion, moved and scaled onto the target's body."),
    "pose_coverage": ("Pose coverage", "How much of the motion the target was filmed in: known before anything is trained."),
    "fusion": ("Fusion", "Draws the person pose by pose and lays them over the background."),
    "signing": ("Signing", "Says in the file that it is AI-generated, and from what; signed."),
    "metrics": ("Metrics", "How close the result comes to the truth; the scores are further up."),
}
TRAINED = {"generator_training": "generator", "local_gan_training": "local_gans"}


@dataclass(frozen=True)
class Card:
    stage: str
    title: str
    text: str
    facts: list[tuple[str, str]]
    pictures: list[tuple[str, str]]  # what it shows, address
    charts: list[str]                # SVG
    about: dict                      # what trained weights say of themselves
    blocks: dict[str, dict]          # parameters by address
    costs: dict[str, dict]           # seconds and peak_gib by address, of those that ran on this machine


def cards(inputs: Inputs, count: int) -> list[Card]:
    """In order. count: columns of a contact sheet."""
    settings, out = params.load(), []
    for stage, (title, text) in TEXTS.items():
        addresses = {f"{stage}@{key}": key for key in keys(stage, inputs)}
        paths = {address: layout.cost(stage, key) for address, key in addresses.items()}
        trained = TRAINED.get(stage)
        out.append(Card(
            stage, title, text, facts=FACTS[stage](inputs) if stage in FACTS else [],
            pictures=[(shown, html_page.picture(picture)) for shown, picture in _exhibits(stage, inputs, count)],
            charts=losses(inputs.paths[trained] / "log.parquet") if trained else [],
            about=about_of(inputs, trained) if trained else {},
            blocks={address: settings.block(stage, key).model_dump() for address, key in addresses.items()},
            costs={address: json.loads(path.read_text(encoding="utf-8"))
                   for address, path in paths.items() if path.exists()},
        ))
    return out


def keys(stage: str, inputs: Inputs) -> list[str]:
    """The videos, the subject or the transfer that the stage ran over."""
    entry = inputs.entry
    return {"videos": sorted({entry.target, entry.source}), "subjects": [entry.target],
            "transfers": [inputs.key]}[layout.KINDS[stage]]


def _exhibits(stage: str, inputs: Inputs, count: int) -> figures.Exhibits:
    """Of everybody in whose video the stage looked."""
    videos = layout.KINDS[stage] == "videos"
    for who, name in inputs.people().items() if videos else [("target", "")]:
        own = {file: inputs.paths[f"{who}_{file}"] for file in ("frames", "clock", "poses")}
        for shown, picture in figures.exhibits(stage, inputs.paths | own, count):
            yield f"{shown} of {name}" if videos else shown, picture


def losses(log: Path) -> list[str]:
    """Charts of every loss that played a part; none where there is no log."""
    if not log.exists():
        return []
    table = pq.read_table(log)
    steps, columns = table["step"].to_numpy(), {name: table[name].to_numpy() for name in table.column_names[1:]}
    charts = (html_page.curve(name, steps, values) for name, values in columns.items() if np.nansum(np.abs(values)))
    return [chart for chart in charts if chart]


def _frames(inputs: Inputs) -> list[tuple[str, str]]:
    out = []
    for who, name in inputs.people().items():
        clock = inputs.clock(who)
        total, fps, size = len(clock.frame), clock.about["fps"], clock.about["size"]
        out.append((name, f"{total} frames, {total / fps:.1f} s at {fps:g} a second, {size} x {size}"))
        if who == "target" and clock.is_split():
            training, test = len(clock.training_frames()), (clock.split == "test").sum()
            out.append(("split", f"{training} to learn from, {test} held out"))
    return out


def _poses(inputs: Inputs) -> list[tuple[str, str]]:
    out = []
    for who, name in inputs.people().items():
        pose, columns, about = inputs.poses(who)
        hands = (known(pose, "left_hand").mean() + known(pose, "right_hand").mean()) / 2
        by = f" by {about['estimator']}" if "estimator" in about else ""
        out.append((name, f"found in {columns['detected'].mean():.0%} of the frames{by}; "
                    f"a hand in {hands:.0%}, the face in {known(pose, 'face').mean():.0%}"))
    return out


def _background(inputs: Inputs) -> list[tuple[str, str]]:
    return [("never seen", f"{hidden(inputs.paths['seen']).mean():.1%} of the square, filled in")]


def _faces(inputs: Inputs) -> list[tuple[str, str]]:
    return [("index", f"{len(FaceIndex.read(inputs.paths['faces']))} training faces")]


def _generator(inputs: Inputs) -> list[tuple[str, str]]:
    about = about_of(inputs, "generator")
    return [("trained", f"{about['steps']} steps on {len(inputs.learned)} frames")]


def _local_gans(inputs: Inputs) -> list[tuple[str, str]]:
    about = about_of(inputs, "local_gans")
    off = [part.replace("_", " ") for part in about.get("off", [])]
    return [("trained", f"{about['steps']} steps"), *([("off, as they gained nothing", ", ".join(off))] if off else [])]


def _retargeting(inputs: Inputs) -> list[tuple[str, str]]:
    if inputs.entry.reconstruction:
        return [("poses", f"{len(inputs.rows)}, the held-out ones as they are")]
    return [("poses", f"{len(inputs.rows)}"), ("scale", f"{inputs.about['scale']:.3f}")]


def _coverage(inputs: Inputs) -> list[tuple[str, str]]:
    return [("filmed", f"{inputs.share:.0%} of the poses are within {inputs.near:g} torso lengths of one"),
            ("median distance", f"{np.nanmedian(inputs.apart):.2f} torso lengths")]


def _fusion(inputs: Inputs) -> list[tuple[str, str]]:
    plate = png.read(inputs.paths["background"])
    return [("result", f"{len(inputs.rows)} frames of {plate.shape[1]} x {plate.shape[0]}, placed in the full frame")]


FACTS = {
    "frames": _frames, "pose_extraction": _poses, "background_inpainting": _background, "face_vector_indexing": _faces,
    "generator_training": _generator, "local_gan_training": _local_gans, "retargeting": _retargeting,
    "pose_coverage": _coverage, "fusion": _fusion,
}
