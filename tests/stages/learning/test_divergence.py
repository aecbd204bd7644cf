"""A diverging training is stopped within 50 steps, with an error that names the loss."""

import re

import numpy as np
import pytest

from stages.learning.divergence import PATIENCE, Diverged, DivergenceCheck, guessing

NAMES = ("l1", "gw", "d_spatial", "d_temporal")
GOOD = [0.1, 0.02, 0.6, 0.5]


def outcome(bad: list, at: int, discriminators=("d_spatial", "d_temporal"), steps: int = 120, every: int = 10
            ) -> tuple[int, str]:
    """The step at which the check stops a training, and its error; (0, "") if it does not. Losses are `bad` from step
    `at` on; they are checked every ten steps."""
    rows = np.array([GOOD] * (at - 1) + [bad] * (steps - at + 1), np.float32)
    divergence = DivergenceCheck(NAMES, discriminators)
    for start in range(0, steps, every):
        try:
            divergence.check(start + 1, rows[start : start + every])
        except Diverged as error:
            return start + every, str(error)
    return 0, ""


@pytest.mark.parametrize("column, value, name", [
    (0, np.nan, "`l1`.*weight_l1"), (1, np.inf, "`gw`.*weight_gw"), (3, np.nan, "`d_temporal`.*weight_temporal"),
    (2, 0.0, "`d_spatial`.*discriminator_learning_rate"), (3, 5e-5, "`d_temporal`.*discriminator_learning_rate"),
])
def test_divergence_is_found_within_50_steps_and_named(column, value, name):
    bad = list(GOOD)
    bad[column] = value
    stopped, reason = outcome(bad, at=31)
    assert 31 <= stopped <= 31 + 50
    assert re.search(name, reason)


def test_other_losses_may_be_zero():
    assert outcome([0.0, 0.0, 0.0, 0.5], at=1, discriminators=("d_temporal",)) == (0, "")


def test_a_discriminator_that_recovers_is_fine():
    divergence = DivergenceCheck(NAMES, ("d_spatial",))
    for start in range(0, 200, 10):
        rows = np.tile(np.float32([0.1, 0.1, 0.0, 0.5]), (10, 1))
        rows[(start // 10 % 3) * 3, 2] = 0.3
        divergence.check(start + 1, rows)
    with pytest.raises(Diverged, match=f"up to step {200 + PATIENCE - 6}"):
        divergence.check(201, np.tile(np.float32([0.1, 0.1, 0.0, 0.5]), (PATIENCE, 1)))


@pytest.mark.parametrize("begin, end, found", [
    (0.69, 0.69, ["spatial"]), (0.5, 0.69, ["spatial"]), (0.69, 0.6, []), (0.7, 0.72, ["spatial"]), (0.69, 0.0, [])])
def test_a_discriminator_that_guesses_at_the_end_is_named(begin, end, found):
    losses = {"d_spatial": np.repeat([begin, end], [60, 40]), "d_temporal": np.full(100, 0.3)}
    assert guessing(losses, ("spatial", "temporal"), chance=np.log(2)) == found
