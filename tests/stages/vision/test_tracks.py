"""The main person is the larger and steadier of those who walk by."""

import numpy as np

from stages.vision.tracks import main_person


def walking(start, step, height, frames):
    return {t: (start + step * t, 100.0, height) for t in frames}


def sightings(*people, frames=20):
    return [np.array([person[t] for person in people if t in person]).reshape(-1, 3) for t in range(frames)]


def followed(chosen, rows):
    return [float(people[i][0]) if i >= 0 else None for i, people in zip(chosen, rows)]


def test_the_larger_is_followed_whoever_is_listed_first():
    small, large = walking(10, 0, 40, range(20)), walking(200, -4, 90, range(20))
    for order in ((small, large), (large, small)):
        rows = sightings(*order)
        assert followed(main_person(rows), rows) == [large[t][0] for t in range(20)]


def test_the_steadier_wins_over_a_giant_who_passes():
    steady, passing = walking(10, 1, 60, range(20)), walking(300, 0, 150, range(3, 6))
    rows = sightings(passing, steady)
    assert followed(main_person(rows), rows) == [steady[t][0] for t in range(20)]


def test_a_gap_is_bridged_and_a_leap_to_someone_else_is_dropped():
    person = walking(100, 1, 80, [*range(6), *range(9, 20)])
    stranger = {7: (400.0, 100.0, 80.0)}
    chosen = main_person(sightings(person, stranger))
    assert [t for t, which in enumerate(chosen) if which < 0] == [6, 7, 8]


def test_nobody():
    assert main_person([np.empty((0, 3))] * 3) == [-1, -1, -1]
