import contextlib
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq

from stages import layout
from stages.reporting import cards
from tests.stages.reporting import made


def test_every_stage_before_the_report_has_a_card_with_its_parameters(folder):
    """In the pipeline's order. `samples` and `report` have none."""
    with contextlib.chdir(folder):
        found = cards.cards(made.inputs(folder, "ann_from_bob"), 4)
    assert [card.stage for card in found] == [name for name in layout.KINDS if name in cards.TEXTS]
    assert set(layout.KINDS) - set(cards.TEXTS) == {"samples", "report"}
    by_stage = {card.stage: card for card in found}
    assert list(by_stage["frames"].blocks) == ["frames@ann", "frames@bob"]
    assert by_stage["generator_training"].blocks["generator_training@ann"]["learning_rate"] > 0
    assert [card.stage for card in found if not card.pictures] == ["signing", "metrics"]
    assert ("split", "25 for training, 10 held out") in by_stage["frames"].facts


def test_costs_are_shown_for_stages_that_ran_here(folder, tmp_path):
    with contextlib.chdir(folder):
        path = layout.cost("fusion", "ann_like_bob")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": 3.5, "peak_gib": 0.4}))
        found = {card.stage: card.costs for card in cards.cards(made.inputs(folder, "ann_like_bob"), 2)}
        path.unlink()
    assert found["fusion"] == {"fusion@ann_like_bob": {"seconds": 3.5, "peak_gib": 0.4}} and found["metrics"] == {}


def test_unused_losses_have_no_chart(tmp_path):
    """None if all values are zero (switched off) or NaN (a part that was never seen); single NaN are left out."""
    nan = float("nan")
    columns = {"step": [1, 2, 3], "l1": [0.3, 0.2, 0.1], "gw": [0.0] * 3, "d_face": [nan] * 3, "vgg": [nan, 2.0, 1.0]}
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    charts = cards.losses(tmp_path / "log.parquet")
    assert [re.search('aria-label="(.*?)"', chart)[1] for chart in charts] == ["l1", "vgg"]
    assert cards.losses(tmp_path / "none.parquet") == []
