"""The scores of a transfer for the report: names and descriptions, tables, and curves over the frames."""

import json
from dataclasses import dataclass

import numpy as np

from stages.evaluation.metric_names import RETRIEVAL_SCORES, UNITS, VIDEO_SCORES
from stages.media.files import existing
from stages.pose.part_boxes import PART_SIZES
from stages.reporting.report_inputs import ReportInputs

VIDEO_PREFIX = "video_"  # of the names of scores of the final video
LPIPS_TEXT = "perceptual distance; 0 is identical to the truth"
RETRIEVAL_TEXT = "score of the training frame with the nearest pose: what copying would reach"
DESCRIPTIONS = {  # score: name, description
    "lpips_person_box": ("LPIPS, person", f"person's box: {LPIPS_TEXT}"),
    "sharpness": ("Sharpness", "gradient energy inside the person relative to the truth; 1 is equal, lower is blurred, "
                  "higher is noisy"),
    "aligned_psnr_person_box": ("PSNR, person, aligned", "person's box, each block shifted by up to 2 pixels to its "
                                "best match; higher is better"),
    "tcm": ("TCM", "temporal consistency of consecutive frames; 1 is as consistent as the reference"),
    "lpips": ("LPIPS", f"whole frame: {LPIPS_TEXT}"),
    "psnr": ("PSNR", "whole frame; higher is better"),
    "ssim": ("SSIM", "whole frame; 1 is identical to the truth"),
    "psnr_person_box": ("PSNR, person", "person's box; higher is better"),
    "ssim_person_box": ("SSIM, person", "person's box; 1 is identical to the truth"),
    "delivery_lpips": ("LPIPS of the video", "final video against the generated frames, whole frame without the label; "
                       "0 means no loss"),
    "retrieval_lpips_person_box": ("LPIPS of copying, person", RETRIEVAL_TEXT),
    "retrieval_psnr": ("PSNR of copying", RETRIEVAL_TEXT),
    "retrieval_ssim": ("SSIM of copying", RETRIEVAL_TEXT),
    "retrieval_psnr_person_box": ("PSNR of copying, person", RETRIEVAL_TEXT),
    "retrieval_ssim_person_box": ("SSIM of copying, person", RETRIEVAL_TEXT),
    "warp_error": ("Flicker", "error after warping along the optical flow; lower is steadier"),
    "reference_warp_error": ("Flicker of the reference", "the same error of the reference video"),
    "pose_error": ("Pose error", "mean distance of the joints detected in the result from the driving pose, in body "
                   "heights"),
    "pck_05": ("PCK 5 %", "share of joints within 5 % of the body height"),
    "detected": ("Detected", "share of frames in which a person was detected"),
    "identity": ("Identity", "similarity of the generated face to the target's own faces; higher is better"),
    "reference_identity": ("Identity of the target", "similarity of the target's own faces to each other"),
    "fid": ("FID", "distance between the distributions of generated and real frames; lower is better"),
    "is": ("IS", "inception score; higher is better"),
    "pose_distance": ("Pose distance", "from the driving pose to the nearest training pose, in torso lengths"),
} | {f"{score}_{part}": (f"{score.upper()}, {part.replace('_', ' ')}", f"box of the {part.replace('_', ' ')}")
     for score in ("lpips", "psnr", "ssim") for part in PART_SIZES}
DESCRIPTIONS |= {name: (f"{title}, video", text) for name in VIDEO_SCORES
                 for title, text in [DESCRIPTIONS[name.removeprefix(VIDEO_PREFIX)]]}
CURVES = ("lpips_person_box", "sharpness", "aligned_psnr_person_box", "tcm", "lpips", "psnr", "ssim", "psnr_person_box",
          "ssim_person_box", "warp_error", "pose_error", "identity", "pose_distance")
COMPARED_WITH = {  # score: the score that is shown next to it for comparison
    **{score.removeprefix("retrieval_"): score for score in RETRIEVAL_SCORES},
    "warp_error": "reference_warp_error", "identity": "reference_identity",
}
LOWER_IS_BETTER = {"lpips_person_box", "lpips", "warp_error", "pose_error", "pose_distance"}  # among CURVES
RANKING = ("lpips_person_box", "psnr_person_box", "pose_error", "pose_distance")  # the first that has values


@dataclass(frozen=True)
class ScoreCurve:
    """A score over the frames."""

    score: str
    values: np.ndarray           # (T,), NaN where a frame has none
    compared: np.ndarray | None  # (T,) of COMPARED_WITH

    @property
    def for_page(self) -> dict:
        """As page.js reads it: numbers with six digits (it shows three), null where a frame has none."""
        name, description = DESCRIPTIONS[self.score]
        return {
            "score": self.score, "name": name, "description": description, "unit": UNITS.get(self.score, ""),
            "values": rounded(self.values),
            "compared": None if self.compared is None else rounded(self.compared),
            "compared_name": None if self.compared is None else DESCRIPTIONS[COMPARED_WITH[self.score]][0],
        }

    @property
    def badness(self) -> np.ndarray:
        """(T,), higher for worse frames."""
        return self.values if self.score in LOWER_IS_BETTER else -self.values


def curves(inputs: ReportInputs) -> list[ScoreCurve]:
    """The scores of CURVES that at least one frame has."""
    table = inputs.per_frame
    columns = {name: np.array(table[name].to_pylist(), float) for name in table.column_names if name != "box"}
    columns["pose_distance"] = inputs.pose_distance
    known = {score: values for score, values in columns.items() if np.isfinite(values).any()}
    return [ScoreCurve(score, known[score], known.get(COMPARED_WITH.get(score))) for score in CURVES if score in known]


def ranking(curves: list[ScoreCurve]) -> ScoreCurve | None:
    """The curve by which the worst frames are chosen, None if there is no such curve."""
    by_score = {curve.score: curve for curve in curves}
    return next((by_score[score] for score in RANKING if score in by_score), None)


def rounded(values: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def read_metrics(inputs: ReportInputs) -> dict:
    """The content of metrics.json."""
    return json.loads(existing(inputs.paths["metrics"], "scores; run the stage metrics").read_text(encoding="utf-8"))


def tables(scores: dict) -> dict:
    """How the page shows the content of metrics.json.

    `main` and `parts`: the names of the scores with a value, one for each row of two tables. Scores of the final video
    and scores shown for comparison are columns of these rows. `missing`: the names of all other scores, by reason.
    `verdict`: one sentence."""
    missing = {}
    for name, score in scores["metrics"].items():
        if score["value"] is None:
            missing.setdefault(score["reason"], []).append(DESCRIPTIONS[name][0])
    names = [name for name, score in scores["metrics"].items() if score["value"] is not None]
    names = [name for name in names if name not in COMPARED_WITH.values() and not name.startswith(VIDEO_PREFIX)]
    parts = [name for name in names if name not in scores["headline"] and name.split("_", 1)[-1] in PART_SIZES]
    return {"main": [name for name in names if name not in parts], "parts": parts, "missing": missing,
            "verdict": verdict(scores)}


def verdict(scores: dict) -> str:
    """One sentence: LPIPS or PSNR of the person, its sharpness, and what copying would reach."""
    values = {name: score["value"] for name, score in scores["metrics"].items()}
    for name, unit, digits in (("lpips_person_box", "LPIPS", 3), ("psnr_person_box", "dB PSNR", 1)):
        value, copying = values.get(name), values.get(COMPARED_WITH[name])
        if value is not None:
            text = f"{value:.{digits}f} {unit} in the person's box"
            sharpness = (f", {values['sharpness']:.0%} of the truth's sharpness"
                         if values.get("sharpness") is not None else "")
            reached = (f"; copying the nearest training frame reaches {copying:.{digits}f} {unit}"
                       if copying is not None else "")
            return f"{text}{sharpness}{reached}."
    return "There is no true video of this motion to compare with."
