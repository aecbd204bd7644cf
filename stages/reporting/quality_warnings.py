"""Warnings: properties of the videos and of the result that limit its quality, and the frames that they concern."""

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

RARE_PART = 0.02           # share of the training frames that show a part, below which it cannot be learned well
UNSEEN_BACKGROUND = 0.002  # share of the square's pixels that show background which no frame has shown
OUTSIDE_JOINTS = 0.01      # share of the driving joints outside of the target's square
DELIVERY_LOSS = {  # score: smallest visible difference between video and generated frames: a tenth of the LPIPS of
    # a good result, half of the sharpness that bicubic resampling costs, 25 % more squared error
    "lpips_person_box": 0.01, "lpips": 0.01, "sharpness": 0.05, "aligned_psnr_person_box": 1.0, "psnr": 1.0,
}
PART_LABELS = {"left_hand": "left hand", "right_hand": "right hand", "feet": "feet", "face": "face"}
NO_FRAMES = np.zeros(0, int)


@dataclass(frozen=True)
class QualityWarning:
    title: str
    text: str
    frames: np.ndarray  # frames of the result that the warning is about, ascending; empty: the whole result

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The frames as spans, first and last."""
        return spans(self.frames)

    @property
    def longest_spans(self) -> list[tuple[int, int]]:
        """The spans that the page lists."""
        return longest(self.spans)


def quality_warnings(inputs: ReportInputs, unseen_background: np.ndarray) -> list[QualityWarning]:
    """All warnings of a transfer. unseen_background: (T,) share of the square's pixels that show background which no
    frame has shown."""
    out = [*_delivery_loss(inputs), *_far_poses(inputs), *_unseen_parts(inputs), *_unseen_background(unseen_background)]
    for role, name in inputs.people().items():
        out += _video(inputs, role, name)
    faces, about = parquet.read(inputs.paths["faces"], parquet.FACES)
    if not len(faces["frame"]):
        out.append(QualityWarning(
            "No face enhancement", "The index of training faces is empty: "
            f"{about.get('reason') or 'none is visible'}.", NO_FRAMES))
    if inputs.about.get("outside", 0) > OUTSIDE_JOINTS:
        side = inputs.timeline("target").about["size"]
        body = inputs.driving.body
        outside = ((body[..., :2] < 0) | (body[..., :2] > side)).any(-1) & (body[..., 2] > 0)
        out.append(QualityWarning(
            "Out of the picture", f"{inputs.about['outside']:.1%} of the driving joints are outside of "
            "the target's square.", np.flatnonzero(outside.any(1))))
    about = about_of(inputs, "generator")
    if about.get("features") == "random":
        out.append(QualityWarning(
            "Random features", "The generator was trained with random VGG features, not with "
            "pre-trained ones.", NO_FRAMES))
    return [*out, *_terms_without_effect(about)]


def about_of(inputs: ReportInputs, name: str) -> dict:
    """The about.json of trained weights: `generator` or `local_gans`."""
    path = inputs.paths[name] / "about.json"
    return json.loads(existing(path, "trained weights; run the training stage").read_text(encoding="utf-8"))


def _terms_without_effect(about: dict) -> list[QualityWarning]:
    """Warnings about terms of the generator's loss that had no effect, or were left out in some steps."""
    out = []
    if found := about.get("discriminators_guessing"):
        names = " and ".join({"spatial": "D_q", "temporal": "D_t"}[name] for name in found)
        out.append(QualityWarning(
            "Discriminators without effect", "At the end of the training, the loss of the "
            f"generator's {names} is that of guessing.", NO_FRAMES))
    if skipped := about.get("gw_skipped"):
        out.append(QualityWarning(
            "Gromov-Wasserstein left out", f"In {skipped} training steps the solver found no transport "
            "plan, and the term was left out; use a larger gw_epsilon.", NO_FRAMES))
    return out


def _delivery_loss(inputs: ReportInputs) -> list[QualityWarning]:
    """A warning if the final video is visibly different from the generated frames."""
    found = "; ".join(_differences(score_tables.read_metrics(inputs)["metrics"]))
    text = f"Watermark, compression or resizing changed the frames: {found}. The label is left out."
    return [QualityWarning("The video differs from what was generated", text, NO_FRAMES)] if found else []


def _differences(metrics: dict[str, dict]) -> Iterator[str]:
    for name, most in DELIVERY_LOSS.items():
        generated, video = (metrics[key]["value"] for key in (name, f"video_{name}"))
        if generated is not None and video is not None and abs(video - generated) > most:
            unit = f" {metrics[name]['unit']}" if metrics[name]["unit"] else ""
            title = score_tables.DESCRIPTIONS[name][0]
            yield f"{title} {generated:.3g}{unit} generated, {video:.3g}{unit} in the video"
    distance = metrics["delivery_lpips"]["value"]
    if distance is not None and distance > DELIVERY_LOSS["lpips"]:
        yield f"LPIPS between both {distance:.3g}"


def _far_poses(inputs: ReportInputs) -> list[QualityWarning]:
    far = np.flatnonzero(inputs.pose_distance > inputs.covered_distance)
    if not len(far):
        return []
    worst = np.nanmax(inputs.pose_distance)
    return [QualityWarning(
        "Poses far from training", f"In {len(far)} of {len(inputs.pose_distance)} frames the joints are on "
        f"average more than {inputs.covered_distance:g} torso lengths from those of the nearest training "
        f"pose of {inputs.entry.target} (at most {worst:.2f}). The generator has seen no similar "
        "pose.", far)]


def _unseen_parts(inputs: ReportInputs) -> list[QualityWarning]:
    out = []
    for part, name in PART_LABELS.items():
        driven, shown = np.flatnonzero(known(inputs.driving, part)), int(known(inputs.training_poses, part).sum())
        if len(driven) and shown < max(1, RARE_PART * len(inputs.training_poses)):
            seldom = f"only seen in {shown}" if shown else "never seen in any"
            verb = "are" if part == "feet" else "is"
            title = f"{name.capitalize()} {'hardly' if shown else 'never'} seen"
            out.append(QualityWarning(title, f"{inputs.entry.target}'s {name} {verb} {seldom} of the "
                               f"{len(inputs.training_poses)} training frames, but the motion shows "
                               f"{'them' if verb == 'are' else 'it'}.", driven))
    return out


def known(pose: Pose, part: str) -> np.ndarray:
    """(T,) bool: whether at least half of the part's points are known."""
    return (getattr(pose, part)[..., 2] > 0).mean(-1) >= 0.5


def _unseen_background(unseen: np.ndarray) -> list[QualityWarning]:
    frames = np.flatnonzero(unseen > UNSEEN_BACKGROUND)
    if not len(frames):
        return []
    return [QualityWarning(
        "Background never seen", f"In {len(frames)} of {len(unseen)} frames a part of the background is "
        f"visible that no frame has shown; it was inpainted. At most {unseen.max():.1%} of the "
        "picture.", frames)]


def _video(inputs: ReportInputs, role: str, name: str) -> list[QualityWarning]:
    """The warnings about one of the videos."""
    _, columns, _ = inputs.poses(role)
    about, total, out = inputs.timeline(role).about, len(columns["frame"]), []
    drives = role == "source" or inputs.entry.reconstruction

    def concerned(mask: np.ndarray) -> np.ndarray:
        """Frames of the result, given a mask of the video's frames."""
        return np.flatnonzero(mask[inputs.source_frames]) if drives else NO_FRAMES

    several, lost = columns["people"] > 1, ~columns["detected"]
    if several.any() or about.get("people", 1) > 1:
        out.append(QualityWarning(
            "Several people", f"{name}'s video: {several.sum()} of {total} frames show more than one "
            "person in the square; the larger and more persistent one was chosen.", concerned(several)))
    if lost.any():
        filled = int((lost & columns["interpolated"]).sum())
        out.append(QualityWarning(
            "No person detected", f"{name}'s video: no person found in {lost.sum()} of {total} frames, "
            f"{filled} of them interpolated.", concerned(lost)))
    if about.get("split_reason"):
        out.append(QualityWarning("Nothing held out", f"{name}'s video: {about['split_reason']}.", NO_FRAMES))
    for file, damage in about.get("damaged", {}).items():
        out.append(QualityWarning(
            "Damaged file", f"{name}'s video: {file} is damaged; {damage['decoded']} frames could be "
            "decoded.", NO_FRAMES))
    return out
