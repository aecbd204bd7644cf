"""People are told apart by what they wear, whatever the light and the side they are seen from."""

import numpy as np
import pytest

from stages.samples.people import person
from stages.tracking.clothes import Clothes
from stages.tracking.tracker import OTHER, SAME
from tests.stages import duo


@pytest.fixture(scope="module")
def walkers():
    """Pictures of two people from the front (frame 0) and from the side, the true boxes and what they wear."""
    film = duo.Duo(duo.crossing(person("stranger_40"), person("stranger_41")), 3.6, 192)

    def look(frame):
        places = [pose.body[:, :2] for pose in film.poses(frame)]
        return film.shot(frame), [np.concatenate([place.min(0), place.max(0) + [0, 6]]) for place in places]
    return look(0), look(32), look(70)


def test_from_the_front_and_from_the_side(walkers):
    (front, boxes), *others = walkers
    known = [Clothes.of(front, box) for box in boxes]
    for picture, places in others:
        likeness = np.array([[worn.agrees(picture, box) for box in places] for worn in known])
        assert likeness.diagonal().min() > SAME and max(likeness[0, 1], likeness[1, 0]) < OTHER


@pytest.mark.parametrize("gain, offset", [(0.8, 0), (1.15, 0), (1.0, 12), (np.array([1.06, 1.0, 0.94]), 0)])
def test_in_other_light(walkers, gain, offset):
    (front, boxes), *_ = walkers
    lit = np.clip(front * gain + offset, 0, 255).astype(np.uint8)
    for mine, other in (boxes, boxes[::-1]):
        worn = Clothes.of(front, mine)
        assert worn.agrees(lit, mine) > SAME and worn.agrees(lit, mine) > worn.agrees(lit, other) + 0.2


def test_a_mean_of_looks(walkers):
    (front, (one, other)), *_ = walkers
    a, b = Clothes.of(front, one), Clothes.of(front, other)
    both = a.with_look(b)
    assert both.looks == 2 and np.allclose(both.colours, (a.colours + b.colours) / 2)
    three = both.joined(a)
    assert three.looks == 3 and np.allclose(three.colours, (2 * a.colours + b.colours) / 3)
    assert a.likeness(a) == pytest.approx(1) and np.allclose(a.colours.sum((1, 2, 3)), 1)
    assert np.isfinite(Clothes.of(front, (-300, -300, -200, -100)).colours).all()  # outside of the picture
