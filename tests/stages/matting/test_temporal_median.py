"""The masked temporal median, compared with NumPy's, and the mode near it."""

import warnings

import numpy as np
import pytest

from stages.matting.temporal_median import temporal_mode, uncovered_median


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_agrees_with_nanmedian(frames):
    rng = np.random.default_rng(frames)
    pictures = rng.integers(0, 256, (frames, 70, 40, 3), np.uint8)
    covered = rng.random((frames, 70, 40)) < 0.4
    covered[:, :5, :5] = True
    median, seen = uncovered_median(pictures, covered)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.nanmedian(np.where(covered[..., None], np.nan, pictures), axis=0)
    assert (seen == ~covered.all(0)).all()
    assert (median[seen] == np.floor(expected[seen])).all()
    assert not median[~seen].any()


@pytest.mark.parametrize("outliers", [0, 0.2, 0.4])
def test_the_mode_near_the_median_is_found_to_a_fraction_of_a_step(outliers):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((400, 6, 7, 1)) < outliers, 100.3, 160.6) + rng.normal(0, 1.5, (400, 6, 7, 3))
    free = rng.random((400, 6, 7)) < 0.7
    values[~free] = 255
    found = temporal_mode(np.rint(values).astype(np.int16), free)
    assert np.abs(found - 160.6).max() < 0.5 and np.abs(found.mean() - 160.6) < 0.1


def test_always_covered_pixels_have_no_median():
    assert not temporal_mode(np.full((3, 2, 2, 3), 9, np.int16), np.zeros((3, 2, 2), bool)).any()
