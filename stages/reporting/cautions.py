"""What a reader should know before they believe the result, and which of its frames are concerned."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.media import parquet
from stages.media.files import existing
from stages.pose.skeleton import Pose
from stages.reporting import score_tables
from stages.reporting.report_inputs import ReportInputs
from stages.reporting.spans import longest, spans

RARE = 0.02       # share of the training frames that show a part: less is hardly anything to learn from
BARE = 0.002      # share of the square's pixels that show background that nobody has seen
OUTSIDE = 0.01    # share of the driving joints outside of the target's square
LOST = {  # score: by how much the video may differ from what was generated. From there on it can be seen: a tenth of
    # the LPIPS of a good result, half the sharpness that a bicubic resampling takes, a quarter more squared error
    "lpips_person_box": 0.01, "lpips": 0.01, "sharpness": 0.05, "aligned_psnr_person_box": 1.0, "psnr": 1.0,
}
PART_LABELS = {"left_hand": "left hand", "right_hand": "right hand", "feet": "feet", "face": "face"}


@dataclass(frozen=True)
class Caution:
    title: str
    text: str
    frames: np.ndarray  # of the result, rising; empty where all of it, or none, is concerned

    @property
    def every(self) -> list[tuple[int, int]]:
        """The frames as spans, first and last."""
        return spans(self.frames)

    @property
    def named(self) -> list[tuple[int, int]]:
        """The longest of them."""
        return longest(self.every)


NONE = np.zeros(0, int)


def cautions(inputs: ReportInputs, bare: np.ndarray) -> list[Caution]:
    """All of a transfer. bare: (T,) share of the square's pixels that show background nobody has seen."""
    out = [*_lost(inputs), *_far(inputs), *_unseen_parts(inputs), *_unseen_background(bare)]
    for who, name in inputs.people().items():
        out += _footage(inputs, who, name)
    faces, about = parquet.read(inputs.paths["faces"], parquet.FACES)
    if not len(faces["frame"]):
        out.append(Caution("No face enhancement", "No face stands in the index of training faces: "
                           f"{about.get('reason') or 'none is visible'}.", NONE))
    if inputs.about.get("outside", 0) > OUTSIDE:
        side = inputs.clock("target").about["size"]
        body = inputs.driving.body
        beyond = ((body[..., :2] < 0) | (body[..., :2] > side)).any(-1) & (body[..., 2] > 0)
        out.append(Caution("Out of the picture", f"{inputs.about['outside']:.1%} of the driving joints fall outside of "
                           "the target's square.", np.flatnonzero(beyond.any(1))))
    if about_of(inputs, "generator").get("features") == "random":
        out.append(Caution("Random features", "The generator was trained with random, not with pre-trained, VGG "
                           "features.", NONE))
    return out


def about_of(inputs: ReportInputs, name: str) -> dict:
    """What trained weights say of themselves."""
    path = inputs.paths[name] / "about.json"
    return json.loads(existing(path, "trained weights; run the training stage").read_text(encoding="utf-8"))


def _lost(inputs: ReportInputs) -> list[Caution]:
    """Where what people get is another picture than the one that the scores praise."""
    told = "; ".join(_differences(score_tables.read(inputs)["metrics"]))
    text = f"Watermark, compression or resizing changed it: {told}. The label is left out."
    return [Caution("The video differs from what was generated", text, NONE)] if told else []


def _differences(metrics: dict[str, dict]) -> Iterator[str]:
    for name, most in LOST.items():
        own, shown = (metrics[key]["value"] for key in (name, f"video_{name}"))
        if own is not None and shown is not None and abs(shown - own) > most:
            unit = f" {metrics[name]['unit']}" if metrics[name]["unit"] else ""
            yield f"{score_tables.WORDS[name][0]} {own:.3g}{unit} generated, {shown:.3g}{unit} in the video"
    change = metrics["delivery_lpips"]["value"]
    if change is not None and change > LOST["lpips"]:
        yield f"LPIPS between both {change:.3g}"


def _far(inputs: ReportInputs) -> list[Caution]:
    far = np.flatnonzero(inputs.apart > inputs.near)
    if not len(far):
        return []
    worst = np.nanmax(inputs.apart)
    return [Caution("Poses far from training", f"In {len(far)} of {len(inputs.apart)} frames the joints lie more than "
                    f"{inputs.near:g} torso lengths from every training pose of {inputs.entry.target}, at worst {worst:.2f}. "
                    "There the generator guesses.", far)]


def _unseen_parts(inputs: ReportInputs) -> list[Caution]:
    out = []
    for part, name in PART_LABELS.items():
        driven, shown = np.flatnonzero(known(inputs.driving, part)), int(known(inputs.known, part).sum())
        if len(driven) and shown < max(1, RARE * len(inputs.known)):
            seldom = f"only seen in {shown}" if shown else "never seen in any"
            verb = "are" if part == "feet" else "is"
            title = f"{name.capitalize()} {'hardly' if shown else 'never'} seen"
            out.append(Caution(title, f"{inputs.entry.target}'s {name} {verb} {seldom} of the {len(inputs.known)} "
                               f"training frames, but the motion shows {'them' if verb == 'are' else 'it'}.", driven))
    return out


def known(pose: Pose, part: str) -> np.ndarray:
    """(T,) whether at least half of the part's points are known."""
    return (getattr(pose, part)[..., 2] > 0).mean(-1) >= 0.5


def _unseen_background(bare: np.ndarray) -> list[Caution]:
    frames = np.flatnonzero(bare > BARE)
    if not len(frames):
        return []
    return [Caution("Background never seen", f"In {len(frames)} of {len(bare)} frames some background is visible that "
                    f"no frame has shown; it was filled in. At most {bare.max():.1%} of the picture.", frames)]


def _footage(inputs: ReportInputs, who: str, name: str) -> list[Caution]:
    """Of one of the videos."""
    _, columns, _ = inputs.poses(who)
    about, total, out = inputs.clock(who).about, len(columns["frame"]), []
    drives = who == "source" or inputs.entry.reconstruction

    def concerned(mask: np.ndarray) -> np.ndarray:
        return np.flatnonzero(mask[inputs.rows]) if drives else NONE

    crowd, lost = columns["people"] > 1, ~columns["detected"]
    if crowd.any() or about.get("people", 1) > 1:
        out.append(Caution("Several people", f"{name}'s video: {crowd.sum()} of {total} frames show more than one "
                           "person in the square; the larger and steadier one was taken.", concerned(crowd)))
    if lost.any():
        filled = int((lost & columns["interpolated"]).sum())
        out.append(Caution("Nobody found", f"{name}'s video: no person found in {lost.sum()} of {total} frames, "
                           f"{filled} of them interpolated.", concerned(lost)))
    if about.get("split_reason"):
        out.append(Caution("Nothing held out", f"{name}'s video: {about['split_reason']}.", NONE))
    for file, damage in about.get("damaged", {}).items():
        out.append(Caution("Damaged file", f"{name}'s video: {file} is damaged; {damage['decoded']} frames could be "
                           "decoded.", NONE))
    return out
