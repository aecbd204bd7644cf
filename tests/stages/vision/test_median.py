"""The masked temporal median, against NumPy's."""

import warnings

import numpy as np
import pytest

from stages.vision.median import uncovered_median


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
