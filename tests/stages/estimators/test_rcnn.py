"""Masks pasted into their boxes, and the confidence of heat maps."""

import numpy as np
import pytest
import torch

from stages.estimators import rcnn

SIDE = 56


@pytest.mark.parametrize("box", [(20.0, 10.0, 76.0, 122.0), (20.5, 10.25, 60.0, 49.75), (-15.0, 40.0, 30.0, 160.0)])
def test_a_ramp_is_pasted_at_the_box(box):
    box, cells = np.float32(box), np.tile((np.float32(range(28)) + 0.5) / 28, (28, 1))
    mask = rcnn.paste_mask(cells, box, (128, 96))
    rows, columns = np.mgrid[:128, :96] + 0.5
    across, down = (columns - box[0]) / (box[2] - box[0]), (rows - box[1]) / (box[3] - box[1])
    well_inside = (np.abs(across - 0.5) < 0.4) & (np.abs(down - 0.5) < 0.4)
    assert mask.shape == (128, 96) and mask.dtype == np.float32
    np.testing.assert_allclose(mask[well_inside], across[well_inside], atol=0.003)
    beyond = (columns < box[0] - 4) | (columns > box[2] + 4) | (rows < box[1] - 6) | (rows > box[3] + 6)
    assert mask[beyond].max() == 0


def logits(spread: float) -> torch.Tensor:
    """The log of a normal distribution around the middle, in cells."""
    rows, columns = torch.meshgrid(*[torch.arange(SIDE) - SIDE / 2.0] * 2, indexing="ij")
    return -(rows**2 + columns**2) / (2 * spread**2)


@pytest.mark.parametrize("spread, wanted", [(0.5, 1.0), (2.0, 0.847), (4.0, 0.383), (8.0, 0.115)])
def test_confidence_is_the_probability_of_the_neighbourhood(spread, wanted):
    """Of seven cells around the centre: erf(3.5 / (spread sqrt 2)) squared."""
    assert rcnn.keypoint_confidence(logits(spread)[None, None]).item() == pytest.approx(wanted, abs=0.01)


def test_confidence_ignores_the_level_of_the_logits_and_is_low_for_two_peaks():
    one = logits(1.0)
    two = torch.logaddexp(one.roll(-15, 0), one.roll(15, 0))
    single, shifted, double, flat = rcnn.keypoint_confidence(torch.stack([one, one + 7, two, 0 * one])[None])[0]
    assert single == pytest.approx(shifted.item(), abs=1e-4) and single > 0.99
    assert double == pytest.approx(single.item() / 2, abs=0.01)
    assert flat < 0.02
