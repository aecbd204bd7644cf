"""The figures of each stage, and the files that they are drawn from."""

import numpy as np

from stages import layout
from stages.reporting import figures
from tests.stages.reporting import made


def test_figures_read_only_inputs_of_the_report(folder):
    """The studio passes more files, which are no dependencies of the report in dvc.yaml."""
    inputs = made.inputs(folder, "ann_from_bob")
    own = {name: inputs.paths[f"target_{name}"] for name in ("frames", "timeline", "poses")}
    shown = {stage: list(figures.stage_figures(stage, inputs.paths | own, 4)) for stage in layout.KINDS}
    assert [stage for stage in shown if not shown[stage]] == ["samples", "signing", "metrics", "report"]
    assert all(caption and picture.dtype == np.uint8 and picture.shape[2] == 3
               for found in shown.values() for caption, picture in found)


def test_without_a_background_poses_are_drawn_on_black(folder, tmp_path):
    paths = made.inputs(folder, "ann_from_bob").paths
    (_, there), (_, before) = (next(figures.stage_figures("retargeting", paths | changed, 4))
                               for changed in ({}, {"background": tmp_path / "later.png"}))
    assert there.shape == before.shape and (there[:170] == before[:170]).all()  # the source's row
    assert (before[180:].max(-1) == 0).mean() > 0.6 > 0.01 > (there[180:].max(-1) == 0).mean()
