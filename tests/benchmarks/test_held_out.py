"""Benchmarks score held-out frames like the stage `metrics`, and do not start without the weights of LPIPS."""

import sys
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from stages import layout, metrics, pretrained
from stages.evaluation.metric_names import HEADLINE_SCORES, WHOLE_FRAME
from stages.pose import part_boxes
from tests.benchmarks import experiments, held_out, training
from tests.stages import toy


@pytest.fixture
def generated(monkeypatch):
    """A generator whose foregrounds are those that the toy's transfers hold."""
    def foregrounds(pose, batch):
        for begin in range(0, len(pose), batch):
            indices = np.arange(begin, min(begin + batch, len(pose)))
            rgba = np.stack([toy.figure(toy.pose(30 + t), (190, 90, 70)) for t in indices])
            straight = torch.from_numpy(rgba).permute(0, 3, 1, 2) / 255
            yield indices, torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], 1)  # premultiplied

    monkeypatch.setattr(held_out, "GeneratorInference", lambda *_: SimpleNamespace(foregrounds=foregrounds))


@pytest.mark.parametrize("moving", [False, True])
def test_the_scores_are_those_of_the_stage(tmp_path, monkeypatch, generated, trained, moving):
    """The scores of all frames; and of the first two and the last two, which are two pairs of consecutive frames."""
    large = {part: 3 * share for part, share in part_boxes.PART_SIZES.items()}  # the toy's parts are too small for SSIM
    monkeypatch.setattr(part_boxes, "PART_SIZES", large)
    toy.write_all(tmp_path)
    if moving:  # to the left in every frame, so that the right of the square is outside of the view
        camera = np.tile(np.eye(3), (toy.FRAMES, 1, 1))
        camera[:, 0, 2] = -np.arange(toy.FRAMES)
        toy.write_view(tmp_path / layout.ROOT / "ann/view.parquet", camera=camera)
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, tmp_path)
    metrics.run(**files, params=toy.METRICS.model_copy(update={"weights": True}), entry=toy.RECONSTRUCTION,
                key="ann_from_ann")
    frames = pq.read_table(files["per_frame"]).to_pandas()
    for pairs, chosen in ((None, frames), (2, frames.iloc[[0, 1, -2, -1]])):
        found = held_out.scores(tmp_path, "ann", tmp_path / "generator", pairs)
        steady = frames["tcm"].iloc[[0, -2]] if pairs else frames["tcm"]
        expected = dict(chosen.mean(numeric_only=True)) | {"tcm": steady.mean()}
        for name in (*HEADLINE_SCORES, *WHOLE_FRAME):
            assert found[name] == pytest.approx(expected[name], rel=1e-5)
        parts = [expected[f"lpips_{part}"] for part in ("face", "right_hand", "left_hand")]
        assert 0 < found[held_out.LPIPS_VGG] < 1
        assert found[held_out.FACE_AND_HANDS] == pytest.approx(np.mean(parts), rel=1e-5)


@pytest.mark.parametrize("program, only", [(experiments, "adam"), (training, "equal"), (training, "gw,parts")])
def test_without_the_network_of_lpips_it_stops_at_once(tmp_path, monkeypatch, capsys, program, only):
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    monkeypatch.setattr(held_out, "run_missing", lambda *_: pytest.fail("begun"))
    monkeypatch.setattr(sys, "argv", ["benchmark", "--only", only, "--keep", str(tmp_path / "work")])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 2 and "`python -m pipeline weights take`" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
