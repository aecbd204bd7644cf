import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.evaluation.metric_names import FRAME_SCORES, HEADLINE_SCORES
from stages.reporting import score_tables
from tests.stages.reporting import made


def test_every_score_has_words():
    assert set(FRAME_SCORES) <= set(score_tables.WORDS) and set(score_tables.CURVES) <= set(score_tables.WORDS)
    assert set(score_tables.BESIDE.values()) <= set(score_tables.WORDS)


def test_curves_are_the_scores_of_the_frames_and_the_poses_distance(folder):
    inputs = made.inputs(folder, "ann_from_bob")
    table = pq.read_table(inputs.paths["per_frame"])
    found = {curve.score: curve for curve in score_tables.curves(inputs)}
    assert list(found)[:2] == ["sharpness", "aligned_psnr_person_box"]
    told = found["psnr_person_box"].told
    assert told["values"] == pytest.approx(table["psnr_person_box"].to_pylist(), rel=1e-3)
    assert told["beside"] == pytest.approx(table["retrieval_psnr_person_box"].to_pylist(), rel=1e-3)
    assert "lpips_person_box" not in found  # switched off: no frame has it
    assert found["tcm"].told["values"][-1] is None  # the last frame has no next one
    assert len(found["pose_distance"].values) == 40


def test_worst_frames_come_by_what_says_most(folder):
    with_truth = score_tables.ranking(score_tables.curves(made.inputs(folder, "ann_from_bob")))
    assert with_truth.score == "psnr_person_box"
    assert with_truth.badness.argmax() == np.nanargmin(with_truth.values)
    without = score_tables.ranking(score_tables.curves(made.inputs(folder, "ann_like_bob")))
    assert without.score == "pose_distance" and without.badness.argmax() == np.nanargmax(without.values)


@pytest.mark.parametrize("values, told", [
    ({}, "{psnr_person_box:.1f} dB PSNR where the person is, {sharpness:.0%} of the truth's sharpness; copying the "
         "nearest training frame reaches {retrieval_psnr_person_box:.1f} dB PSNR."),
    ({"lpips_person_box": 0.1234, "retrieval_lpips_person_box": 0.25}, "0.123 LPIPS where the person is, "
     "{sharpness:.0%} of the truth's sharpness; copying the nearest training frame reaches 0.250 LPIPS."),
    ({"lpips_person_box": 0.1234, "sharpness": None}, "0.123 LPIPS where the person is."),
])
def test_the_verdict_leads_with_what_people_see(folder, values, told):
    found = score_tables.read(made.inputs(folder, "ann_from_bob"))
    for name, value in values.items():
        found["metrics"][name]["value"] = value
    known = {name: score["value"] for name, score in found["metrics"].items() if score["value"] is not None}
    assert score_tables.verdict(found) == told.format(**known)


def test_without_a_truth_the_verdict_says_so(folder):
    assert "no true video" in score_tables.verdict(score_tables.read(made.inputs(folder, "ann_like_bob")))


def test_the_tables_hold_every_score_once_its_video_and_copy_beside_it(folder):
    found = score_tables.read(made.inputs(folder, "ann_from_bob"))
    for name in (*HEADLINE_SCORES, "psnr_face"):  # of so small faces there is none
        found["metrics"][name]["value"] = 20.0
    parted = score_tables.table(found)
    named = [name for name, score in found["metrics"].items() if score["value"] is not None]
    shown = parted["main"] + parted["parts"]
    beside = [f"video_{name}" for name in shown] + [score_tables.BESIDE.get(name) for name in shown]
    assert parted["main"][:len(HEADLINE_SCORES)] == list(HEADLINE_SCORES) and parted["parts"] == ["psnr_face"]
    assert parted["missing"]["switched off by presets.demo.metrics.redetect"][0] == "Pose error"
    assert sum(map(len, parted["missing"].values())) == len(found["metrics"]) - len(named)
    assert len(shown) == len(set(shown)) and set(named) <= {*shown, *beside}
