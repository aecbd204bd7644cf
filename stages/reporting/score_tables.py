"""The scores of a transfer in words: as a table, and frame by frame as curves that a page draws."""

import json
from dataclasses import dataclass

import numpy as np

from stages.evaluation.metric_names import COPIED, UNITS, VIDEO
from stages.media.files import existing
from stages.pose.part_boxes import PART_SIZES
from stages.reporting.report_inputs import Inputs

SHOWN = "video_"  # before the names of scores of what the video shows
SEEN = "distance that people see; 0 is the truth"
COPYING = "what the training frame whose pose is nearest reaches"
WORDS = {  # score: what it is called, what it says
    "lpips_person_box": ("LPIPS, person", f"in the person's box: {SEEN}"),
    "sharpness": ("Sharpness", "gradient energy inside the person, share of the truth's; 1 is right, less blur, more noise"),
    "aligned_psnr_person_box": ("PSNR, person, aligned", "in the person's box, each block shifted by up to 2 pixels to "
                                "where it fits best; higher is closer to the truth"),
    "tcm": ("TCM", "temporal consistency of a frame and the next; 1 is the reference's"),
    "lpips": ("LPIPS", f"whole frame: {SEEN}"),
    "psnr": ("PSNR", "whole frame; higher is closer to the truth"),
    "ssim": ("SSIM", "whole frame; 1 is the truth"),
    "psnr_person_box": ("PSNR, person", "in the person's box; higher is closer to the truth"),
    "ssim_person_box": ("SSIM, person", "in the person's box; 1 is the truth"),
    "delivery_lpips": ("LPIPS of the video", "of its pictures to what was generated, whole frame, without the label; 0 "
                       "is nothing lost"),
    "retrieval_lpips_person_box": ("LPIPS of copying, person", COPYING),
    "retrieval_psnr": ("PSNR of copying", COPYING),
    "retrieval_ssim": ("SSIM of copying", COPYING),
    "retrieval_psnr_person_box": ("PSNR of copying, person", COPYING),
    "retrieval_ssim_person_box": ("SSIM of copying, person", COPYING),
    "warp_error": ("Flicker", "error after warping along the flow; 0 is steady"),
    "reference_warp_error": ("Flicker of the reference", "the same of the real frames"),
    "pose_error": ("Pose error", "joints found in the result, off the pose that drove it, in person's heights"),
    "pck_05": ("PCK 5 %", "share of the joints within 5 % of the person's height"),
    "detected": ("Found", "share of the frames in which a person was found"),
    "identity": ("Identity", "likeness of the face and the target's own faces"),
    "reference_identity": ("Identity of the target", "likeness of the target's own faces among each other"),
    "fid": ("FID", "distance of the distributions of frames; 0 is the same"),
    "is": ("IS", "inception score"),
    "pose_distance": ("Pose distance", "of the driving pose to the nearest training pose, in torso lengths"),
} | {f"{score}_{part}": (f"{score.upper()}, {part.replace('_', ' ')}", f"in the box of the {part.replace('_', ' ')}")
     for score in ("lpips", "psnr", "ssim") for part in PART_SIZES}
WORDS |= {name: (f"{WORDS[name.removeprefix(SHOWN)][0]}, video", WORDS[name.removeprefix(SHOWN)][1]) for name in VIDEO}
CURVES = ("lpips_person_box", "sharpness", "aligned_psnr_person_box", "tcm", "lpips", "psnr", "ssim", "psnr_person_box",
          "ssim_person_box", "warp_error", "pose_error", "identity", "pose_distance")
BESIDE = {  # score: what stands beside it
    **{score.removeprefix("retrieval_"): score for score in COPIED},
    "warp_error": "reference_warp_error", "identity": "reference_identity",
}
LOWER = {"lpips_person_box", "lpips", "warp_error", "pose_error", "pose_distance"}  # of CURVES: less is better
RANKING = ("lpips_person_box", "psnr_person_box", "pose_error", "pose_distance")  # the first that has values says which
                                                                                 # frames are worst


@dataclass(frozen=True)
class Curve:
    score: str
    values: np.ndarray         # (T,), NaN where there is nothing to measure
    beside: np.ndarray | None  # (T,)

    @property
    def told(self) -> dict:
        """For the page: finite numbers of four digits, null where there is none."""
        name, says = WORDS[self.score]
        return {
            "score": self.score, "name": name, "says": says, "unit": UNITS.get(self.score, ""),
            "values": rounded(self.values),
            "beside": None if self.beside is None else rounded(self.beside),
            "beside_name": None if self.beside is None else WORDS[BESIDE[self.score]][0],
        }

    @property
    def badness(self) -> np.ndarray:
        return self.values if self.score in LOWER else -self.values


def curves(inputs: Inputs) -> list[Curve]:
    """Those that at least one frame has."""
    table = inputs.per_frame
    columns = {name: np.array(table[name].to_pylist(), float) for name in table.column_names if name != "box"}
    columns["pose_distance"] = inputs.apart
    found = {score: values for score, values in columns.items() if np.isfinite(values).any()}
    return [Curve(score, found[score], found.get(BESIDE.get(score))) for score in CURVES if score in found]


def ranking(found: list[Curve]) -> Curve | None:
    """The curve that says best which frames are worst."""
    by_score = {curve.score: curve for curve in found}
    return next((by_score[score] for score in RANKING if score in by_score), None)


def rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def read(inputs: Inputs) -> dict:
    """metrics.json."""
    return json.loads(existing(inputs.paths["metrics"], "the metrics; run their stage").read_text(encoding="utf-8"))


def table(scores: dict) -> dict:
    """`main` and `parts`: the names of the scores that have a value, to stand in two tables, those of the video and
    what copying reaches beside their own; `missing`: what the others are called, by the reason; `verdict`."""
    missing = {}
    for name, score in scores["metrics"].items():
        if score["value"] is None:
            missing.setdefault(score["reason"], []).append(WORDS[name][0])
    names = [name for name, score in scores["metrics"].items() if score["value"] is not None]
    names = [name for name in names if name not in BESIDE.values()]
    own = [name for name in names if not name.startswith(SHOWN)]
    parts = [name for name in own if name not in scores["headline"] and name.split("_", 1)[-1] in PART_SIZES]
    return {"main": [name for name in own if name not in parts], "parts": parts, "missing": missing,
            "verdict": verdict(scores)}


def verdict(scores: dict) -> str:
    """The most telling line about them."""
    values = {name: score["value"] for name, score in scores["metrics"].items()}
    for name, what, digits in (("lpips_person_box", "LPIPS", 3), ("psnr_person_box", "dB PSNR", 1)):
        own, copy = values.get(name), values.get(BESIDE[name])
        if own is not None:
            text = f"{own:.{digits}f} {what} where the person is"
            sharp = f", {values['sharpness']:.0%} of the truth's sharpness" if values.get("sharpness") is not None else ""
            reached = f"; copying the nearest training frame reaches {copy:.{digits}f} {what}" if copy is not None else ""
            return f"{text}{sharp}{reached}."
    return "There is no true video of this to measure against."
