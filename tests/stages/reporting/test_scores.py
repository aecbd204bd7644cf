import numpy as np
import pyarrow.parquet as pq
import pytest

from stages.measures.scoring import NAMES
from stages.reporting import scores
from tests.stages.reporting import made


def test_every_score_has_words():
    assert set(NAMES) <= set(scores.WORDS) and set(scores.CURVES) <= set(scores.WORDS)
    assert set(scores.BESIDE.values()) <= set(scores.WORDS)


def test_curves_are_the_scores_of_the_frames_and_the_poses_distance(folder):
    inputs = made.inputs(folder, "ann_from_bob")
    table = pq.read_table(inputs.paths["per_frame"])
    found = {curve.score: curve for curve in scores.curves(inputs)}
    told = found["psnr_person_box"].told
    assert told["values"] == pytest.approx(table["psnr_person_box"].to_pylist(), rel=1e-3)
    assert told["beside"] == pytest.approx(table["retrieval_psnr_person_box"].to_pylist(), rel=1e-3)
    assert "lpips_person_box" not in found  # switched off: no frame has it
    assert found["tcm"].told["values"][-1] is None  # the last frame has no next one
    assert len(found["pose_distance"].values) == 40


def test_worst_frames_come_by_what_says_most(folder):
    with_truth = scores.ranking(scores.curves(made.inputs(folder, "ann_from_bob")))
    assert with_truth.score == "psnr_person_box"
    assert with_truth.badness.argmax() == np.nanargmin(with_truth.values)
    without = scores.ranking(scores.curves(made.inputs(folder, "ann_like_bob")))
    assert without.score == "pose_distance" and without.badness.argmax() == np.nanargmax(without.values)


def test_the_verdict_sets_the_result_beside_copying(folder):
    found = scores.read(made.inputs(folder, "ann_from_bob"))
    own, copy = (found["metrics"][name]["value"] for name in ("psnr_person_box", "retrieval_psnr_person_box"))
    assert scores.verdict(found) == (f"{own:.1f} dB PSNR where the person is; copying the nearest training frame "
                                     f"reaches {copy:.1f} dB.")
    assert "no true video" in scores.verdict(scores.read(made.inputs(folder, "ann_like_bob")))


def test_both_tables_hold_every_score_once(folder):
    found = scores.read(made.inputs(folder, "ann_from_bob"))
    found["metrics"]["psnr_face"]["value"] = 20.0  # of so small faces there is none
    parted = scores.table(found)
    named = [name for name, score in found["metrics"].items() if score["value"] is not None]
    assert sorted(parted["main"] + parted["parts"]) == sorted(named)
    assert "psnr" in parted["main"] and {"psnr_face", "retrieval_psnr"} <= set(parted["parts"])
