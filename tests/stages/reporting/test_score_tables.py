import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.evaluation.metric_names import FRAME_SCORES, HEADLINE_SCORES
from stages.reporting import score_tables
from tests.stages.reporting import made


def test_every_score_has_a_description():
    names = {*FRAME_SCORES, *score_tables.CURVES, *score_tables.COMPARED_WITH.values()}
    assert names <= set(score_tables.DESCRIPTIONS)


def test_curves_are_scores_of_frames_and_the_pose_distance(folder):
    inputs = made.inputs(folder, "ann_from_bob")
    table = pq.read_table(inputs.paths["per_frame"])
    found = {curve.score: curve for curve in score_tables.curves(inputs)}
    assert list(found)[:2] == ["sharpness", "aligned_psnr_person_box"]
    shown = found["psnr_person_box"].for_page
    assert shown["values"] == pytest.approx(table["psnr_person_box"].to_pylist(), rel=1e-3)
    assert shown["compared"] == pytest.approx(table["retrieval_psnr_person_box"].to_pylist(), rel=1e-3)
    assert "lpips_person_box" not in found  # switched off: no frame has it
    assert found["tcm"].for_page["values"][-1] is None  # the last frame has no next one
    assert len(found["pose_distance"].values) == 40


def test_worst_frames_are_ranked_by_the_first_score_with_values(folder):
    with_truth = score_tables.ranking(score_tables.curves(made.inputs(folder, "ann_from_bob")))
    assert with_truth.score == "psnr_person_box"
    assert with_truth.badness.argmax() == np.nanargmin(with_truth.values)
    without = score_tables.ranking(score_tables.curves(made.inputs(folder, "ann_like_bob")))
    assert without.score == "pose_distance" and without.badness.argmax() == np.nanargmax(without.values)


@pytest.mark.parametrize("values, expected", [
    ({}, "{psnr_person_box:.1f} dB PSNR in the person's box, {sharpness:.0%} of the truth's sharpness; copying the "
         "nearest training frame reaches {retrieval_psnr_person_box:.1f} dB PSNR."),
    ({"lpips_person_box": 0.1234, "retrieval_lpips_person_box": 0.25}, "0.123 LPIPS in the person's box, "
     "{sharpness:.0%} of the truth's sharpness; copying the nearest training frame reaches 0.250 LPIPS."),
    ({"lpips_person_box": 0.1234, "sharpness": None}, "0.123 LPIPS in the person's box."),
])
def test_the_verdict_prefers_lpips(folder, values, expected):
    found = score_tables.read_metrics(made.inputs(folder, "ann_from_bob"))
    for name, value in values.items():
        found["metrics"][name]["value"] = value
    known = {name: score["value"] for name, score in found["metrics"].items() if score["value"] is not None}
    assert score_tables.verdict(found) == expected.format(**known)


def test_the_verdict_without_a_truth(folder):
    assert "no true video" in score_tables.verdict(score_tables.read_metrics(made.inputs(folder, "ann_like_bob")))


def test_the_tables_contain_every_score_once(folder):
    found = score_tables.read_metrics(made.inputs(folder, "ann_from_bob"))
    for name in (*HEADLINE_SCORES, "psnr_face"):  # toy faces are too small for a score
        found["metrics"][name]["value"] = 20.0
    parted = score_tables.tables(found)
    named = [name for name, score in found["metrics"].items() if score["value"] is not None]
    shown = parted["main"] + parted["parts"]
    other_columns = [f"video_{name}" for name in shown] + [score_tables.COMPARED_WITH.get(name) for name in shown]
    assert parted["main"][:len(HEADLINE_SCORES)] == list(HEADLINE_SCORES) and parted["parts"] == ["psnr_face"]
    assert parted["missing"]["switched off by presets.demo.metrics.redetect"][0] == "Pose error"
    assert sum(map(len, parted["missing"].values())) == len(found["metrics"]) - len(named)
    assert len(shown) == len(set(shown)) and set(named) <= {*shown, *other_columns}
