"""Clothes identify people in any light and from any side."""

import numpy as np
import pytest

from stages.samples.people import person
from stages.tracking.clothes import Clothes
from stages.tracking.tracker import DIFFERENT, SAME
from tests.stages import duo


@pytest.fixture(scope="module")
def walkers():
    """Pictures of two people from the front (frame 0) and from the side, with their true boxes."""
    film = duo.Duo(duo.crossing(person("stranger_40"), person("stranger_41")), 3.6, 192)

    def look(frame):
        places = [pose.body[:, :2] for pose in film.poses(frame)]
        return film.shot(frame), [np.concatenate([place.min(0), place.max(0) + [0, 6]]) for place in places]
    return look(0), look(32), look(70)


def test_from_the_front_and_from_the_side(walkers):
    (front, boxes), *others = walkers
    known = [Clothes.from_box(front, box) for box in boxes]
    for picture, places in others:
        similarity = np.array([[worn.similarity_in(picture, box) for box in places] for worn in known])
        assert similarity.diagonal().min() > SAME and max(similarity[0, 1], similarity[1, 0]) < DIFFERENT


@pytest.mark.parametrize("gain, offset", [(0.8, 0), (1.15, 0), (1.0, 12), (np.array([1.06, 1.0, 0.94]), 0)])
def test_in_other_light(walkers, gain, offset):
    (front, boxes), *_ = walkers
    lit = np.clip(front * gain + offset, 0, 255).astype(np.uint8)
    for mine, other in (boxes, boxes[::-1]):
        worn = Clothes.from_box(front, mine)
        similarity = worn.similarity_in(lit, mine)
        assert similarity > SAME and similarity > worn.similarity_in(lit, other) + 0.2


def test_a_mean_of_detections(walkers):
    (front, (one, other)), *_ = walkers
    a, b = Clothes.from_box(front, one), Clothes.from_box(front, other)
    both = a.updated(b)
    assert both.observations == 2 and np.allclose(both.histograms, (a.histograms + b.histograms) / 2)
    three = both.merged(a)
    assert three.observations == 3 and np.allclose(three.histograms, (2 * a.histograms + b.histograms) / 3)
    assert a.similarity(a) == pytest.approx(1) and np.allclose(a.histograms.sum((1, 2, 3)), 1)
    assert np.isfinite(Clothes.from_box(front, (-300, -300, -200, -100)).histograms).all()  # outside of the picture
