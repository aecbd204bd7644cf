"""A training that goes wrong is stopped within 50 steps, and the loss is named."""

import re

import numpy as np
import pytest

from stages.learning.divergence import PATIENCE, Diverged, DivergenceCheck

NAMES = ("l1", "gw", "d_spatial", "d_temporal")
GOOD = [0.1, 0.02, 0.6, 0.5]


def told(bad: list, at: int, judges=("d_spatial", "d_temporal"), steps: int = 120, every: int = 10) -> tuple[int, str]:
    """Looks every ten steps at losses that are good until step `at` and `bad` from there: when it stops, and why."""
    rows, watch = np.array([GOOD] * (at - 1) + [bad] * (steps - at + 1), np.float32), DivergenceCheck(NAMES, judges)
    for start in range(0, steps, every):
        try:
            watch.check(start + 1, rows[start : start + every])
        except Diverged as error:
            return start + every, str(error)
    return 0, ""


@pytest.mark.parametrize("column, value, name", [
    (0, np.nan, "`l1`.*weight_l1"), (1, np.inf, "`gw`.*weight_gw"), (3, np.nan, "`d_temporal`.*weight_temporal"),
    (2, 0.0, "`d_spatial`.*discriminator_learning_rate"), (3, 5e-5, "`d_temporal`.*discriminator_learning_rate"),
])
def test_it_is_found_within_50_steps_and_named(column, value, name):
    bad = list(GOOD)
    bad[column] = value
    stopped, reason = told(bad, at=31)
    assert 31 <= stopped <= 31 + 50
    assert re.search(name, reason)


def test_what_is_small_but_no_discriminator_in_use_is_fine():
    assert told([0.0, 0.0, 0.0, 0.5], at=1, judges=("d_temporal",)) == (0, "")


def test_a_discriminator_that_recovers_is_fine():
    watch = DivergenceCheck(NAMES, ("d_spatial",))
    for start in range(0, 200, 10):
        rows = np.tile(np.float32([0.1, 0.1, 0.0, 0.5]), (10, 1))
        rows[(start // 10 % 3) * 3, 2] = 0.3
        watch.check(start + 1, rows)
    with pytest.raises(Diverged, match=f"up to step {200 + PATIENCE - 6}"):
        watch.check(201, np.tile(np.float32([0.1, 0.1, 0.0, 0.5]), (PATIENCE, 1)))
