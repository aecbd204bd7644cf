"""Who is who from frame to frame: sightings are linked into tracks, and the main person is the larger and steadier."""

from dataclasses import dataclass, field

import numpy as np

_REACH = 0.35      # of the person's height that someone moves in one step between frames, at most
_FAR = 1.0         # and over a gap however long


@dataclass
class _Track:
    places: dict = field(default_factory=dict)  # frame: which of its sightings
    last: tuple = ()
    weight: float = 0.0  # heights, summed: large and often seen is heavy


def main_person(sightings: list[np.ndarray], reach: float = _REACH) -> list[int]:
    """For each frame the sighting of the main person, or -1.

    sightings   for each frame (n, 3): x, y and height in pixels
    reach       how far someone gets in one step, in heights
    """
    tracks: list[_Track] = []
    for frame, people in enumerate(sightings):
        free = set(range(len(people)))
        for track in sorted(tracks, key=lambda track: -track.weight):
            then, (x, y, height) = track.last
            limit = min(reach * (frame - then), _FAR + reach) * height
            distances = {i: np.hypot(people[i][0] - x, people[i][1] - y) for i in free}
            nearest = min(distances, key=distances.get, default=None)
            if nearest is not None and distances[nearest] <= limit and 0.5 < people[nearest][2] / height < 2:
                free.remove(nearest)
                _extend(track, frame, nearest, people[nearest])
        for i in sorted(free):
            tracks.append(_Track())
            _extend(tracks[-1], frame, i, people[i])
    best = max(tracks, key=lambda track: track.weight, default=_Track())
    return [best.places.get(frame, -1) for frame in range(len(sightings))]


def _extend(track: _Track, frame: int, which: int, person: np.ndarray) -> None:
    track.places[frame] = which
    track.last = frame, tuple(person)
    track.weight += person[2]
