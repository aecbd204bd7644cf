"""The figures of the background benchmark, for known errors."""

import sys

import numpy as np
import pytest

from stages import pretrained
from stages.evaluation import perceptual_distance
from stages.imaging import image_quality
from tests.benchmarks import plates


@pytest.mark.parametrize("height", [0, 3, 12])
def test_a_step_along_an_old_silhouette_is_measured(height):
    share = np.ones((128, 128))
    share[:, :60] = 0.3  # passes three of the levels between here and there
    error = np.where(share < 1, height, 0)[..., None] * np.ones(3)
    error += np.linspace(0, 10, 128)[:, None, None]  # what changes along the line is no step
    found = plates.seam(error, share, np.ones((128, 128), bool))
    assert found.max() == pytest.approx(height, abs=0.3)


def test_the_empty_room_is_nearly_what_it_was():
    ramp = np.linspace(60, 200, 64)[:, None] * np.ones(64)
    room = np.rint(np.stack([ramp, ramp[::-1], ramp.T], -1)).astype(np.uint8)
    assert 38 < image_quality.psnr(plates.emptied(room, 12), room) < 60


def test_means_are_over_people():
    people = [[plates.Figure(name, reached, 1) for name, reached in zip("abc", row)] for row in ([1, 2, 3], [3, 6, 9])]
    assert [figure.reached for figure in plates.means(people)] == [2, 4, 6]
    assert all(figure.goal is None for figure in plates.means(people))


def test_a_missing_network_is_said_before_the_work(tmp_path, monkeypatch):
    def absent():
        raise pretrained.MissingWeights("alexnet.ckpt: these trained weights are not there")

    monkeypatch.setattr(perceptual_distance, "lpips_network", absent)
    monkeypatch.setattr(sys, "argv", ["plates", "--keep", str(tmp_path / "kept")])
    with pytest.raises(pretrained.MissingWeights):
        plates.main()
    assert not (tmp_path / "kept").exists()
