"""The pictures of what stages left behind: what each is drawn from, and where in it."""

import numpy as np
import pytest

from stages import layout
from stages.reporting import figures
from stages.media.sampling import evenly_spaced
from tests.stages.reporting import made


@pytest.mark.parametrize("count, chosen", [(0, []), (1, [0]), (3, [0, 1, 2]), (100, [0, 14, 28, 42, 57, 71, 85, 99])])
def test_pictures_are_spread_evenly(count, chosen):
    assert evenly_spaced(np.arange(count), 8).tolist() == chosen


def test_only_what_the_report_reads_is_asked_for(folder):
    """The studio gives more files, which DVC does not know the report by."""
    inputs = made.inputs(folder, "ann_from_bob")
    own = {name: inputs.paths[f"target_{name}"] for name in ("frames", "clock", "poses")}
    shown = {stage: list(figures.exhibits(stage, inputs.paths | own, 4)) for stage in layout.KINDS}
    assert [stage for stage in shown if not shown[stage]] == ["samples", "signing", "metrics", "report"]
    assert all(title and picture.dtype == np.uint8 and picture.shape[2] == 3
               for found in shown.values() for title, picture in found)


def test_without_a_room_yet_poses_stand_on_black(folder, tmp_path):
    paths = made.inputs(folder, "ann_from_bob").paths
    (_, there), (_, before) = (next(figures.exhibits("retargeting", paths | changed, 4))
                               for changed in ({}, {"background": tmp_path / "later.png"}))
    assert there.shape == before.shape and (there[:170] == before[:170]).all()  # the source's row
    assert (before[180:].max(-1) == 0).mean() > 0.6 > 0.01 > (there[180:].max(-1) == 0).mean()
